package nethttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// discard is a response that nobody reads.
type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// protected returns what verifies an access token, and what sends it through Require with the three cookies and twelve other
// headers.
func protected(tb testing.TB) (verify, require func()) {
	tb.Helper()
	manager, err := session.New(tb.Context(), memstore.New(nil), session.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	_, tokens, err := manager.Create(tb.Context(), "alice", session.CreateOptions{Payload: map[string]string{"role": "user"}})
	if err != nil {
		tb.Fatal(err)
	}
	sessions, err := nethttp.New(manager, wire.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "https://app.example/me", http.NoBody)
	for name, value := range map[string]string{
		"Cookie": access + "=" + tokens.AccessToken + "; " + refresh + "=" + tokens.RefreshToken + "; " + id + "=" + tokens.ID,
		"Accept": "application/json", "Accept-Encoding": "gzip, deflate, br, zstd", "Accept-Language": "en-GB,en;q=0.9", "Cache-Control": "no-cache",
		"Content-Type": "application/json", "Origin": "https://app.example", "Referer": "https://app.example/page", "Sec-Fetch-Dest": "empty",
		"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "X-Requested-With": "fetch",
	} {
		r.Header.Set(name, value)
	}
	found := 0
	require = func() {
		w := discard{}
		sessions.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, ok := session.FromContext(r.Context()); ok {
				found++
			}
		})).ServeHTTP(w, r)
	}
	if require(); found != 1 {
		tb.Fatal("the request was refused")
	}
	verify = func() {
		if _, err := manager.Verify(tb.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
			tb.Fatal(err)
		}
	}
	return verify, require
}

// BenchmarkRequire compares the verification of a token with all that a request behind Require costs, and shows the difference.
func BenchmarkRequire(b *testing.B) {
	verify, require := protected(b)
	var alone time.Duration
	b.Run("Verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			verify()
		}
		alone = b.Elapsed() / time.Duration(b.N)
	})
	b.Run("Require", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require()
		}
		b.ReportMetric(float64(b.Elapsed()/time.Duration(b.N)-alone), "ns-on-top/op")
	})
}

// The middleware costs little beside the verification: twelve allocations, those of the request's copy included.
func TestRequireAllocatesLittle(t *testing.T) {
	verify, require := protected(t)
	alone, all := testing.AllocsPerRun(200, verify), testing.AllocsPerRun(200, require)
	if onTop := all - alone; onTop > 12 {
		t.Errorf("Require makes %v allocations beside the %v of Verify, want 12 at most", onTop, alone)
	}
}
