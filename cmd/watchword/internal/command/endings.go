package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/session"
)

// endedSession is how a session ended, as JSON.
type endedSession struct {
	Handle      session.Handle `json:"handle"`
	UserID      string         `json:"userId"`
	State       string         `json:"state"` // ended
	Reason      session.Reason `json:"reason"`
	EndedAt     time.Time      `json:"endedAt"`
	CreatedAt   time.Time      `json:"createdAt"`
	RefreshedAt time.Time      `json:"refreshedAt"`
	UserAgent   string         `json:"userAgent,omitempty"`
	Address     string         `json:"address,omitempty"`
	Label       string         `json:"label,omitempty"`
	Theft       *theft         `json:"theft,omitempty"`
}

// theft is what is known of a theft, as JSON. The presenter is who gave it away, which may be the owner.
type theft struct {
	Kind               session.TheftKind `json:"kind"`
	Generations        int               `json:"generations"`
	SinceRotation      float64           `json:"secondsSinceRotation"`
	OwnerUserAgent     string            `json:"ownerUserAgent,omitempty"`
	OwnerAddress       string            `json:"ownerAddress,omitempty"`
	PresenterUserAgent string            `json:"presenterUserAgent,omitempty"`
	PresenterAddress   string            `json:"presenterAddress,omitempty"`
}

func newEndedSession(e session.Ending) endedSession {
	ended := endedSession{
		Handle: e.Handle, UserID: e.UserID, State: "ended", Reason: e.Reason,
		EndedAt: e.EndedAt.UTC(), CreatedAt: e.CreatedAt.UTC(), RefreshedAt: e.RefreshedAt.UTC(),
		UserAgent: e.Device.UserAgent, Address: e.Device.Address, Label: e.Label,
	}
	if t := e.Theft; t != nil {
		ended.Theft = &theft{
			Kind: t.Kind, Generations: t.Generations, SinceRotation: t.SinceRotation.Seconds(),
			OwnerUserAgent: t.Device.UserAgent, OwnerAddress: t.Device.Address,
			PresenterUserAgent: t.Presenter.UserAgent, PresenterAddress: t.Presenter.Address,
		}
	}
	return ended
}

func endedDetails(e session.Ending) []detail {
	lines := []detail{
		{"Handle", e.Handle.String()},
		{"User", e.UserID},
		{"State", "ended"},
		{"Reason", string(e.Reason)},
		{"Ended", stamp(e.EndedAt)},
		{"Created", stamp(e.CreatedAt)},
		{"Refreshed", stamp(e.RefreshedAt)},
		{"Address", e.Device.Address},
		{"User agent", e.Device.UserAgent},
		{"Label", e.Label},
	}
	if t := e.Theft; t != nil {
		lines = append(lines,
			detail{"Theft", fmt.Sprintf("%s; the token was behind by %d, the newer one known to be there for %v", t.Kind, t.Generations, t.SinceRotation)},
			detail{"Owner", t.Device.Address + " " + t.Device.UserAgent},
			detail{"Presented by", t.Presenter.Address + " " + t.Presenter.UserAgent},
		)
	}
	return lines
}

func (p *program) endingsCommand() *cobra.Command {
	var (
		user  string
		limit int
	)
	cmd := &cobra.Command{
		Use:   "endings --user ID [--limit N]",
		Short: "List how a user's sessions ended, newest first",
		Args:  cobra.NoArgs,
		RunE:  p.action(func(ctx context.Context) error { return p.listEndings(ctx, user, limit) }),
	}
	userFlag(cmd, &user)
	limitFlag(cmd, &limit)
	return cmd
}

func (p *program) listEndings(ctx context.Context, user string, limit int) error {
	return p.withManager(ctx, func(m *session.Manager, _ *Backend, _ *progress) error {
		l := p.list("HANDLE", "ENDED", "REASON", "CREATED", "REFRESHED", "ADDRESS", "LABEL", "USER AGENT")
		var page session.EndingsPage
		err := pages(limit, func(size int) (int, error) {
			page.Limit = size
			endings, err := m.Endings(ctx, user, page)
			if err != nil {
				return 0, err
			}
			for _, e := range endings {
				page.EndedAt, page.Handle = e.EndedAt, e.Handle
				if err := l.add(newEndedSession(e), e.Handle.String(), stamp(e.EndedAt), string(e.Reason), stamp(e.CreatedAt), stamp(e.RefreshedAt),
					e.Device.Address, e.Label, e.Device.UserAgent); err != nil {
					return 0, err
				}
			}
			return len(endings), l.page()
		})
		if err != nil {
			return err
		}
		return l.end("No end of a session of this user is on record.")
	})
}
