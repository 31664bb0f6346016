package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// The table of statuses, whole. What ends a session for the client clears its tokens, and nothing else does.
func TestFailures(t *testing.T) {
	t.Parallel()
	c := contract(t, wire.Config{StatusTryRefresh: 440, StatusUnauthorised: 441, StatusTheft: 442})
	for _, test := range []struct {
		err  error
		want wire.Failure
	}{
		{session.ErrUnauthorised, wire.Failure{Status: 441, Code: "unauthorised", Clear: true}},
		{&session.EndedError{}, wire.Failure{Status: 441, Code: "unauthorised", Clear: true}},
		{&session.EndedError{Reason: session.ReasonAbsolute}, wire.Failure{Status: 441, Code: "unauthorised", Reason: "absolute", Clear: true}},
		{&session.EndedError{Reason: session.ReasonTheft}, wire.Failure{Status: 441, Code: "unauthorised", Reason: "theft", Clear: true}},
		{&session.TheftError{}, wire.Failure{Status: 442, Code: "token_theft", Reason: "theft", Clear: true}},
		{session.ErrTryRefresh, wire.Failure{Status: 440, Code: "try_refresh"}},
		{session.ErrAntiCSRF, wire.Failure{Status: 403, Code: "anti_csrf"}},
		{session.ErrReauthenticate, wire.Failure{Status: 403, Code: "reauthenticate"}},
		{session.ErrForbidden, wire.Failure{Status: 403, Code: "forbidden"}},
		{wire.ErrInvalidRequest, wire.Failure{Status: 400, Code: "invalid_request"}},
		{session.ErrSessionLimit, wire.Failure{Status: 409, Code: "session_limit"}},
		{session.ErrConflict, wire.Failure{Status: 409, Code: "conflict"}},
		{session.ErrTooLarge, wire.Failure{Status: 413, Code: "too_large"}},
		{session.ErrInvalidJSON, wire.Failure{Status: 400, Code: "invalid_request"}},
		{session.ErrInvalidUserID, wire.Failure{Status: 400, Code: "invalid_request"}},
		{session.ErrInvalidLabel, wire.Failure{Status: 400, Code: "invalid_request"}},
		{session.ErrInvalidPage, wire.Failure{Status: 400, Code: "invalid_request"}},
		{session.ErrInvalidReason, wire.Failure{Status: 400, Code: "invalid_request"}},
		{session.ErrUnavailable, wire.Failure{Status: 503, Code: "unavailable", RetryAfter: 2}},
		{session.ErrNoStore, wire.Failure{Status: 500, Code: "internal"}},
		{session.ErrNotFound, wire.Failure{Status: 500, Code: "internal"}},
		{errors.New("anything else"), wire.Failure{Status: 500, Code: "internal"}},
	} {
		for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
			got := c.Failure(err)
			if got != test.want {
				t.Errorf("%v: got %+v, want %+v", err, got, test.want)
			}
			h := http.Header{}
			c.SetFailure(h, http.Header{"Cookie": {"sIdRefreshToken=1"}}, got)
			if cleared := h.Get("Set-Cookie") != "" || h.Get("Id-Refresh-Token") != ""; cleared != errors.Is(err, session.ErrUnauthorised) {
				t.Errorf("%v: cookies cleared: %v", err, cleared)
			}
		}
	}
}

// A reason comes out of the store: whatever is there, the body stays one JSON object of the contract.
func TestReasonsAreCodes(t *testing.T) {
	t.Parallel()
	c := contract(t, wire.Config{})
	for reason, want := range map[session.Reason]string{
		session.ReasonTheft: "theft", session.ReasonIdle: "idle", session.ReasonAbsolute: "absolute", session.ReasonLogout: "logout",
		session.ReasonRevoked: "revoked", session.ReasonRevokedByUser: "revoked_by_user", session.ReasonLimit: "session_limit",
		session.ReasonPasswordChange: "password_changed", session.ReasonKeyCompromise: "key_compromised",
		"of_a_later_version": "of_a_later_version",
		"":                   "", `x"`: "", `","error":"`: "", "a b": "", "a\n": "", "Idle": "", "idle2": "", "a-b": "", "a{": "", "a`b": "", "\\u0061": "", "ä": "", "a\x00": "",
		"\xff": "", "<script>": "",
	} {
		body := c.SetFailure(http.Header{}, http.Header{}, c.Failure(&session.EndedError{Reason: reason}))
		var got map[string]string
		err := json.Unmarshal([]byte(body), &got)
		if found, written := got["reason"]; err != nil || got["error"] != "unauthorised" || found != want || written != (want != "") {
			t.Errorf("%q: got %q, want the reason %q", reason, body, want)
		}
	}
}
