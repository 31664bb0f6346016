package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
)

// tooManyError says that an attempt was not made, and when one may be.
type tooManyError struct{ wait time.Duration }

func (e *tooManyError) Error() string { return fmt.Sprintf("too many attempts: wait %v", e.wait) }

// attempt makes an attempt at an account if there were not too many: the limits come before the hash of a password, which is what costs.
// The error is a *tooManyError, matches session.ErrUnavailable, since without the limits nothing may be tried, or is that of try. An attempt
// that says nothing about the account is given back; of the others enough would tell its password, or who has one.
func (a *api) attempt(r *http.Request, kind limit.Kind, userID string, try func(userID string) error) error {
	wait, err := a.cfg.Attempts.Allow(r.Context(), kind, a.contract.Device(r.RemoteAddr, r.Header).Address, userID)
	if err != nil {
		return err
	}
	if wait > 0 {
		return &tooManyError{wait}
	}
	err = try(userID)
	if !errors.Is(err, users.ErrCredentials) && !errors.Is(err, users.ErrTaken) {
		// Also for a client that has hung up. If it fails the account is an attempt poorer, for a while.
		_ = a.cfg.Attempts.GiveBack(context.WithoutCancel(r.Context()), kind, userID)
	}
	return err
}
