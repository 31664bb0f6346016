package session_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// The primes of an RSA key that guards nothing but seeds.
const (
	primeP = "f2e42301004d4aed7bd37c678cb7ef35379aab4eb46ce44958ff5977eff916d99fde42704f611fdedd92ae1bafcd005d820622e8e80ff88136a0316b" +
		"e34a666fd5cd0c7ec990bb4b515d108c33cf5df89401f2169ba85655821784778acc061f1b4203ad1008dcade89ccbd4519e66b2820e3e27a270f549" +
		"10231173cd687153"
	primeQ = "f02987c5023f38b6a7735e063e581bde585e9efc0342ab823a34267ac622caf550daed99e73fd9e6b3dd4f99435beee54705435d41299cf14fb09240" +
		"b6ebb0d00b1e78fb519aa5bb8c7719b8ce50f80d319359ac821007f071f27a946cd7bfe6f18c296b898e46ee241974c554e75648e183f70580ce1cda" +
		"c78243027e0e028d"
)

// fixedKeys are the same in each process that fuzzes, so that tokens under them can be seeds.
func fixedKeys(t testing.TB) []session.Key {
	t.Helper()
	number := func(hex string) *big.Int {
		n, _ := new(big.Int).SetString(hex, 16)
		return n
	}
	p, q := number(primeP), number(primeQ)
	one := big.NewInt(1)
	d := new(big.Int).ModInverse(big.NewInt(65537), new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)))
	onCurve, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte(strings.Repeat("p", 32)))
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(private any) []byte {
		material, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return material
	}
	keys := []session.Key{
		{ID: "hs256AAAAAAAAAAA", Algorithm: "HS256", Material: []byte(strings.Repeat("2", 32))},
		{ID: "hs512AAAAAAAAAAA", Algorithm: "HS512", Material: []byte(strings.Repeat("5", 64))},
		{ID: "eddsaAAAAAAAAAAA", Algorithm: "EdDSA", Material: pkcs8(ed25519.NewKeyFromSeed([]byte(strings.Repeat("e", 32))))},
		{ID: "es256AAAAAAAAAAA", Algorithm: "ES256", Material: pkcs8(onCurve)},
		{ID: "rs256AAAAAAAAAAA", Algorithm: "RS256", Material: pkcs8(&rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: d, Primes: []*big.Int{p, q},
		})},
	}
	for i := range keys {
		keys[i].Purpose, keys[i].Sequence, keys[i].ActivatesAt = session.PurposeAccess, i+1, newClock().Now()
	}
	return append(keys, session.Key{
		ID: "refreshAAAAAAAAA", Purpose: session.PurposeRefresh, Sequence: 1, Algorithm: "HKDF-HS256", Material: []byte(strings.Repeat("r", 32)),
	})
}

