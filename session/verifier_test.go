package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

var publicAlgorithms = []session.Algorithm{session.EdDSA, session.ES256, session.RS256}

func signedWith(algorithm session.Algorithm) func(*session.Config) {
	return func(cfg *session.Config) { cfg.Algorithm = algorithm }
}

// endpoint serves a world's public keys, or what a test puts in its place.
type endpoint struct {
	*httptest.Server
	asked atomic.Int64
	mu    sync.Mutex
	serve http.HandlerFunc
}

func (w *world) keySet(rw http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(rw).Encode(w.JWKS(w.ctx))
}

func newEndpoint(w *world) *endpoint {
	e := &endpoint{serve: w.keySet}
	e.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		e.mu.Lock()
		serve := e.serve
		e.mu.Unlock()
		serve(rw, r)
	}))
	w.t.Cleanup(e.Close)
	return e
}

func (e *endpoint) put(serve http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serve = serve
}

// verifier makes a Verifier of the endpoint's keys.
func (e *endpoint) verifier(w *world, change ...func(*session.VerifierConfig)) *session.Verifier {
	w.t.Helper()
	cfg := session.VerifierConfig{JWKSURL: e.URL, Clock: w.clock.Now}
	for _, f := range change {
		f(&cfg)
	}
	v, err := session.NewVerifier(w.ctx, cfg)
	if err != nil {
		w.t.Fatalf("NewVerifier: %v", err)
	}
	e.asked.Store(0)
	return v
}

// verdict asserts what a Verifier says of a token.
func (w *world) verdict(v *session.Verifier, token string, want error) {
	w.t.Helper()
	if _, err := v.Verify(w.ctx, token, session.VerifyOptions{}); err != want { //nolint:errorlint // uniform: this very error, without any detail
		w.t.Errorf("Verify: got %v, want %v", err, want)
	}
}

func (e *endpoint) wasAsked(t *testing.T, want int64) {
	t.Helper()
	if got := e.asked.Swap(0); got != want {
		t.Errorf("the endpoint was asked %d times, want %d", got, want)
	}
}

func TestVerifierAcceptsWhatTheManagerSigns(t *testing.T) {
	t.Parallel()
	for _, algorithm := range publicAlgorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, signedWith(algorithm))
			e := newEndpoint(w)
			static, err := session.NewVerifier(w.ctx, session.VerifierConfig{Keys: w.JWKS(w.ctx), Clock: w.clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			first := w.login()
			w.clock.advance(time.Minute)
			second := w.refresh(first.RefreshToken) // unconfirmed: a Verifier takes it, and confirms nothing
			for name, v := range map[string]*session.Verifier{"by URL": e.verifier(w), "by key set": static} {
				for _, tokens := range []session.Tokens{first, second} {
					s, err := v.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					want := w.use(first.AccessToken)
					if _, renewed := s.Renewed(); renewed || s.Handle() != want.Handle() || s.UserID() != "user" ||
						string(s.RawPayload()) != `{"role":"user"}` || !s.AccessExpires().Equal(tokens.AccessExpires) {
						t.Errorf("%s: got session %v of %q with payload %s until %v", name, s.Handle(), s.UserID(), s.RawPayload(), s.AccessExpires())
					}
				}
			}
			e.wasAsked(t, 0)
		})
	}
}

