package server

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
)

// credentials is the body of login and register. Other fields are passed over.
type credentials struct {
	UserID   string `json:"userId"`
	Username string `json:"username"` // the same, as many front ends call it
	Password string `json:"password"`
}

func readCredentials(w http.ResponseWriter, r *http.Request) (c credentials, ok bool) {
	if !decode(w, r, &c) {
		return c, false
	}
	c.UserID = cmp.Or(c.UserID, c.Username)
	return c, true
}

func (a *api) login(w http.ResponseWriter, r *http.Request) {
	c, ok := readCredentials(w, r)
	if !ok {
		return
	}
	if err := a.users.Authenticate(r.Context(), c.UserID, c.Password); err != nil {
		a.refuse(w, r, err)
		return
	}
	a.start(w, r, c.UserID)
}

// register adds a user and logs them in.
func (a *api) register(w http.ResponseWriter, r *http.Request) {
	c, ok := readCredentials(w, r)
	if !ok {
		return
	}
	if err := a.users.Register(r.Context(), c.UserID, c.Password); err != nil {
		a.refuse(w, r, err)
		return
	}
	a.start(w, r, c.UserID)
}

// start begins the session of a user who has just proved who they are.
func (a *api) start(w http.ResponseWriter, r *http.Request, userID string) {
	created, err := a.sessions.Create(w, r, userID, session.CreateOptions{
		Payload: map[string]string{"role": "user"},
		Data:    map[string]int{"visits": 1},
	})
	if err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	respond(w, http.StatusOK, struct {
		UserID string         `json:"userId"`
		Handle session.Handle `json:"handle"`
	}{created.UserID(), created.Handle()})
}

// refuse answers an error of package users. A wrong password says nothing about the session that the client may have,
// so its 401 leaves the cookies alone and has a code of its own.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, users.ErrCredentials):
		fail(w, http.StatusUnauthorized, "invalid_credentials")
	case errors.Is(err, users.ErrTaken):
		fail(w, http.StatusConflict, "user_exists")
	case errors.Is(err, users.ErrUserID):
		fail(w, http.StatusBadRequest, "invalid_user_id")
	case errors.Is(err, users.ErrPassword):
		fail(w, http.StatusBadRequest, "invalid_password")
	case errors.Is(err, users.ErrBusy):
		w.Header().Set("Retry-After", "2")
		fail(w, http.StatusServiceUnavailable, "busy")
	default:
		a.sessions.WriteError(w, r, err)
	}
}
