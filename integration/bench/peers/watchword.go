package peers

import (
	"context"
	"net/http"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
	"github.com/watchword-dev/watchword/store/mysql"
)

// watchword is as the README has it: every default, and Run in the background.
func (s *Set) watchword(ctx context.Context, e *env.Env) (Peer, error) {
	p := Peer{Name: Watchword, About: "`Require`, all defaults, `Manager.Run` going"}
	dsn, err := e.Schema(ctx)
	if err != nil {
		return p, err
	}
	store, err := mysql.Open(ctx, dsn, mysql.Options{})
	if err != nil {
		return p, err
	}
	s.close = append(s.close, store.Close)
	if err := store.Migrate(ctx); err != nil {
		return p, err
	}
	manager, err := session.New(ctx, store, session.Config{})
	if err != nil {
		return p, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		manager.Run(running)
	}()
	s.close = append(s.close, func() error {
		stop()
		<-ended
		return nil
	})
	sessions, err := nethttp.New(manager, wire.Config{})
	if err != nil {
		return p, err
	}
	p.Handler = sessions.Require(answer(func(r *http.Request) string {
		verified, _ := session.FromContext(r.Context())
		return verified.UserID()
	}))
	p.Cookies, err = cookies(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := sessions.Create(w, r, userID, session.CreateOptions{Payload: map[string]string{"role": "user"}}); err != nil {
			sessions.WriteError(w, r, err)
		}
	}))
	return p, err
}