// What the Manager refuses is refused.
func TestVerifierRefusesWhatTheManagerRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signedWith(session.EdDSA), func(cfg *session.Config) {
		cfg.Issuer, cfg.Audience = "us", "api"
	})
	w.csrf = true
	tokens := w.login()
	lives := tokens.AccessExpires.Sub(w.clock.Now())
	for _, test := range []struct {
		name             string
		issuer, audience string
		later            time.Duration
		check            bool
		csrf             string
		want             error
	}{
		{"good", "us", "api", 0, false, "", nil},
		{"one tick before it expires", "us", "api", lives - time.Millisecond, false, "", nil},
		{"expired", "us", "api", lives, false, "", session.ErrTryRefresh},
		{"clock a minute behind", "us", "api", -time.Minute, false, "", nil},
		{"clock further behind", "us", "api", -time.Minute - time.Second, false, "", session.ErrTryRefresh},
		{"other issuer", "them", "api", 0, false, "", session.ErrTryRefresh},
		{"no issuer", "", "api", 0, false, "", session.ErrTryRefresh},
		{"other audience", "us", "web", 0, false, "", session.ErrTryRefresh},
		{"no audience", "us", "", 0, false, "", session.ErrTryRefresh},
		{"anti-CSRF", "us", "api", 0, true, tokens.AntiCSRF, nil},
		{"without anti-CSRF", "us", "api", 0, true, "", session.ErrAntiCSRF},
		{"other anti-CSRF", "us", "api", 0, true, "x" + tokens.AntiCSRF, session.ErrAntiCSRF},
	} {
		clock := func() time.Time { return w.clock.Now().Add(test.later) }
		v, err := session.NewVerifier(w.ctx, session.VerifierConfig{
			Keys: w.JWKS(w.ctx), Issuer: test.issuer, Audience: test.audience, Clock: clock,
		})
		if err != nil {
			t.Fatal(err)
		}
		cfg := w.cfg
		cfg.Issuer, cfg.Audience, cfg.Clock = test.issuer, test.audience, clock
		m, err := session.New(w.ctx, w.store, cfg)
		if err != nil {
			t.Fatal(err)
		}
		opts := session.VerifyOptions{CheckAntiCSRF: test.check, AntiCSRF: test.csrf}
		for who, verify := range map[string]func(context.Context, string, session.VerifyOptions) (*session.Session, error){"Verifier": v.Verify, "Manager": m.Verify} {
			if _, err := verify(w.ctx, tokens.AccessToken, opts); err != test.want { //nolint:errorlint // uniform: this very error, without any detail
				t.Errorf("%s: the %s gave %v, want %v", test.name, who, err, test.want)
			}
		}
	}
}

func TestVerifierKeepsTheLastGoodSet(t *testing.T) {
	t.Parallel()
	text := func(status int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
		}
	}
	good := newWorld(t, signedWith(session.EdDSA))
	set, err := json.Marshal(good.JWKS(good.ctx))
	if err != nil {
		t.Fatal(err)
	}
	foreign := httptest.NewServer(http.HandlerFunc(good.keySet))
	t.Cleanup(foreign.Close)
	failures := map[string]http.HandlerFunc{
		"500": text(http.StatusInternalServerError, string(set)), "404": text(http.StatusNotFound, ""), "204": text(http.StatusNoContent, ""), "203": text(http.StatusNonAuthoritativeInfo, string(set)),
		"nothing": text(http.StatusOK, ""), "garbage": text(http.StatusOK, "<html>"), "null": text(http.StatusOK, "null"), "list": text(http.StatusOK, "[]"),
		"cut short": text(http.StatusOK, string(set[:len(set)-2])), "two values": text(http.StatusOK, string(set)+string(set)),
		"no set":           text(http.StatusOK, `{}`),
		"only other kinds": text(http.StatusOK, `{"keys":[{"kty":"oct","kid":"AAAAAAAAAAAAAAAA","use":"sig","alg":"HS256","k":"AAAA"}]}`),
		"oversized":        text(http.StatusOK, strings.Repeat(" ", 64<<10)+string(set)),
		"too many keys":    text(http.StatusOK, `{"keys":[`+strings.Repeat(`{},`, 100)+strings.TrimPrefix(string(set), `{"keys":[`)),
		"redirect":         func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, foreign.URL, http.StatusFound) },
		"permanent redirect": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, foreign.URL, http.StatusPermanentRedirect)
		},
		"a broken connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, signedWith(session.EdDSA))
			e := newEndpoint(w)
			v := e.verifier(w, func(cfg *session.VerifierConfig) {
				if strings.Contains(name, "broken") { // net/http would try once more if the connection was used before
					cfg.Client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				}
			})
			tokens := w.login()
			foreignToken := good.login().AccessToken
			e.put(fail)
			for range 3 {
				w.clock.advance(2 * time.Minute)
				w.verdict(v, tokens.AccessToken, nil)
				w.verdict(v, tokens.AccessToken, nil) // not asked again within a second
				w.verdict(v, foreignToken, session.ErrTryRefresh)
				e.wasAsked(t, 1)
			}
			e.put(w.keySet)
			w.clock.advance(time.Second)
			w.verdict(v, tokens.AccessToken, nil)
			w.verdict(v, tokens.AccessToken, nil)
			e.wasAsked(t, 1)

			e.put(fail)
			if _, err := session.NewVerifier(w.ctx, session.VerifierConfig{JWKSURL: e.URL}); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("a start without keys: got %v, want ErrUnavailable", err)
			}
		})
	}
}

// roundTrip is a transport without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hanging is a body that never comes.
type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) { <-h.ctx.Done(); return 0, h.ctx.Err() }
func (hanging) Close() error               { return nil }

