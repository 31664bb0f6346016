package wire

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// Failure is how an error looks to the client: a status, and the body {"error":"<code>"}, or with a reason
// {"error":"<code>","reason":"<reason>"}.
type Failure struct {
	Status     int
	Code       string // stable, for programs
	Reason     string // why the session has ended, a to z and _, if that is known: one of the constants of session.Reason
	Clear      bool   // the session has ended: the client's tokens are taken away
	RetryAfter int    // seconds; zero: none
}

// retryAfter is what a client waits while the store is away, in seconds.
const retryAfter = 2

// Failure returns how an error looks to the client. This is the one table of statuses.
func (c *Contract) Failure(err error) Failure {
	var (
		theft *session.TheftError
		ended *session.EndedError
	)
	switch {
	case errors.As(err, &theft):
		return Failure{Status: c.cfg.StatusTheft, Code: "token_theft", Reason: string(session.ReasonTheft), Clear: true}
	case errors.As(err, &ended):
		return Failure{Status: c.cfg.StatusUnauthorised, Code: "unauthorised", Reason: code(ended.Reason), Clear: true}
	case errors.Is(err, session.ErrUnauthorised):
		return Failure{Status: c.cfg.StatusUnauthorised, Code: "unauthorised", Clear: true}
	case errors.Is(err, session.ErrTryRefresh):
		return Failure{Status: c.cfg.StatusTryRefresh, Code: "try_refresh"}
	case errors.Is(err, session.ErrAntiCSRF):
		return Failure{Status: http.StatusForbidden, Code: "anti_csrf"}
	case errors.Is(err, session.ErrForbidden):
		return Failure{Status: http.StatusForbidden, Code: "forbidden"}
	case errors.Is(err, session.ErrReauthenticate):
		// RFC 9470 has 401 here, with a challenge in WWW-Authenticate. But clients of this contract take 401 for "refresh", which
		// does not help and would have them try in circles, and cookies have no scheme that a challenge could name.
		return Failure{Status: http.StatusForbidden, Code: "reauthenticate"}
	case errors.Is(err, session.ErrUnavailable):
		return Failure{Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: retryAfter}
	case errors.Is(err, session.ErrConflict):
		return Failure{Status: http.StatusConflict, Code: "conflict"}
	case errors.Is(err, session.ErrSessionLimit):
		return Failure{Status: http.StatusConflict, Code: "session_limit"}
	case errors.Is(err, session.ErrTooLarge):
		return Failure{Status: http.StatusRequestEntityTooLarge, Code: "too_large"}
	case errors.Is(err, ErrInvalidRequest), errors.Is(err, session.ErrInvalidJSON), errors.Is(err, session.ErrInvalidUserID), errors.Is(err, session.ErrInvalidLabel),
		errors.Is(err, session.ErrInvalidPage), errors.Is(err, session.ErrInvalidReason):
		return Failure{Status: http.StatusBadRequest, Code: "invalid_request"}
	default:
		return Failure{Status: http.StatusInternalServerError, Code: "internal"}
	}
}

// SetFailure writes the headers of the answer to a request that has failed and returns its body.
//
// A browser's cookies are cleared only if it has shown one. Those that a page of another origin has it withhold, because of
// SameSite, are good for all that this request can tell, and would be cleared all the same. What was already written for the
// client is withdrawn where the outcome is not known: it stays as it is.
func (c *Contract) SetFailure(h, request http.Header, f Failure) (body string) {
	if f.Clear || f.Status == http.StatusServiceUnavailable {
		c.withdraw(h)
	}
	if cred, err := c.Read(request); f.Clear && err == nil && cred.Transport == TransportCookie {
		if cred.hasCookies() {
			c.Clear(h)
		} else {
			c.tellEnd(h)
		}
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	for _, name := range []string{"Content-Length", "Etag", "Last-Modified"} {
		h.Del(name) // what a handler has set for the answer that it did not come to give; a compressing writer still compresses
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	noStore(h)
	body = `{"error":"` + f.Code + `"`
	if f.Reason != "" {
		body += `,"reason":"` + f.Reason + `"`
	}
	return body + "}\n"
}

// code returns a reason, unless it is none that could stand in a body or a header: it comes out of the store.
func code(reason session.Reason) string {
	if strings.ContainsFunc(string(reason), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		return ""
	}
	return string(reason)
}
