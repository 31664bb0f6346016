package histories_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// inquiry is what a client asks of a process, and reply what it gets, as JSON.
type inquiry struct {
	Kind    kind
	Refresh string          `json:",omitempty"`
	Access  string          `json:",omitempty"`
	Handle  session.Handle  `json:",omitzero"`
	User    string          `json:",omitempty"`
	Value   int             `json:",omitempty"`
	Version session.Version `json:",omitempty"`
	Reason  session.Reason  `json:",omitempty"`
}

type reply struct {
	Class     class
	Handle    session.Handle    `json:",omitzero"`
	Refresh   string            `json:",omitempty"`
	Access    string            `json:",omitempty"`
	Renewed   bool              `json:",omitempty"`
	Theft     session.TheftKind `json:",omitempty"`
	Reason    session.Reason    `json:",omitempty"`
	Value     int               `json:",omitempty"`
	Version   session.Version   `json:",omitempty"`
	Count     int               `json:",omitempty"`
	FeedBegun int64             `json:",omitempty"` // Unix nanoseconds
	Text      string            `json:",omitempty"`
}

// settings are those of all processes of a run.
type settings struct {
	Grace        time.Duration
	StoreTimeout time.Duration
	FeedInterval time.Duration
}

// settingsFor keeps to what I1 asks for: a request, which waits for the store at most twice, stays within a quarter of the grace.
func settingsFor(grace time.Duration) settings {
	return settings{Grace: grace, StoreTimeout: grace / 10, FeedInterval: 250 * time.Millisecond}
}

// service is what a process does with its Manager.
type service struct {
	manager *session.Manager
	feed    atomic.Int64 // when the last reading that has succeeded was begun
}

func newService(ctx context.Context, store session.Store, s settings) (*service, error) {
	v := &service{}
	manager, err := session.New(ctx, store, session.Config{
		Grace: s.Grace, StoreTimeout: s.StoreTimeout, FeedInterval: s.FeedInterval, AccessLifetime: 5 * time.Minute,
		OnFeedPoll: func(p session.FeedPoll) {
			if p.Err == nil {
				v.feed.Store(time.Now().Add(-p.Took).UnixNano())
			}
		},
	})
	v.manager = manager
	return v, err
}

// do answers an inquiry.
func (v *service) do(ctx context.Context, q inquiry) (p reply) {
	p.FeedBegun = v.feed.Load() // before it is used
	var err error
	switch q.Kind {
	case create:
		var s *session.Session
		var tokens session.Tokens
		if s, tokens, err = v.manager.Create(ctx, q.User, session.CreateOptions{Data: q.Value}); err == nil {
			p.Handle, p.Refresh, p.Access = s.Handle(), tokens.RefreshToken, tokens.AccessToken
		}
	case refresh:
		var tokens session.Tokens
		_, tokens, err = v.manager.Refresh(ctx, q.Refresh, session.RefreshOptions{})
		p.Refresh, p.Access = tokens.RefreshToken, tokens.AccessToken
	case verify:
		var s *session.Session
		if s, err = v.manager.Verify(ctx, q.Access, session.VerifyOptions{}); err == nil {
			var tokens session.Tokens
			tokens, p.Renewed = s.Renewed()
			p.Access = tokens.AccessToken
		}
	case readData:
		var data session.Data
		if data, err = v.manager.Data(ctx, q.Handle); err == nil {
			p.Version = data.Version
			err = data.Unmarshal(&p.Value)
		}
	case setData:
		p.Version, err = v.manager.SetData(ctx, q.Handle, q.Value)
	case updateData:
		p.Version, err = v.manager.UpdateData(ctx, q.Handle, q.Version, q.Value)
	case revoke:
		var ended bool
		if ended, err = v.manager.Revoke(ctx, q.Handle, session.RevokeOptions{Reason: q.Reason}); ended {
			p.Count = 1
		}
	case revokeUser:
		p.Count, err = v.manager.RevokeUser(ctx, q.User, session.RevokeOptions{Reason: q.Reason})
	default:
		err = fmt.Errorf("there is no %q", q.Kind)
	}
	p.classify(err)
	return p
}

// classify turns an error into its class.
func (p *reply) classify(err error) {
	var stolen *session.TheftError
	var gone *session.EndedError
	switch {
	case err == nil:
		p.Class = done
	case errors.As(err, &stolen):
		p.Class, p.Theft = theft, stolen.Kind
	case errors.As(err, &gone):
		p.Class, p.Reason = ended, gone.Reason
	case errors.Is(err, session.ErrUnauthorised):
		p.Class = ended
	case errors.Is(err, session.ErrTryRefresh):
		p.Class = tryRefresh
	case errors.Is(err, session.ErrConflict):
		p.Class = conflict
	case errors.Is(err, session.ErrUnavailable):
		p.Class = unknown
	default:
		p.Class, p.Text = failed, err.Error()
	}
}

// target is a process to ask.
type target interface {
	name() string
	// ask returns errDown if nothing was asked. After any other error nobody knows whether it was.
	ask(ctx context.Context, q inquiry) (reply, error)
}

var errDown = errors.New("no process is there")

// local is a target within this process.
type local struct {
	*service
	id string
}

func (l *local) name() string { return l.id }

func (l *local) ask(ctx context.Context, q inquiry) (reply, error) {
	p := l.do(ctx, q)
	if ctx.Err() != nil {
		return reply{}, ctx.Err() // as over a wire: the answer does not reach who has hung up
	}
	return p, nil
}

// decode reads what the other side has written.
func decode(raw []byte, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}
