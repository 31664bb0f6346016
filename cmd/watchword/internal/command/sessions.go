package command

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/session"
)

func (p *program) sessionsCommand() *cobra.Command {
	return p.group("sessions", "Look at sessions, and end them", p.sessionsListCommand(), p.sessionsShowCommand(), p.sessionsRevokeCommand())
}

// liveSession is a session as JSON.
type liveSession struct {
	Handle      session.Handle `json:"handle"`
	UserID      string         `json:"userId"`
	State       string         `json:"state"` // live
	CreatedAt   time.Time      `json:"createdAt"`
	RefreshedAt time.Time      `json:"refreshedAt"`
	AuthAt      time.Time      `json:"authAt"`
	ExpiresAt   time.Time      `json:"expiresAt"`
	UserAgent   string         `json:"userAgent,omitempty"`
	Address     string         `json:"address,omitempty"`
	Label       string         `json:"label,omitempty"`
}

func newLiveSession(i session.Info) liveSession {
	return liveSession{
		Handle: i.Handle, UserID: i.UserID, State: "live",
		CreatedAt: i.CreatedAt.UTC(), RefreshedAt: i.RefreshedAt.UTC(), AuthAt: i.AuthAt.UTC(), ExpiresAt: i.ExpiresAt.UTC(),
		UserAgent: i.Device.UserAgent, Address: i.Device.Address, Label: i.Label,
	}
}

func (p *program) sessionsListCommand() *cobra.Command {
	var (
		user  string
		limit int
	)
	cmd := &cobra.Command{
		Use:   "list --user ID [--limit N]",
		Short: "List a user's live sessions, newest first",
		Args:  cobra.NoArgs,
		RunE:  p.action(func(ctx context.Context) error { return p.listSessions(ctx, user, limit) }),
	}
	userFlag(cmd, &user)
	limitFlag(cmd, &limit)
	return cmd
}

func userFlag(cmd *cobra.Command, user *string) {
	cmd.Flags().StringVar(user, "user", "", "the user's id")
	if err := cmd.MarkFlagRequired("user"); err != nil {
		panic(err) // only for a flag that is not there
	}
}

func limitFlag(cmd *cobra.Command, limit *int) {
	cmd.Flags().IntVar(limit, "limit", 0, "list at most so many; 0: all")
}

// pages calls page for one page after the other, with how much it may hold, until one is not full or the limit is reached.
func pages(limit int, page func(size int) (got int, err error)) error {
	if limit < 0 {
		return usage("--limit is %d: it must not be negative", limit)
	}
	for left := limit; ; {
		size := pageSize
		if limit > 0 {
			size = min(size, left)
		}
		got, err := page(size)
		if left -= got; err != nil || got < size || limit > 0 && left <= 0 {
			return err
		}
	}
}

func (p *program) listSessions(ctx context.Context, user string, limit int) error {
	return p.withManager(ctx, func(m *session.Manager, _ *Backend, _ *progress) error {
		l := p.list("HANDLE", "CREATED", "REFRESHED", "EXPIRES", "ADDRESS", "LABEL", "USER AGENT")
		var page session.Page
		err := pages(limit, func(size int) (int, error) {
			page.Limit = size
			infos, err := m.Sessions(ctx, user, page)
			if err != nil {
				return 0, err
			}
			for _, i := range infos {
				page.Before = i.Handle
				if err := l.add(newLiveSession(i), i.Handle.String(), stamp(i.CreatedAt), stamp(i.RefreshedAt), stamp(i.ExpiresAt),
					i.Device.Address, i.Label, i.Device.UserAgent); err != nil {
					return 0, err
				}
			}
			return len(infos), l.page()
		})
		if err != nil {
			return err
		}
		return l.end("This user has no live session.")
	})
}

func (p *program) sessionsShowCommand() *cobra.Command {
	var handle string
	cmd := &cobra.Command{
		Use:   "show --handle HANDLE",
		Short: "Show one session, live or ended",
		Args:  cobra.NoArgs,
		RunE:  p.action(func(ctx context.Context) error { return p.showSession(ctx, handle) }),
	}
	cmd.Flags().StringVar(&handle, "handle", "", "the session's handle")
	if err := cmd.MarkFlagRequired("handle"); err != nil {
		panic(err) // only for a flag that is not there
	}
	return cmd
}

func parseHandle(text string) (session.Handle, error) {
	h, err := session.ParseHandle(text)
	if err != nil || h.IsZero() {
		return session.Handle{}, usage("--handle is %q: it must be of the form 0199c82c-c000-73c5-8b91-b19d9b2d5ec9", text)
	}
	return h, nil
}

func (p *program) showSession(ctx context.Context, text string) error {
	h, err := parseHandle(text)
	if err != nil {
		return err
	}
	return p.withManager(ctx, func(m *session.Manager, _ *Backend, _ *progress) error {
		info, err := m.Lookup(ctx, h)
		if err == nil {
			return p.details(newLiveSession(info), liveDetails(info))
		}
		if !errors.Is(err, session.ErrUnauthorised) {
			return err
		}
		ending, err := m.Ending(ctx, h)
		switch {
		case errors.Is(err, session.ErrNotFound):
			return errors.New("there is no such session: it has expired, or never was, or the record of its end is no longer kept")
		case err != nil:
			return err
		}
		return p.details(newEndedSession(ending), endedDetails(ending))
	})
}

// detail is a line of what is shown of one thing.
type detail struct{ name, value string }

// details shows one thing.
func (p *program) details(object any, lines []detail) error {
	if p.json {
		return p.object(object)
	}
	l := p.list("", "")
	l.pages = 1 // without titles
	l.widths[0] = 14
	for _, d := range lines {
		if d.value == "" {
			continue
		}
		if err := l.add(object, d.name, d.value); err != nil {
			return err
		}
	}
	return l.page()
}

func liveDetails(i session.Info) []detail {
	return []detail{
		{"Handle", i.Handle.String()},
		{"User", i.UserID},
		{"State", "live"},
		{"Created", stamp(i.CreatedAt)},
		{"Refreshed", stamp(i.RefreshedAt)},
		{"Authenticated", stamp(i.AuthAt)},
		{"Expires", stamp(i.ExpiresAt)},
		{"Address", i.Device.Address},
		{"User agent", i.Device.UserAgent},
		{"Label", i.Label},
	}
}