// An endpoint that hangs costs one client's timeout, and the last good set goes on.
func TestVerifierOutlastsAHangingEndpoint(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]roundTrip{
		"no answer": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"no body": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: hanging{r.Context()}, Request: r}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, signedWith(session.EdDSA))
				good := roundTrip(func(r *http.Request) (*http.Response, error) {
					rec := httptest.NewRecorder()
					w.keySet(rec, r)
					return rec.Result(), nil
				})
				asked, serve := 0, good
				client := &http.Client{Timeout: 3 * time.Second, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					asked++
					return serve(r)
				})}
				v, err := session.NewVerifier(w.ctx, session.VerifierConfig{JWKSURL: "https://keys.example", Client: client, Clock: w.clock.Now})
				if err != nil {
					t.Fatal(err)
				}
				tokens := w.login()
				asked, serve = 0, hang
				started := time.Now()
				w.clock.advance(2 * time.Minute)
				w.verdict(v, tokens.AccessToken, nil)
				w.verdict(v, tokens.AccessToken, nil)
				if took := time.Since(started); asked != 1 || took > client.Timeout {
					t.Errorf("it was asked %d times, for %v, want once, for %v at most", asked, took, client.Timeout)
				}
				w.clock.advance(time.Second)
				serve = good
				w.verdict(v, tokens.AccessToken, nil)
				if asked != 2 {
					t.Errorf("it was asked %d times, want twice", asked)
				}
			})
		})
	}
}

func TestVerifierPicksUpARotatedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signedWith(session.EdDSA))
	e := newEndpoint(w)
	v := e.verifier(w)
	if err := w.RotateNow(w.ctx, session.PurposeAccess, "test", true); err != nil {
		t.Fatal(err)
	}
	tokens := w.login()
	var wg, started sync.WaitGroup
	started.Add(50)
	e.put(func(rw http.ResponseWriter, r *http.Request) {
		started.Wait() // the first answer comes when everybody is on the way
		w.keySet(rw, r)
	})
	for range 50 {
		wg.Go(func() {
			started.Done()
			w.verdict(v, tokens.AccessToken, nil)
		})
	}
	wg.Wait()
	e.wasAsked(t, 1)

	flood := func(want int64) {
		t.Helper()
		for i := range 1000 {
			w.verdict(v, unknownToken(i), session.ErrTryRefresh)
		}
		e.wasAsked(t, want)
	}
	flood(0)
	w.clock.advance(time.Second)
	flood(1)
	for _, kid := range malformedKeyIDs() {
		w.clock.advance(time.Second)
		header := edit(t, headerOf("EdDSA", "?"), `"?"`, kid)
		w.verdict(v, segment([]byte(header))+"."+segment([]byte(goodClaims))+"."+segment(make([]byte, 64)), session.ErrTryRefresh)
	}
	e.wasAsked(t, 0)

	static, err := session.NewVerifier(w.ctx, session.VerifierConfig{Keys: w.JWKS(w.ctx), Clock: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.verdict(static, unknownToken(0), session.ErrTryRefresh)
}

// The caller who happens to fetch for all others may go away.
func TestVerifierFetchesForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signedWith(session.EdDSA))
	v := newEndpoint(w).verifier(w)
	if err := w.RotateNow(w.ctx, session.PurposeAccess, "test", true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	if _, err := v.Verify(ctx, unknownToken(0), session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
		t.Errorf("got %v, want ErrTryRefresh", err)
	}
	w.verdict(v, w.login().AccessToken, nil)
}

