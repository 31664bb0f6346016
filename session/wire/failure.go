package wire

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/watchword-dev/watchword/session"
)

// Failure is how an error looks to the client: a status, and the body {"error":"<code>"}.
type Failure struct {
	Status     int
	Code       string // stable, for programs
	Clear      bool   // the session has ended: the client's tokens are taken away
	RetryAfter int    // seconds; zero: none
}

// retryAfter is what a client waits while the store is away, in seconds.
const retryAfter = 2

// Failure returns how an error looks to the client. This is the one table of statuses.
func (c *Contract) Failure(err error) Failure {
	var theft *session.TheftError
	switch {
	case errors.As(err, &theft):
		return Failure{Status: c.cfg.StatusTheft, Code: "token_theft", Clear: true}
	case errors.Is(err, session.ErrUnauthorised):
		return Failure{Status: c.cfg.StatusUnauthorised, Code: "unauthorised", Clear: true}
	case errors.Is(err, session.ErrTryRefresh):
		return Failure{Status: c.cfg.StatusTryRefresh, Code: "try_refresh"}
	case errors.Is(err, session.ErrAntiCSRF):
		return Failure{Status: http.StatusForbidden, Code: "anti_csrf"}
	case errors.Is(err, session.ErrUnavailable):
		return Failure{Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: retryAfter}
	case errors.Is(err, session.ErrConflict):
		return Failure{Status: http.StatusConflict, Code: "conflict"}
	case errors.Is(err, session.ErrTooLarge):
		return Failure{Status: http.StatusRequestEntityTooLarge, Code: "too_large"}
	case errors.Is(err, session.ErrInvalidJSON), errors.Is(err, session.ErrInvalidUserID):
		return Failure{Status: http.StatusBadRequest, Code: "invalid_request"}
	default:
		return Failure{Status: http.StatusInternalServerError, Code: "internal"}
	}
}

// SetFailure writes the headers of a failure and returns its body.
func (c *Contract) SetFailure(h http.Header, f Failure) (body string) {
	if f.Clear {
		c.Clear(h)
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		h.Del(name) // what a handler has set for the answer that it did not come to give
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	noStore(h)
	return `{"error":"` + f.Code + `"}` + "\n"
}
