package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/watchword-dev/watchword/session"
)

// current returns the session that Require has put into the context.
func current(r *http.Request) *session.Session {
	s, ok := session.FromContext(r.Context())
	if !ok {
		panic("server: a route that needs a session is not behind Require")
	}
	return s
}

func (a *api) me(w http.ResponseWriter, r *http.Request) {
	s := current(r)
	respond(w, http.StatusOK, struct {
		UserID  string          `json:"userId"`
		Payload json.RawMessage `json:"payload"`
		Handle  session.Handle  `json:"handle"`
	}{s.UserID(), s.RawPayload(), s.Handle()})
}

// listed is one session in the user's list.
type listed struct {
	Handle      session.Handle `json:"handle"`
	Current     bool           `json:"current"`
	CreatedAt   time.Time      `json:"createdAt"`
	RefreshedAt time.Time      `json:"refreshedAt"`
	ExpiresAt   time.Time      `json:"expiresAt"`
}

// list shows the user's newest sessions, up to session.DefaultPage.
func (a *api) list(w http.ResponseWriter, r *http.Request) {
	s := current(r)
	infos, err := a.manager.Sessions(r.Context(), s.UserID(), session.Page{})
	if err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	all := make([]listed, len(infos))
	for i, info := range infos {
		all[i] = listed{
			Handle: info.Handle, Current: info.Handle == s.Handle(),
			CreatedAt: info.CreatedAt, RefreshedAt: info.RefreshedAt, ExpiresAt: info.ExpiresAt,
		}
	}
	respond(w, http.StatusOK, struct {
		Sessions []listed `json:"sessions"`
	}{all})
}

// end ends one of the user's sessions. That a handle is somebody else's, is nobody's, or is no handle, all looks alike.
func (a *api) end(w http.ResponseWriter, r *http.Request) {
	s := current(r)
	handle, err := session.ParseHandle(chi.URLParam(r, "handle"))
	if err != nil {
		fail(w, http.StatusNotFound, "not_found")
		return
	}
	info, err := a.manager.Lookup(r.Context(), handle)
	ended := false
	if err == nil && info.UserID == s.UserID() {
		ended, err = a.manager.Revoke(r.Context(), handle)
	}
	// ErrUnauthorised speaks of the session that was asked for, not of the client's own.
	if err != nil && !errors.Is(err, session.ErrUnauthorised) {
		a.sessions.WriteError(w, r, err)
		return
	}
	if !ended {
		fail(w, http.StatusNotFound, "not_found")
		return
	}
	if handle == s.Handle() {
		a.sessions.Clear(w)
	}
	respond(w, http.StatusOK, struct{}{})
}

// logoutAll ends every session of the user, this one included.
func (a *api) logoutAll(w http.ResponseWriter, r *http.Request) {
	if _, err := a.manager.RevokeUser(r.Context(), current(r).UserID()); err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	a.sessions.Clear(w)
	respond(w, http.StatusOK, struct{}{})
}