// A key that was cut off is accepted for MaxAge, or as long as the endpoint says if that is less.
func TestVerifierDropsAKeyThatWasCutOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cacheControl string
		maxAge, want time.Duration
	}{
		{"", 0, 2 * time.Minute},
		{"", time.Minute, time.Minute},
		{"public, max-age=30", time.Minute, 30 * time.Second},
		{"MAX-AGE=30,must-revalidate", time.Minute, 30 * time.Second},
		{"public, max-age=3600", time.Minute, time.Minute},
		{"max-age=0", time.Minute, time.Second},
		{"max-age=-1", time.Minute, time.Minute},
		{"max-age=99999999999999999999", time.Minute, time.Minute},
		{"s-maxage=5, max-age", time.Minute, time.Minute},
	} {
		w := newWorld(t, signedWith(session.EdDSA))
		e := newEndpoint(w)
		e.put(func(rw http.ResponseWriter, r *http.Request) {
			if test.cacheControl != "" {
				rw.Header().Set("Cache-Control", test.cacheControl)
			}
			w.keySet(rw, r)
		})
		v := e.verifier(w, func(cfg *session.VerifierConfig) { cfg.MaxAge = test.maxAge })
		tokens := w.login()
		if err := w.RotateNow(w.ctx, session.PurposeAccess, "stolen", true); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(test.want - time.Millisecond)
		w.verdict(v, tokens.AccessToken, nil)
		e.wasAsked(t, 0)
		w.clock.advance(time.Millisecond)
		w.verdict(v, tokens.AccessToken, session.ErrTryRefresh)
		w.verdict(v, w.login().AccessToken, nil)
		if t.Failed() {
			t.Fatalf("with Cache-Control %q and MaxAge %v", test.cacheControl, test.maxAge)
		}
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signedWith(session.RS256))
	key := w.JWKS(w.ctx).Keys[0]
	with := func(change func(*session.JWK)) session.VerifierConfig {
		changed := key
		change(&changed)
		return session.VerifierConfig{Keys: session.JWKS{Keys: []session.JWK{changed}}}
	}
	many := make([]session.JWK, 101)
	for i := range many {
		many[i] = key
	}
	for name, test := range map[string]struct {
		cfg  session.VerifierConfig
		want string
	}{
		"neither URL nor keys": {session.VerifierConfig{}, "Keys"},
		"relative URL":         {session.VerifierConfig{JWKSURL: "/jwks.json"}, "JWKSURL"},
		"URL of a file":        {session.VerifierConfig{JWKSURL: "file:///jwks.json"}, "JWKSURL"},
		"URL without a host":   {session.VerifierConfig{JWKSURL: "https:///jwks.json"}, "JWKSURL"},
		"no URL":               {session.VerifierConfig{JWKSURL: "https://a b/"}, "JWKSURL"},
		"short MaxAge":         {session.VerifierConfig{JWKSURL: "https://example.com", MaxAge: time.Second - 1}, "MaxAge"},
		"negative MaxAge":      {session.VerifierConfig{JWKSURL: "https://example.com", MaxAge: -1}, "MaxAge"},
		"too many keys":        {session.VerifierConfig{Keys: session.JWKS{Keys: many}}, "Keys"},
		"set of a symmetric":   {session.VerifierConfig{Keys: newWorld(t).JWKS(t.Context())}, "Keys"},
		"kid of another form":  {with(func(k *session.JWK) { k.KeyID = "key-1" }), "Keys"},
		"other algorithm":      {with(func(k *session.JWK) { k.Algorithm = "PS256" }), "Keys"},
		"shared secret":        {with(func(k *session.JWK) { k.Algorithm = "HS256" }), "Keys"},
		"no algorithm":         {with(func(k *session.JWK) { k.Algorithm = "" }), "Keys"},
		"for encryption":       {with(func(k *session.JWK) { k.Use = "enc" }), "Keys"},
		"short modulus":        {with(func(k *session.JWK) { k.N = k.N[:len(k.N)-8] }), "Keys"},
		"exponent 1":           {with(func(k *session.JWK) { k.E = "AQ" }), "Keys"},
		"even exponent":        {with(func(k *session.JWK) { k.E = "AQAA" }), "Keys"},
		"another kind":         {with(func(k *session.JWK) { k.KeyType = "EC" }), "Keys"},
	} {
		if _, err := session.NewVerifier(w.ctx, test.cfg); !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: got %v, want ErrInvalidConfig that names %s", name, err, test.want)
		}
	}
}

// Keys of other kinds in a set do not hinder the good ones.
func TestVerifierPassesOverOtherKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signedWith(session.ES256))
	set := w.JWKS(w.ctx)
	set.Keys = append([]session.JWK{{}, {KeyType: "oct", KeyID: "x"}, {KeyType: "EC", Curve: "P-521", KeyID: unknownKeyID(1), Algorithm: "ES512"}}, set.Keys...)
	v, err := session.NewVerifier(w.ctx, session.VerifierConfig{Keys: set, Clock: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.verdict(v, w.login().AccessToken, nil)
}

func TestSessionOfAVerifierHasNoStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signedWith(session.EdDSA))
	v, err := session.NewVerifier(w.ctx, session.VerifierConfig{Keys: w.JWKS(w.ctx), Clock: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Verify(w.ctx, w.login().AccessToken, session.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, operation := range map[string]func() error{
		"Data":       func() error { _, err := s.Data(w.ctx); return err },
		"SetData":    func() error { _, err := s.SetData(w.ctx, 1); return err },
		"UpdateData": func() error { _, err := s.UpdateData(w.ctx, 1, 1); return err },
		"Revoke":     func() error { _, err := s.Revoke(w.ctx, session.RevokeOptions{}); return err },
	} {
		if err := operation(); !errors.Is(err, session.ErrNoStore) {
			t.Errorf("%s: got %v, want ErrNoStore", name, err)
		}
	}
}
