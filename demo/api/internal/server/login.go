package server

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
)

// credentials is the body of login and register. Other fields are passed over.
type credentials struct {
	UserID   string `json:"userId"`
	Username string `json:"username"` // the same, as many front ends call it
	Password string `json:"password"`
	Label    string `json:"label"` // the user's name for the session; may be empty
}

func readCredentials(w http.ResponseWriter, r *http.Request) (c credentials, ok bool) {
	if !decode(w, r, &c) {
		return c, false
	}
	if !validLabel(c.Label) { // now, since a user who was refused a session would be registered all the same
		fail(w, http.StatusBadRequest, "invalid_label")
		return c, false
	}
	c.UserID = cmp.Or(c.UserID, c.Username)
	return c, true
}

// validLabel is the rule of session.CreateOptions.Label.
func validLabel(label string) bool {
	return utf8.RuneCountInString(label) <= 64 && !strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (a *api) login(w http.ResponseWriter, r *http.Request) {
	c, ok := readCredentials(w, r)
	if !ok {
		return
	}
	err := a.attempt(r, limit.Password, c.UserID, func(userID string) error {
		return a.users.Authenticate(r.Context(), userID, c.Password)
	})
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	a.start(w, r, c)
}

// register adds a user and logs them in.
func (a *api) register(w http.ResponseWriter, r *http.Request) {
	c, ok := readCredentials(w, r)
	if !ok {
		return
	}
	err := a.attempt(r, limit.Register, c.UserID, func(userID string) error {
		return a.users.Register(r.Context(), userID, c.Password)
	})
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	a.start(w, r, c)
}

// start begins the session of a user who has just proved who they are.
func (a *api) start(w http.ResponseWriter, r *http.Request, c credentials) {
	created, err := a.sessions.Create(w, r, c.UserID, session.CreateOptions{
		Payload: map[string]string{"role": "user"},
		Data:    map[string]int{"visits": 1},
		Label:   c.Label,
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

// refuse answers an error of attempt or of package users. A wrong password says nothing about the session that the client may
// have, so its 401 leaves the cookies alone and has a code of its own.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var (
		tooMany *tooManyError
		weak    *users.WeakPasswordError
	)
	switch {
	case errors.As(err, &tooMany):
		failUntil(w, http.StatusTooManyRequests, "too_many_attempts", tooMany.wait)
	case errors.As(err, &weak):
		respond(w, http.StatusBadRequest, struct {
			Error string     `json:"error"`
			Rule  users.Rule `json:"rule"`
		}{"weak_password", weak.Rule})
	case errors.Is(err, users.ErrCredentials):
		fail(w, http.StatusUnauthorized, "invalid_credentials")
	case errors.Is(err, users.ErrTaken):
		fail(w, http.StatusConflict, "user_exists")
	case errors.Is(err, users.ErrUserID):
		fail(w, http.StatusBadRequest, "invalid_user_id")
	case errors.Is(err, users.ErrFixed):
		fail(w, http.StatusForbidden, "password_fixed")
	case errors.Is(err, users.ErrBusy):
		failUntil(w, http.StatusServiceUnavailable, "busy", 2*time.Second)
	default:
		a.sessions.WriteError(w, r, err)
	}
}
