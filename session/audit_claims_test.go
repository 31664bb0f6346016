package session_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// recorded keeps the randomness that was drawn.
type recorded struct {
	mu    sync.Mutex
	drawn [][]byte
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := io.ReadFull(rand.Reader, p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drawn = append(r.drawn, bytes.Clone(p[:n]))
	return n, err
}

// TestRefreshTokensAreOfTheirRandomness: a session's first refresh token holds 256 bits that were drawn for it alone, and so does the one
// after a proof (7.2.3 of OWASP ASVS).
func TestRefreshTokensAreOfTheirRandomness(t *testing.T) {
	t.Parallel()
	random := &recorded{}
	w := newWorld(t, func(cfg *session.Config) { cfg.Random = random })
	var before [][]byte
	holds := func(what, token string) {
		t.Helper()
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		bits := 0
		for _, drawn := range random.drawn {
			if len(drawn) >= 16 && bytes.Contains(raw, drawn) {
				bits = max(bits, 8*len(drawn))
			}
		}
		if bits != 256 {
			t.Errorf("%s: the token holds %d bits of fresh randomness, want 256", what, bits)
		}
		for _, old := range before {
			if len(old) >= 16 && bytes.Contains(raw, old) {
				t.Errorf("%s: the token holds randomness of an earlier one", what)
			}
		}
		before, random.drawn = append(before, random.drawn...), nil
	}
	random.drawn = nil
	for range 3 {
		holds("login", w.login().RefreshToken)
	}
	tokens := w.login()
	random.drawn = nil
	w.clock.advance(time.Minute)
	_, proved, err := w.Reauthenticated(w.ctx, w.use(tokens.AccessToken), session.RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	holds("proof", proved.RefreshToken)
}

// keysFor is a source of one access key and one refresh key.
func keysFor(algorithm session.Algorithm) session.KeySource {
	return session.StaticKeys(generate(session.PurposeAccess, algorithm), generate(session.PurposeRefresh, session.HS256))
}

// TestSharedSecretsAreNotPublished: the key set holds nothing of a key that both signs and verifies, also where it is one of several.
func TestSharedSecretsAreNotPublished(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []session.Algorithm{session.HS256, session.HS512} {
		m, err := session.New(t.Context(), memstore.New(nil), session.Config{KeySource: keysFor(algorithm)})
		if err != nil {
			t.Fatal(err)
		}
		if set := m.JWKS(context.Background()); len(set.Keys) > 0 {
			t.Errorf("%s: %d keys are published", algorithm, len(set.Keys))
		}
		v := newVictim(t, algorithm)
		set, err := json.Marshal(v.JWKS(v.ctx))
		if err != nil {
			t.Fatal(err)
		}
		for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
			if bytes.Contains(set, []byte(encoding.EncodeToString(v.key.Material))) || bytes.Contains(set, []byte(v.key.ID)) {
				t.Errorf("%s: the key set of several algorithms holds the secret one", algorithm)
			}
		}
	}
}