// fixedToken is handSigned with the same signature each time.
func fixedToken(t testing.TB, key session.Key, header, body string) string {
	t.Helper()
	if key.Algorithm != "ES256" {
		return handSigned(t, key, header, body)
	}
	signed := segment([]byte(header)) + "." + segment([]byte(body))
	digest := sha256.Sum256([]byte(signed))
	der, err := private(t, key).(*ecdsa.PrivateKey).Sign(nil, digest[:], crypto.SHA256) // without randomness it is as in RFC 6979
	var rs struct{ R, S *big.Int }
	if err == nil {
		_, err = asn1.Unmarshal(der, &rs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + segment(append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...))
}

func fixedConfig(keys []session.Key) session.Config {
	return session.Config{Issuer: "us", Audience: "api", Clock: newClock().Now, KeySource: session.StaticKeys(keys...)}
}

// twin is the other form that each signature of ES256 has, (r, n-s) beside (r, s): everybody can make it, and it says the same. Nothing here
// goes by the text of an access token.
func twin(t testing.TB, token string) string {
	t.Helper()
	at := strings.LastIndexByte(token, '.') + 1
	raw, err := base64.RawURLEncoding.DecodeString(token[at:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(raw[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(raw[32:])
	return token[:at] + segment(raw)
}

// FuzzVerify: what passes is exactly a token that was signed, byte for byte; all else gets one and the same error, and the store is not
// asked.
func FuzzVerify(f *testing.F) {
	keys := fixedKeys(f)
	store := &watchedStore{Store: memstore.New(newClock().Now), calls: map[string]int{}}
	cfg := fixedConfig(keys)
	cfg.Revocation = session.RevocationStrict
	strict, err := session.New(f.Context(), store, cfg)
	if err != nil {
		f.Fatal(err)
	}
	m, err := session.New(f.Context(), store, fixedConfig(keys))
	if err != nil {
		f.Fatal(err)
	}
	v, err := session.NewVerifier(f.Context(), session.VerifierConfig{Keys: m.JWKS(f.Context()), Issuer: "us", Audience: "api", Clock: newClock().Now})
	if err != nil {
		f.Fatal(err)
	}
	signed := map[string]bool{}
	for _, key := range keys[:len(algorithms)] {
		token := fixedToken(f, key, headerOf(key.Algorithm, key.ID), goodClaims)
		signed[token] = true
		if key.Algorithm == "ES256" {
			signed[twin(f, token)] = true
		}
		f.Add(token)
		f.Add(token[:len(token)-1])
		f.Add(fixedToken(f, key, headerOf("none", key.ID), goodClaims))
		for _, other := range keys[:len(algorithms)] {
			f.Add(fixedToken(f, key, headerOf(other.Algorithm, key.ID), strings.Replace(goodClaims, "1760000900", "1e400", 1)))
		}
	}
	store.total() // what it takes to begin
	f.Fuzz(func(t *testing.T, token string) {
		_, err := m.Verify(t.Context(), token, session.VerifyOptions{})
		if (err == nil) != signed[token] {
			t.Errorf("%q: got %v, and it is one that was signed: %v", token, err, signed[token])
		}
		if err != nil && err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("%q: got %v, want ErrTryRefresh itself", token, err)
		}
		if _, public := v.Verify(t.Context(), token, session.VerifyOptions{}); public == nil && err != nil {
			t.Errorf("%q passes the Verifier, and not the Manager", token)
		}
		if ranked := m.RankAccessTokens(t.Context(), []string{"x", token}); len(ranked) != 2 || (ranked[0] == token) != signed[token] && token != "x" {
			t.Errorf("%q beside another one is ranked %q", token, ranked)
		}
		if signed[token] {
			return
		}
		if _, err := strict.Verify(t.Context(), token, session.VerifyOptions{CheckAntiCSRF: true, MaxAuthAge: 1}); err != session.ErrTryRefresh { //nolint:errorlint // the same
			t.Errorf("%q: got %v, want ErrTryRefresh itself", token, err)
		}
		if _, _, err := strict.Refresh(t.Context(), token, session.RefreshOptions{}); err != session.ErrUnauthorised { //nolint:errorlint // the same
			t.Errorf("%q as a refresh token: got %v, want ErrUnauthorised itself", token, err)
		}
		if calls := store.total(); len(calls) != 0 {
			t.Errorf("%q had the store asked: %v", token, calls)
		}
	})
}

// answering is a transport that answers each request with one answer.
type answering struct{ body, cacheControl string }

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Cache-Control": {a.cacheControl}}, Body: io.NopCloser(strings.NewReader(a.body)),
	}, nil
}

// FuzzJWKS: no key set makes a Verifier panic, or accept what no private key has signed. Fetched, it is what it is at hand, and kept no longer
// than it may be.
func FuzzJWKS(f *testing.F) {
	keys := fixedKeys(f)
	m, err := session.New(f.Context(), memstore.New(newClock().Now), fixedConfig(keys))
	if err != nil {
		f.Fatal(err)
	}
	good := m.JWKS(f.Context())
	set, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set, "")
	public, tokens := map[string]session.JWK{}, map[string]string{}
	for _, key := range keys[:len(algorithms)] {
		tokens[key.ID] = fixedToken(f, key, headerOf(key.Algorithm, key.ID), goodClaims)
	}
	for _, jwk := range good.Keys {
		public[jwk.KeyID] = jwk
		one, err := json.Marshal(session.JWKS{Keys: []session.JWK{jwk}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(one, "max-age=60")
	}
	f.Fuzz(func(t *testing.T, raw []byte, cacheControl string) {
		clock, answer := newClock(), &answering{string(raw), cacheControl}
		cfg := session.VerifierConfig{Issuer: "us", Audience: "api", Clock: clock.Now}
		fetching := cfg
		fetching.JWKSURL, fetching.Client, fetching.MaxAge = "https://issuer.example/jwks", &http.Client{Transport: answer}, time.Minute
		fetched, fetchErr := session.NewVerifier(t.Context(), fetching)
		if (fetchErr == nil) != (fetched != nil) || fetchErr != nil && !errors.Is(fetchErr, session.ErrUnavailable) && !errors.Is(fetchErr, session.ErrInvalidConfig) {
			t.Errorf("fetched: got %v, want ErrUnavailable or ErrInvalidConfig, or a Verifier", fetchErr)
		}
		if json.Unmarshal(raw, &cfg.Keys) != nil {
			if fetched != nil {
				t.Errorf("%s was fetched and is no key set", raw)
			}
			return
		}
		v, err := session.NewVerifier(t.Context(), cfg)
		if err != nil {
			if !errors.Is(err, session.ErrInvalidConfig) || v != nil || fetched != nil && len(cfg.Keys.Keys) > 0 {
				t.Errorf("got %v and a Verifier: %v, want ErrInvalidConfig alone; and fetched it was one: %v", err, v != nil, fetched != nil)
			}
			return
		}
		if fetched == nil && len(raw) <= 64<<10 {
			t.Errorf("%s is a key set, and was refused when it was fetched: %v", raw, fetchErr)
		}
		for _, jwk := range cfg.Keys.Keys[:min(len(cfg.Keys.Keys), 3)] {
			for _, forged := range [][]byte{
				nil, append(make([]byte, 63), 1), make([]byte, 256), append(make([]byte, 255), 1), sum("HS256", []byte(jwk.X+jwk.N), "x"),
			} {
				for _, alg := range []string{jwk.Algorithm, "HS256", "none"} {
					header, err := json.Marshal(map[string]string{"alg": alg, "kid": jwk.KeyID, "typ": "watchword-access+jwt"}) // in that order
					if err != nil {
						t.Fatal(err)
					}
					if _, err := v.Verify(t.Context(), segment(header)+"."+segment([]byte(goodClaims))+"."+segment(forged), session.VerifyOptions{}); err == nil {
						t.Errorf("%s: a forged token of key %q passes", raw, jwk.KeyID)
					}
				}
			}
		}
		var known []string // tokens under keys of the set: others would have it fetched anew at once
		for _, key := range keys[:len(algorithms)] {
			_, err := v.Verify(t.Context(), tokens[key.ID], session.VerifyOptions{})
			if err == nil && public[key.ID].KeyID == "" {
				t.Errorf("%s: a token of the secret %s passes", raw, key.ID)
			}
			if fetched == nil {
				continue
			}
			if _, errFetched := fetched.Verify(t.Context(), tokens[key.ID], session.VerifyOptions{}); (err == nil) != (errFetched == nil) {
				t.Errorf("%s: a token of %s gets %v, and %v when the set was fetched", raw, key.ID, err, errFetched)
			}
			if err == nil {
				known = append(known, tokens[key.ID])
			}
		}
		if fetched == nil {
			return
		}
		// The keys that are served from now on replace the others within MaxAge, whatever the answer said.
		*answer = answering{body: `{"keys":[]}`}
		clock.advance(fetching.MaxAge)
		for try := range 2 { // the first finds out, and is not kept waiting
			for _, token := range known {
				if _, err := fetched.Verify(t.Context(), token, session.VerifyOptions{}); err == nil && try > 0 {
					t.Errorf("%s: with %q its keys are kept for more than MaxAge", raw, cacheControl)
				}
			}
		}
	})
}
