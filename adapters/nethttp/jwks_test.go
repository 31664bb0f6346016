package nethttp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

func keyManager(t *testing.T, cfg session.Config) *session.Manager {
	t.Helper()
	cfg.AccessJitter = session.NoJitter // tests turn the clock to the very end of a token
	m, err := session.New(t.Context(), memstore.New(cfg.Clock), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// getKeys asks a JWKS handler.
func getKeys(t *testing.T, m *session.Manager, method string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/.well-known/jwks.json", http.NoBody)
	if header != nil {
		r.Header = header
	}
	rec := httptest.NewRecorder()
	nethttp.JWKSHandler(m).ServeHTTP(rec, r)
	return rec.Result()
}

// kids returns the key ids that are served.
func kids(t *testing.T, m *session.Manager) []string {
	t.Helper()
	resp := getKeys(t, m, http.MethodGet, nil)
	defer func() { _ = resp.Body.Close() }()
	var set struct {
		Keys []struct{ KID string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got status %d, %v", resp.StatusCode, err)
	}
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.KID)
	}
	return ids
}

func TestJWKSHandlerServesPublicKeys(t *testing.T) {
	t.Parallel()
	for algorithm, members := range map[session.Algorithm]string{
		session.EdDSA: "alg=EdDSA crv=Ed25519 kty=OKP use=sig | kid x",
		session.ES256: "alg=ES256 crv=P-256 kty=EC use=sig | kid x y",
		session.RS256: "alg=RS256 kty=RSA use=sig | e kid n",
	} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			m := keyManager(t, session.Config{Algorithm: algorithm})
			resp := getKeys(t, m, http.MethodGet, nil)
			defer func() { _ = resp.Body.Close() }()
			for name, want := range map[string]string{
				"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=150", "X-Content-Type-Options": "nosniff", "Set-Cookie": "",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			var set map[string][]map[string]string
			if err := json.NewDecoder(resp.Body).Decode(&set); err != nil || len(set) != 1 || len(set["keys"]) != 1 {
				t.Fatalf("got %v, %v, want one key", set, err)
			}
			var fixed, varying []string
			for name, value := range set["keys"][0] {
				if slices.Contains([]string{"alg", "crv", "kty", "use"}, name) {
					fixed = append(fixed, name+"="+value)
				} else {
					varying = append(varying, name)
				}
			}
			slices.Sort(fixed)
			slices.Sort(varying)
			if got := strings.Join(fixed, " ") + " | " + strings.Join(varying, " "); got != members {
				t.Errorf("the key's members: got %s, want %s", got, members)
			}
			_, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(nethttp.JWKSHandler(m))
			t.Cleanup(server.Close)
			v, err := session.NewVerifier(t.Context(), session.VerifierConfig{JWKSURL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
				t.Errorf("with what is served a token is refused: %v", err)
			}
		})
	}
}

func TestJWKSHandlerNeverServesSecrets(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []session.Algorithm{session.HS256, session.HS512} {
		resp := getKeys(t, keyManager(t, session.Config{Algorithm: algorithm}), http.MethodGet, nil)
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || string(body) != `{"keys":[]}` {
			t.Errorf("%s: got %d %s, %v, want an empty set", algorithm, resp.StatusCode, body, err)
		}
	}
}

