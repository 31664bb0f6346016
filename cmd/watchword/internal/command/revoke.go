package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/session"
)

// revocation is what `sessions revoke` was asked for.
type revocation struct {
	user, handle string
	all          bool
	reason       string
	yes          bool
}

// revoked is what became of it, as JSON.
type revoked struct {
	Revoked int            `json:"revoked"`
	Reason  session.Reason `json:"reason"`
}

func (p *program) sessionsRevokeCommand() *cobra.Command {
	var r revocation
	cmd := &cobra.Command{
		Use:   "revoke (--user ID | --handle HANDLE | --all) [--reason REASON] [--yes]",
		Short: "End one session, all of a user, or everybody's",
		Long: `Ends one session, all of a user, or everybody's.

No refresh of an ended session succeeds any more; its access tokens stop to pass within
the application's WATCHWORD_FEED_INTERVAL, or as WATCHWORD_REVOCATION says. With --all the
access tokens of others stop to pass when the command is done, not before: let it end, and
repeat it where it was interrupted.`,
		Args: cobra.NoArgs,
		RunE: p.action(func(ctx context.Context) error { return p.revoke(ctx, r) }),
	}
	cmd.Flags().StringVar(&r.user, "user", "", "end all sessions of this user")
	cmd.Flags().StringVar(&r.handle, "handle", "", "end the session with this handle")
	cmd.Flags().BoolVar(&r.all, "all", false, "end everybody's sessions")
	cmd.Flags().StringVar(&r.reason, "reason", string(session.ReasonRevoked), "is kept, and told to clients")
	yesFlag(cmd, &r.yes)
	cmd.MarkFlagsOneRequired("user", "handle", "all")
	cmd.MarkFlagsMutuallyExclusive("user", "handle", "all")
	flagWords(cmd, "reason", string(session.ReasonRevoked), string(session.ReasonRevokedByUser), string(session.ReasonPasswordChange), string(session.ReasonLogout))
	return cmd
}

func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask")
}

func (p *program) revoke(ctx context.Context, r revocation) error {
	opts := session.RevokeOptions{Reason: session.Reason(r.reason)}
	switch {
	case r.reason == "":
		return usage("--reason is empty")
	case r.all:
		return p.withManager(ctx, func(m *session.Manager, b *Backend, g *progress) error { return p.revokeAll(ctx, m, b, g, r.yes, opts) })
	case r.handle != "":
		h, err := parseHandle(r.handle)
		if err != nil {
			return err
		}
		return p.withManager(ctx, func(m *session.Manager, _ *Backend, _ *progress) error { return p.revokeOne(ctx, m, h, r.yes, opts) })
	default:
		return p.withManager(ctx, func(m *session.Manager, b *Backend, g *progress) error { return p.revokeUser(ctx, m, b, g, r, opts) })
	}
}

func (p *program) revokeOne(ctx context.Context, m *session.Manager, h session.Handle, yes bool, opts session.RevokeOptions) error {
	if err := p.confirm(ctx, yes, fmt.Sprintf("End session %s?", h)); err != nil {
		return err
	}
	ended, err := m.Revoke(ctx, h, opts)
	if err != nil {
		return err
	}
	n := 0
	if ended {
		n = 1
	}
	return p.tellRevoked(n, opts)
}

func (p *program) revokeUser(ctx context.Context, m *session.Manager, b *Backend, g *progress, r revocation, opts session.RevokeOptions) error {
	if !r.yes {
		live, err := m.Sessions(ctx, r.user, session.Page{Limit: pageSize})
		if err != nil {
			return err
		}
		many := fmt.Sprint(len(live))
		if len(live) == pageSize {
			many += " or more"
		}
		question := fmt.Sprintf("End all sessions of user %q (%s) in %s?", r.user, many, b.Name)
		if err := p.confirm(ctx, false, question); err != nil {
			return err
		}
	}
	g.begin("ending sessions")
	n, err := m.RevokeUser(ctx, r.user, opts)
	g.end()
	if err != nil {
		return fmt.Errorf("%w; %d had been ended by then: repeat the command", err, n)
	}
	return p.tellRevoked(n, opts)
}

func (p *program) revokeAll(ctx context.Context, m *session.Manager, b *Backend, g *progress, yes bool, opts session.RevokeOptions) error {
	if err := p.confirm(ctx, yes, fmt.Sprintf("End EVERYBODY'S sessions in %s, so that all users have to log in again?", b.Name)); err != nil {
		return err
	}
	g.begin("ending sessions")
	n, err := m.RevokeAll(ctx, opts)
	g.end()
	if err != nil {
		return fmt.Errorf("%w; %d had been ended by then, and their access tokens may pass until they expire: repeat the command", err, n)
	}
	return p.tellRevoked(n, opts)
}

func (p *program) tellRevoked(n int, opts session.RevokeOptions) error {
	if p.json {
		return p.object(revoked{n, opts.Reason})
	}
	if n == 0 {
		p.say("There was no live session to end.")
		return nil
	}
	_, err := fmt.Fprintf(p.out, "%d ended.\n", n)
	return err
}
