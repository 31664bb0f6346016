package abuse_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// countedKeys is a Store that counts how often the keys are read.
type countedKeys struct {
	session.Store
	reads atomic.Int64
}

// Keys implements session.Store.
func (c *countedKeys) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	c.reads.Add(1)
	return c.Store.Keys(ctx)
}

// TestUnknownKids: tokens that name keys which nobody has, a new one each, make a process look for new keys once a second, and are forgotten.
// Good tokens pass meanwhile.
func TestUnknownKids(t *testing.T) {
	exclusive(t)
	store := &countedKeys{Store: memstore.New(nil)}
	m, err := session.New(t.Context(), store, session.Config{Algorithm: session.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	_, good, err := m.Create(t.Context(), "somebody", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var fetches atomic.Int64
	keys := nethttp.JWKSHandler(m)
	jwks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		keys.ServeHTTP(w, r)
	}))
	t.Cleanup(jwks.Close)
	v, err := session.NewVerifier(t.Context(), session.VerifierConfig{JWKSURL: jwks.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(good.AccessToken, ".")
	for _, c := range []struct {
		name   string
		verify func(string) error
		looks  *atomic.Int64
	}{
		{"Manager", func(token string) error {
			_, err := m.Verify(t.Context(), token, session.VerifyOptions{})
			return err
		}, &store.reads},
		{"Verifier", func(token string) error {
			_, err := v.Verify(t.Context(), token, session.VerifyOptions{})
			return err
		}, &fetches},
	} {
		const limit = 256 << 10                                     // 10 bytes a key, and less in the long form
		for try, grown := 1, int64(limit+1); grown > limit; try++ { // what else goes on in this process may have grown, once or twice
			if try > 3 {
				t.Errorf("%s: the heap has grown by %d KiB, and by more than %d each time", c.name, grown>>10, limit>>10)
				break
			}
			c.looks.Store(0)
			before, began := heap(), time.Now()
			var all sync.WaitGroup
			const callers = 8
			for range callers {
				all.Go(func() {
					for i := range *kids / callers {
						if c.verify(unknownKid()+"."+rest) == nil {
							t.Errorf("%s: a token of an unknown key passed", c.name)
						}
						if i%1000 == 0 {
							if err := c.verify(good.AccessToken); err != nil {
								t.Errorf("%s: a good token meanwhile: %v", c.name, err)
							}
						}
					}
				})
			}
			all.Wait()
			took := time.Since(began)
			grown = heap() - before
			looks := int(c.looks.Load())
			t.Logf("%s: %d unknown keys in %v: looked %d times, heap %+d KiB", c.name, *kids, took.Round(time.Millisecond), looks, grown>>10)
			if most := int(took/time.Second) + 2; looks < 1 || looks > most {
				t.Errorf("%s: looked for keys %d times in %v, want 1 to %d times", c.name, looks, took, most)
			}
		}
	}
}

// heap is what is alive of it, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what had a finalizer goes now
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestUnknownKidsOverHTTP is the same against the demo, eight of them a request.
func TestUnknownKidsOverHTTP(t *testing.T) {
	exclusive(t)
	s := newSite(t, "KEY_POLL_INTERVAL=30s", "KEY_PROPAGATION=1m")
	_, rest, _ := strings.Cut(s.public.clients[0].cookie(t, "/", "sAccessToken"), ".")
	attack := flood{connections: 100, rate: *rate, request: func(int) string {
		var cookies strings.Builder
		cookies.WriteString("Cookie: sIdRefreshToken=x")
		for range 8 {
			cookies.WriteString("; sAccessToken=" + unknownKid() + "." + rest)
		}
		return raw(http.MethodGet, "/api/me", "", cookies.String())
	}}
	c := s.siege(t, attack)
	c.isFree(t)
	t.Logf("%d unknown keys: they were looked for %d times in %v", 8*c.sent, c.statements["keys"], c.took)
	if c.statements["keys"] == 0 {
		t.Error("nobody looked for new keys: the tokens' form is not this deployment's")
	}
	if grown := c.peak - c.idle; grown > 64<<10 {
		t.Errorf("the process has grown by %d KiB", grown)
	}
}
