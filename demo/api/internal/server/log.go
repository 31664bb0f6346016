package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/session"
)

// logRequests gives each request an id of its own, a logger that carries it, and one line when it is answered. The line
// has the route's pattern instead of the path and no query, headers or body: nothing in it is a secret or a client's
// choice.
func logRequests(log zerolog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			started := time.Now()
			id := rand.Text()
			w.Header().Set("X-Request-Id", id)
			log := log.With().Str("request_id", id).Logger()
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			r = r.WithContext(log.WithContext(r.Context()))
			cut := true // the connection, by a panic
			defer func() {
				status := max(ww.Status(), http.StatusOK)
				level := zerolog.InfoLevel
				if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
					level = zerolog.DebugLevel // a client's failure: anybody may send any number of them
				}
				line := log.WithLevel(level).
					Str("method", method(r)).
					Str("route", chi.RouteContext(r.Context()).RoutePattern())
				if cut {
					line.Bool("cut", true)
				} else {
					line.Int("status", status)
				}
				line.Dur("duration_ms", time.Since(started)).Msg("request")
			}()
			next.ServeHTTP(ww, r)
			cut = false
		})
	}
}

// method is the request's method if it is one that routes can have; a client may send any text.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "other"
	}
}

// logFailure tells of the errors that the library answers. Those of clients are frequent and mean nothing.
func logFailure(r *http.Request, status int, err error) {
	level := zerolog.DebugLevel
	if status >= http.StatusInternalServerError {
		level = zerolog.ErrorLevel
	}
	zerolog.Ctx(r.Context()).WithLevel(level).Err(err).Int("status", status).Msg("request failed")
}

// LogEvents makes a session.Config.OnEvent that writes a line for each event. Ids and devices of users are personal data and
// stay out of it; a handle is neither that nor a credential.
func LogEvents(log zerolog.Logger) func(session.Event) {
	return func(e session.Event) {
		level := zerolog.InfoLevel
		if e.Kind == session.EventTheft || e.Kind == session.EventFeedStale {
			level = zerolog.WarnLevel
		}
		line := log.WithLevel(level).Str("kind", string(e.Kind))
		if !e.Handle.IsZero() {
			line.Stringer("handle", e.Handle)
		}
		if e.Reason != "" {
			line.Str("reason", string(e.Reason))
		}
		if e.Theft != nil {
			line.Str("theft", string(e.Theft.Kind)).Int("generations", e.Theft.Generations)
		}
		if e.KeyID != "" {
			line.Str("key", e.KeyID).Str("purpose", string(e.Purpose)) // public: each token of the key names it
		}
		if e.FeedAge > 0 {
			line.Dur("feed_age_ms", e.FeedAge)
		}
		if e.Dropped > 0 {
			line.Int("dropped", e.Dropped)
		}
		line.Msg("session event")
	}
}

// recoverPanics answers a request whose handler has panicked, and logs where.
func recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause) // net/http's own way to drop a connection
			}
			zerolog.Ctx(r.Context()).Error().
				Str("panic", fmt.Sprint(cause)).
				Str("stack", string(debug.Stack())).
				Msg("handler panicked")
			fail(w, http.StatusInternalServerError, "internal")
		}()
		next.ServeHTTP(w, r)
	})
}
