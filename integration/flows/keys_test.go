package flows_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
)

// readToken reads the key's id and exp out of an access token.
func readToken(t *testing.T, token string) (kid string, expires time.Time) {
	t.Helper()
	parts := strings.Split(token, ".")
	var header struct{ Kid string }
	var claims struct{ Exp float64 }
	for i, v := range []any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(raw, v)
		}
		if err != nil {
			t.Fatalf("the access token is no JWT: %v", err)
		}
	}
	return header.Kid, time.UnixMilli(int64(claims.Exp * 1000))
}

// TestI5FourProcessesRotateEveryTwoSeconds: no process refuses a live token while four of them rotate the keys, one is restarted
// all the time, and browsers go from one to the other.
func TestI5FourProcessesRotateEveryTwoSeconds(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	settings := []string{
		"KEY_ROTATION=2s", "REFRESH_KEY_ROTATION=4s", "KEY_PROPAGATION=2s", "KEY_POLL_INTERVAL=100ms", "ACCESS_LIFETIME=4s", "GRACE=2s",
	}
	processes := make([]*process, 4)
	for i := range processes {
		processes[i] = start(t, dsn, settings...)
	}
	until := time.Now().Add(12 * time.Second)
	var (
		mu   sync.Mutex
		kids = map[string]bool{}
		wg   sync.WaitGroup
	)
	wg.Go(func() { // the last one comes and goes
		for time.Now().Before(until) {
			p := start(t, dsn, settings...)
			br := newBrowser(t)
			br.login(p, "passer-by")
			br.me(processes[0])
			time.Sleep(500 * time.Millisecond)
			p.stop()
		}
	})
	for n := range 4 {
		wg.Go(func() {
			br := newBrowser(t)
			br.login(processes[n], fmt.Sprint("user", n))
			for time.Now().Before(until) {
				p := processes[rand.IntN(len(processes))]
				kid, expires := readToken(t, br.cookies(p, "/")["sAccessToken"])
				mu.Lock()
				kids[kid] = true
				mu.Unlock()
				a := br.do(p, "GET", "/api/me", "")
				switch {
				case a.status == 200:
				case a.code() == "try_refresh" && !time.Now().Before(expires):
					br.refresh(p)
				default:
					t.Errorf("%v before its end an access token got %d %s", time.Until(expires), a.status, a.body)
					return
				}
				if rand.IntN(10) == 0 {
					br.refresh(p)
				}
				time.Sleep(rand.N(60 * time.Millisecond))
			}
		})
	}
	wg.Wait()
	t.Logf("%d access keys were seen", len(kids))
	if len(kids) < 4 {
		t.Error("the keys were hardly rotated")
	}
}

// Another service verifies the access tokens of this one by its public keys, and follows a rotation.
func TestJWKS(t *testing.T) {
	t.Parallel()
	p := start(t, mysqltest.Database(t), "ALGORITHM=EdDSA", "KEY_ROTATION=1s", "KEY_PROPAGATION=1s", "KEY_POLL_INTERVAL=100ms")
	verifier, err := session.NewVerifier(t.Context(), session.VerifierConfig{JWKSURL: p.base + "/.well-known/jwks.json"})
	if err != nil {
		t.Fatal(err)
	}
	kids := map[string]bool{}
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		br := newBrowser(t)
		br.login(p, "alice")
		token := br.cookies(p, "/")["sAccessToken"]
		kid, _ := readToken(t, token)
		kids[kid] = true
		s, err := verifier.Verify(t.Context(), token, session.VerifyOptions{})
		if err != nil || s.UserID() != "alice" {
			t.Fatalf("a token of key %s: got %v", kid, err)
		}
		if _, err := s.Revoke(t.Context(), session.RevokeOptions{}); !errors.Is(err, session.ErrNoStore) {
			t.Errorf("Revoke without a store: got %v, want ErrNoStore", err)
		}
	}
	if len(kids) < 3 {
		t.Errorf("only %d keys signed in 4 s", len(kids))
	}
}
