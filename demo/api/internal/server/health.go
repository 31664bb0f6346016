package server

import (
	"context"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/session"
)

// pingTimeout bounds what a health check waits for the database.
const pingTimeout = 2 * time.Second

// feedState is what a process knows of the revocations by others.
type feedState struct {
	Mode  session.RevocationMode `json:"mode"`
	AgeMS int64                  `json:"ageMs"`
	Stale bool                   `json:"stale"`
}

// health answers 200 while the process serves: without its database it still verifies sessions, and a restart would not
// bring the database back.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	feed := a.manager.Health().Feed
	state := struct {
		Status string    `json:"status"`
		Store  string    `json:"store,omitempty"`
		Feed   feedState `json:"feed"`
	}{Status: "ok", Feed: feedState{Mode: feed.Mode, AgeMS: feed.Age.Milliseconds(), Stale: feed.Stale}}
	if feed.Stale {
		state.Status = "degraded"
	}
	if a.cfg.Ping != nil {
		ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
		defer cancel()
		state.Store = "ok"
		if err := a.cfg.Ping(ctx); err != nil {
			state.Status, state.Store = "degraded", "unavailable"
			zerolog.Ctx(r.Context()).Warn().Msg("the database does not answer")
		}
	}
	respond(w, http.StatusOK, state)
}

// live answers while the process runs: that is all that a restart could change.
func (a *api) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// ready answers 200 while requests with a session are served, and 503 while they would be refused for want of the database: then a load
// balancer may look for a process that is better off. Without the database the default configuration goes on to verify, which is ready.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	state, err := a.manager.Ready(ctx)
	if err != nil {
		zerolog.Ctx(r.Context()).Warn().Str("state", string(state)).Err(err).Msg("not ready for everything")
	}
	status := http.StatusOK
	if state == session.NotReady {
		status = http.StatusServiceUnavailable
	}
	respond(w, status, struct {
		State session.Readiness `json:"state"`
	}{state})
}
