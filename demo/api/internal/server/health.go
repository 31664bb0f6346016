package server

import (
	"context"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// pingTimeout bounds what a health check waits for the database.
const pingTimeout = 2 * time.Second

// health answers 200 while the process serves: without its database it still verifies sessions, and a restart would not
// bring the database back.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	state := struct {
		Status string `json:"status"`
		Store  string `json:"store,omitempty"`
	}{Status: "ok"}
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
