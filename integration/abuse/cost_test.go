package abuse_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// presented is a token that somebody presents, and what it is.
type presented struct{ name, token string }

// deployment is a Manager over memory with one session that has just begun.
func deployment(t testing.TB, algorithm session.Algorithm, payload any) (*session.Manager, session.Tokens) {
	t.Helper()
	m, err := session.New(t.Context(), memstore.New(nil), session.Config{
		Algorithm: algorithm, MaxHandOuts: 1 << 20, VerifiedTokens: session.NoVerifiedTokens, // a good token is dear the first time only
	})
	if err != nil {
		t.Fatal(err)
	}
	_, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{Payload: payload, MaxAccessToken: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return m, tokens
}

// garbageAccess are access tokens that no deployment minted, made of a good one: everything that gets a different way into the
// code, and what is dearest to read in as many bytes.
func garbageAccess(good, foreign string) []presented {
	header, rest, _ := strings.Cut(good, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	encode := base64.RawURLEncoding.EncodeToString
	full := func(body string) string { // as many bytes of claims as good has
		n := len(claims) * 3 / 4
		return header + "." + encode([]byte(body[:min(len(body), n)])) + "." + signature
	}
	n := len(claims) * 3 / 4
	return []presented{
		{"random bytes", encode(randomBytes(len(good) * 3 / 4))},
		{"truncated", good[:len(good)-2]},
		{"another signature", header + "." + claims + "." + encode(randomBytes(len(signature)*3/4))},
		{"other claims", header + "." + encode(randomBytes(n)) + "." + signature},
		{"of another deployment", foreign},
		{"an unknown key", unknownKid() + "." + rest},
		{"one segment", strings.Repeat("A", len(good))},
		{"dots", strings.Repeat(".", len(good))},
		{"longer than any", good + strings.Repeat("A", 16<<10)},
		{"no compact form", good[:len(good)-1] + "="},
		{"deep arrays", full(strings.Repeat("[", n/2) + strings.Repeat("]", n/2))},
		{"many members", full("{" + strings.Repeat(`"a":0,`, (n-8)/6) + `"a":0}`)},
		{"one claim again and again", full("{" + strings.Repeat(`"exp":1,`, (n-9)/8) + `"exp":1}`)},
		{"escapes", full(`{"sub":"` + strings.Repeat(`\u00e9`, (n-10)/6) + `"}`)},
	}
}

func garbageRefresh(good, foreign string) []presented {
	flipped := []byte(good)
	flipped[len(flipped)-3] ^= 1
	return []presented{
		{"random bytes", base64.RawURLEncoding.EncodeToString(randomBytes(len(good) * 3 / 4))},
		{"truncated", good[:len(good)-1]},
		{"another MAC", string(flipped)},
		{"of another deployment", foreign},
		{"of an unknown key", good[:2] + foreign[2:18] + good[18:]},
		{"longer than any", good + strings.Repeat("A", 16<<10)},
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// unknownKid is the header of a token of a key that nobody has, in the form that this deployment's have.
func unknownKid() string {
	kid := base64.RawURLEncoding.EncodeToString(randomBytes(12))
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"HS256","kid":%q,"typ":"watchword-access+jwt"}`, kid))
}

// dearer is how much more than a good token garbage may cost by this test's clock, which is not exact.
const dearer = 1.25

// TestGarbageIsNoDearerThanGood: whoever sends garbage makes a process work no more than whoever logs in and sends a good token of the
// same length. That holds only where nothing of a token is read before its signature has been verified.
func TestGarbageIsNoDearerThanGood(t *testing.T) {
	exclusive(t)
	ctx := t.Context()
	for _, c := range []struct {
		name      string
		algorithm session.Algorithm
		payload   any
	}{
		{"HS256", session.HS256, nil},
		{"HS256, with a large payload", session.HS256, map[string]string{"x": strings.Repeat("x", 4000)}},
		{"EdDSA", session.EdDSA, nil},
		{"ES256", session.ES256, nil},
	} {
		m, good := deployment(t, c.algorithm, c.payload)
		_, foreign := deployment(t, c.algorithm, c.payload)
		verify := func(token string) { _, _ = m.Verify(ctx, token, session.VerifyOptions{}) }
		refresh := func(token string) { _, _, _ = m.Refresh(ctx, token, session.RefreshOptions{}) }
		for _, g := range garbageAccess(good.AccessToken, foreign.AccessToken) {
			compare(t, c.name+", access token, "+g.name, verify, g.token, good.AccessToken)
		}
		if c.payload != nil || c.algorithm != session.HS256 {
			continue // refresh tokens are the same everywhere
		}
		for _, g := range garbageRefresh(good.RefreshToken, foreign.RefreshToken) {
			compare(t, "refresh token, "+g.name, refresh, g.token, good.RefreshToken)
		}
	}
}

// compare measures garbage and a good token side by side, and looks again where the garbage seems dearer: something else may have run.
func compare(t *testing.T, name string, present func(string), garbage, good string) {
	t.Helper()
	const tries = 6
	var bad, best time.Duration
	for range tries {
		b, g := fastest(present, garbage, good)
		if bad == 0 || b < bad {
			bad = b
		}
		if best == 0 || g < best {
			best = g
		}
		if float64(bad) <= dearer*float64(best) {
			break
		}
	}
	t.Logf("%s: %v, a good one %v: %.2f", name, bad, best, float64(bad)/float64(best))
	if float64(bad) > dearer*float64(best) {
		t.Errorf("%s: takes %v, a good one of %d bytes %v", name, bad, len(good), best)
	}
}

// fastest is what a call takes with garbage and with a good token where nothing else is in its way: the best of several rounds each.
func fastest(present func(string), garbage, good string) (bad, best time.Duration) {
	const rounds, calls = 10, 30
	var took [2][]time.Duration
	for range rounds {
		for i, token := range []string{garbage, good} {
			began := time.Now()
			for range calls {
				present(token)
			}
			took[i] = append(took[i], time.Since(began)/calls)
		}
	}
	return slices.Min(took[0]), slices.Min(took[1])
}