func TestJWKSHandlerConditionalRequests(t *testing.T) {
	t.Parallel()
	m := keyManager(t, session.Config{Algorithm: session.EdDSA, KeyPropagation: time.Hour})
	first := getKeys(t, m, http.MethodGet, nil)
	_ = first.Body.Close()
	etag := first.Header.Get("ETag")
	if len(etag) < 10 || etag[0] != '"' || etag[len(etag)-1] != '"' {
		t.Fatalf("ETag: got %s, want a strong one", etag)
	}
	for _, test := range []struct {
		method, match string
		status        int
		empty         bool
	}{
		{http.MethodGet, "", 200, false}, {http.MethodGet, `"x"`, 200, false}, {http.MethodGet, strings.Trim(etag, `"`), 200, false},
		{http.MethodGet, etag, 304, true}, {http.MethodGet, "W/" + etag, 304, true}, {http.MethodGet, `"x" , ` + etag, 304, true}, {http.MethodGet, "*", 304, true},
		{http.MethodHead, etag, 304, true},
		{http.MethodPost, etag, 405, false}, {http.MethodPut, "", 405, false}, {http.MethodDelete, "", 405, false}, {http.MethodOptions, "", 405, false},
	} {
		header := http.Header{}
		if test.match != "" {
			header.Set("If-None-Match", test.match)
		}
		resp := getKeys(t, m, test.method, header)
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != test.status || (len(body) == 0) != test.empty {
			t.Errorf("%s with If-None-Match %q: got %d and %d bytes, want %d", test.method, test.match, resp.StatusCode, len(body), test.status)
		}
		want := map[string]string{"ETag": etag, "Cache-Control": "public, max-age=1800", "Allow": ""}
		if test.status == 405 {
			want = map[string]string{"ETag": "", "Allow": "GET, HEAD"}
			if strings.Contains(string(body), "kid") {
				t.Errorf("%s is answered with the keys", test.method)
			}
		}
		for name, value := range want {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s with If-None-Match %q: %s is %q, want %q", test.method, test.match, name, got, value)
			}
		}
	}
	if err := m.RotateNow(t.Context(), session.PurposeAccess, "test", false); err != nil {
		t.Fatal(err)
	}
	next := getKeys(t, m, http.MethodGet, http.Header{"If-None-Match": {etag}})
	_ = next.Body.Close()
	if next.StatusCode != http.StatusOK || next.Header.Get("ETag") == etag {
		t.Errorf("after a rotation: got %d and the ETag %s, want another one", next.StatusCode, next.Header.Get("ETag"))
	}
}

// Over a real server HEAD is GET without the body.
func TestJWKSHandlerHead(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nethttp.JWKSHandler(keyManager(t, session.Config{Algorithm: session.EdDSA})))
	t.Cleanup(server.Close)
	headers := map[string]http.Header{}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || (len(body) == 0) != (method == http.MethodHead) {
			t.Errorf("%s: got %d and %d bytes, %v", method, resp.StatusCode, len(body), err)
		}
		headers[method] = resp.Header
	}
	for _, name := range []string{"Content-Type", "Content-Length", "Cache-Control", "ETag"} {
		if get, head := headers[http.MethodGet].Get(name), headers[http.MethodHead].Get(name); get != head || get == "" {
			t.Errorf("%s: got %q with HEAD, %q with GET", name, head, get)
		}
	}
}

// A key is served from its publication on, until the last token that it has signed is expired, or it was cut off.
func TestJWKSHandlerFollowsTheSchedule(t *testing.T) {
	t.Parallel()
	s := &site{now: time.Now()}
	m := keyManager(t, session.Config{Algorithm: session.EdDSA, Clock: s.clock})
	signer := func() string {
		t.Helper()
		_, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, kid := range kids(t, m) {
			set := m.JWKS(t.Context())
			set.Keys = slices.DeleteFunc(set.Keys, func(k session.JWK) bool { return k.KeyID != kid })
			v, err := session.NewVerifier(t.Context(), session.VerifierConfig{Keys: set, Clock: s.clock})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err == nil {
				return kid
			}
		}
		t.Fatal("no key that is served has signed the token")
		return ""
	}
	first := kids(t, m)
	if err := m.RotateNow(t.Context(), session.PurposeAccess, "test", false); err != nil {
		t.Fatal(err)
	}
	both := kids(t, m)
	if len(first) != 1 || len(both) != 2 || both[0] != first[0] || signer() != first[0] {
		t.Fatalf("published: got %v, then %v, want the successor beside the first, which signs", first, both)
	}
	s.advance(session.DefaultKeyPropagation)
	if got := kids(t, m); !slices.Equal(got, both) || signer() != both[1] {
		t.Errorf("once the successor signs: got %v, want %v", got, both)
	}
	s.advance(session.DefaultAccessLifetime + 3*time.Minute)
	if got := kids(t, m); !slices.Equal(got, both[1:]) {
		t.Errorf("when the first key's last token has expired: got %v, want %v", got, both[1:])
	}
	if err := m.RotateNow(t.Context(), session.PurposeAccess, "test", false); err != nil {
		t.Fatal(err)
	}
	published := kids(t, m)
	if err := m.RotateNow(t.Context(), session.PurposeAccess, "stolen", true); err != nil {
		t.Fatal(err)
	}
	if got := kids(t, m); len(got) != 1 || slices.Contains(published, got[0]) || signer() != got[0] {
		t.Errorf("after the keys were cut off: got %v, want a new one alone; there were %v", got, published)
	}
}
