// Package adapters_test holds every adapter of HTTP to the same contract, over real sockets: a browser with a cookie jar, native
// clients, and clients that send what no client should.
//
// A new adapter's test mounts the suite's routes and calls conformance; see nethttp_test.go:
//
//   - POST /login?user=U&payload=P starts a session, and answers with WriteTokens
//   - any method /me is behind Require and answers the user's id, /maybe is behind Optional and answers that or "nobody"
//   - GET /fresh is behind RequireWith(MaxAuthAge: 5 min), GET /admin behind RequirePayload, which asks for the payload "admin"
//   - POST /prove is behind Require and calls Reauthenticated, POST /clear calls Clear and answers "cleared"
//   - any method at RefreshPath and /logout is for the two handlers
//   - GET /fail is behind Require, and answers session.ErrUnavailable with WriteError
//
// All of it is inside CORS, which answers preflights of every path.
package adapters_test

import (
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// proofAge is how old a proof of who the user is may be at /fresh.
const proofAge = 5 * time.Minute

// mounter mounts the suite's routes with an adapter. What it returns serves them on a listener until that is closed.
type mounter = func(t *testing.T, manager *session.Manager, cfg wire.Config) func(net.Listener) error

// cases are a topic's tests by name.
type cases map[string]func(*testing.T, mounter)

// conformance runs every case against an adapter.
func conformance(t *testing.T, mount mounter) {
	t.Helper()
	for topic, tests := range map[string]cases{
		"life":         life,
		"endings":      endings,
		"requirements": requirements,
		"CORS":         cors,
		"healing":      healing,
		"migration":    migration,
		"anti-CSRF":    antiCSRF,
		"native":       native,
		"transport":    transport,
		"outage":       outage,
		"bad input":    badInput,
		"concurrency":  concurrency,
	} {
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			for _, name := range slices.Sorted(maps.Keys(tests)) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					tests[name](t, mount)
				})
			}
		})
	}
}
