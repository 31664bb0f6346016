package session

import (
	"errors"
	"fmt"
)

// The errors that a caller decides by. Match them with errors.Is; everything else that the package returns is wrapped
// with what was being done. No error ever holds a token, a mark or a key.
var (
	// ErrUnauthorised: there is no session (any more); the user has to log in again and the client's tokens are to be
	// cleared. Forged, foreign and expired refresh tokens, unknown, ended and expired sessions all look alike.
	ErrUnauthorised = errors.New("unauthorised")

	// ErrTryRefresh: the access token is missing, expired or refused, but a refresh may help. The client's tokens stay.
	ErrTryRefresh = errors.New("try refresh token")

	// ErrAntiCSRF: the session is good, but the request did not prove that the client's own page sent it. Nothing is
	// cleared and nothing refreshed.
	ErrAntiCSRF = errors.New("anti-csrf check failed")

	// ErrReauthenticate: the session is good, but its user proved who they are longer ago than the request asks for; see
	// VerifyOptions.MaxAuthAge. Nothing is cleared and nothing refreshed.
	ErrReauthenticate = errors.New("the user has to prove who they are again")

	// ErrForbidden: the session is good, but may not do this; for adapters, whose predicates decide. Nothing is cleared and nothing
	// refreshed.
	ErrForbidden = errors.New("forbidden")

	// ErrSessionLimit: the user has as many sessions as Config.MaxSessions allows.
	ErrSessionLimit = errors.New("too many sessions")

	// ErrUnavailable: the store could not be asked, or its answer was lost, so that the outcome is unknown. Nothing is judged
	// and nothing cleared. The operation may be repeated: a refresh, a verification and a revocation then have the outcome
	// of having been done once; a creation may leave a session behind that nobody has tokens of; an update of data may get
	// ErrConflict because of itself, and has to read again anyway.
	ErrUnavailable = errors.New("session store unavailable")

	// ErrConflict: the session's data was changed underneath; read it again.
	ErrConflict = errors.New("session data was changed by another request")

	// ErrNoStore: the session was verified by a Verifier, which has no store to ask.
	ErrNoStore = errors.New("the session was verified without a store")

	// ErrInvalidConfig: New was given a Config that makes no sense or is unsafe; the text names the field.
	ErrInvalidConfig = errors.New("invalid session configuration")

	// ErrInvalidUserID: a user id is 1 to 128 characters of valid UTF-8.
	ErrInvalidUserID = errors.New("invalid user id: it must be 1 to 128 characters of valid UTF-8")

	// ErrInvalidLabel: a label is up to 64 printable characters of valid UTF-8.
	ErrInvalidLabel = errors.New("invalid label: it must be up to 64 printable characters of valid UTF-8")

	// ErrInvalidReason: an ending was to have a reason that is none of the constants.
	ErrInvalidReason = errors.New("invalid reason")

	// ErrInvalidPage: the limit of a page is negative.
	ErrInvalidPage = errors.New("invalid page: its limit must not be negative")

	// ErrInvalidJSON: payload or data is not one JSON value in UTF-8.
	ErrInvalidJSON = errors.New("not a JSON value")

	// ErrTooLarge: payload or data exceeds a limit; the text names both sizes.
	ErrTooLarge = errors.New("too large")
)

// The errors with which a Store answers, beside ErrUnavailable. The Manager translates them.
var (
	// ErrNotFound: there is no such session, live or ended, as the method has it.
	ErrNotFound = errors.New("session not found")

	// ErrDuplicate: a row with this key exists already.
	ErrDuplicate = errors.New("duplicate key")
)

// TheftKind says what gave a thief away.
type TheftKind string

// The kinds of theft.
const (
	// TheftReuse: a refresh token was presented that the client is known to have replaced.
	TheftReuse TheftKind = "reuse"
	// TheftShadow: successors of one token were handed out so often, without any being used, that somebody must be
	// shadowing the client.
	TheftShadow TheftKind = "shadow"
)

// EndedError says that a session has ended, to a client that held good tokens of it. It matches ErrUnauthorised.
type EndedError struct {
	Handle Handle
	Reason Reason // empty: there is no record of it (any more)
}

// Error names the session, never a token.
func (e *EndedError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("session %s has ended", e.Handle)
	}
	return fmt.Sprintf("session %s has ended (%s)", e.Handle, e.Reason)
}

// Is makes an ended session match ErrUnauthorised.
func (e *EndedError) Is(target error) bool { return target == ErrUnauthorised }

// TheftError reports that a refresh token is in two hands. It matches ErrUnauthorised. Unless Config.Theft is TheftReport
// the session has been ended when it is returned.
type TheftError struct {
	Handle Handle
	UserID string
	Theft
}

// Error names the session, never a token.
func (e *TheftError) Error() string {
	return fmt.Sprintf("refresh token theft (%s) in session %s", e.Kind, e.Handle)
}

// Is makes a theft match ErrUnauthorised.
func (e *TheftError) Is(target error) bool { return target == ErrUnauthorised }
