package server

import (
	"context"
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
	device
	Label string `json:"label"`
}

// device is what is known of a client's device: empty where nothing is, or nothing may be kept.
type device struct {
	UserAgent string `json:"userAgent"`
	Address   string `json:"address"`
}

// list shows a page of the user's sessions, newest first.
func (a *api) list(w http.ResponseWriter, r *http.Request) {
	limit, before, ok := readPage(w, r, parseHandle)
	if !ok {
		return
	}
	infos, err := a.manager.Sessions(r.Context(), current(r).UserID(), session.Page{Before: before, Limit: limit + 1})
	if err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	infos, more := cut(infos, limit)
	answer := struct {
		Sessions []listed `json:"sessions"`
		Next     string   `json:"next,omitempty"`
	}{Sessions: make([]listed, len(infos))}
	for i, info := range infos {
		answer.Sessions[i] = listed{
			Handle: info.Handle, Current: info.Current,
			CreatedAt: info.CreatedAt, RefreshedAt: info.RefreshedAt, ExpiresAt: info.ExpiresAt,
			device: device(info.Device), Label: info.Label,
		}
		if more {
			answer.Next = info.Handle.String()
		}
	}
	respond(w, http.StatusOK, answer)
}

// end ends one of the user's sessions. That a handle is somebody else's, is nobody's, or is no handle, all looks alike.
func (a *api) end(w http.ResponseWriter, r *http.Request) {
	s := current(r)
	handle, err := parseHandle(chi.URLParam(r, "handle"))
	if err != nil {
		fail(w, http.StatusNotFound, "not_found")
		return
	}
	own := handle == s.Handle()
	ended := own // to end it twice is no error
	if own {
		_, err = s.Revoke(r.Context(), session.RevokeOptions{})
	} else {
		ended, err = a.manager.RevokeOwned(r.Context(), s.UserID(), handle, session.RevokeOptions{Reason: session.ReasonRevokedByUser})
	}
	switch {
	case err != nil:
		a.sessions.WriteError(w, r, err)
		return
	case !ended:
		fail(w, http.StatusNotFound, "not_found")
		return
	case own:
		a.sessions.Clear(w, r)
	}
	respond(w, http.StatusOK, struct{}{})
}

// rename gives one of the user's sessions another label. Handles are told apart as little as by end.
func (a *api) rename(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Label *string `json:"label"`
	}
	if !decode(w, r, &body) {
		return
	}
	switch {
	case body.Label == nil:
		fail(w, http.StatusBadRequest, "invalid_request")
		return
	case !validLabel(*body.Label):
		fail(w, http.StatusBadRequest, "invalid_label")
		return
	}
	handle, err := parseHandle(chi.URLParam(r, "handle"))
	if err != nil {
		fail(w, http.StatusNotFound, "not_found")
		return
	}
	info, err := a.manager.Lookup(r.Context(), handle)
	foreign := err == nil && info.UserID != current(r).UserID()
	if err == nil && !foreign {
		err = a.manager.SetLabel(r.Context(), handle, *body.Label)
	}
	switch {
	case foreign, errors.Is(err, session.ErrUnauthorised): // which speaks of that session, not of the client's own
		fail(w, http.StatusNotFound, "not_found")
	case err != nil:
		a.sessions.WriteError(w, r, err)
	default:
		respond(w, http.StatusOK, struct{}{})
	}
}

// logoutAll ends every session of the user, this one included.
func (a *api) logoutAll(w http.ResponseWriter, r *http.Request) {
	_, err := a.manager.RevokeUser(r.Context(), current(r).UserID(), session.RevokeOptions{Reason: session.ReasonRevokedByUser})
	if err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	a.sessions.Clear(w, r)
	respond(w, http.StatusOK, struct{}{})
}

// logoutOthers ends every session of the user but this one.
func (a *api) logoutOthers(w http.ResponseWriter, r *http.Request) {
	a.endOthers(w, r, session.ReasonRevokedByUser)
}

func (a *api) endOthers(w http.ResponseWriter, r *http.Request, reason session.Reason) {
	s := current(r)
	// It does not end with the request: who has asked for it and hung up wants it no less.
	ctx := context.WithoutCancel(r.Context())
	n, err := a.manager.RevokeOthers(ctx, s.UserID(), s.Handle(), session.RevokeOptions{Reason: reason})
	if err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	respond(w, http.StatusOK, struct {
		Ended int `json:"ended"`
	}{n})
}
