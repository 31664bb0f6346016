package server

import (
	"net/http"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/session"
)

// reauthenticate checks the password of the session's user again, and gives the client tokens that say so. A wrong one leaves
// the session alone.
func (a *api) reauthenticate(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Password string `json:"password"`
	}
	if !decode(w, r, &body) {
		return
	}
	err := a.attempt(r, limit.Password, current(r).UserID(), func(userID string) error {
		return a.users.Authenticate(r.Context(), userID, body.Password)
	})
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	s, err := a.sessions.Reauthenticated(w, r)
	if err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	respond(w, http.StatusOK, struct {
		AuthAt time.Time `json:"authAt"`
	}{s.AuthTime().UTC().Truncate(time.Second)})
}

// password changes the password of the session's user, and ends their other sessions: whoever knew the old one may have begun
// them. Should the latter fail, the request is to be repeated as it is.
func (a *api) password(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	if !decode(w, r, &body) {
		return
	}
	err := a.attempt(r, limit.Password, current(r).UserID(), func(userID string) error {
		return a.users.Change(r.Context(), userID, body.Old, body.New)
	})
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	a.endOthers(w, r, session.ReasonPasswordChange)
}
