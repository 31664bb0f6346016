package token_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/token"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// deployment issues tokens.
type deployment struct {
	manager *session.Manager
	tokens  session.Tokens
	session *session.Session
	keys    *session.JWKS
}

func deploy(t testing.TB, algorithm session.Algorithm) deployment {
	t.Helper()
	clock := func() time.Time { return now }
	m, err := session.New(t.Context(), memstore.New(clock), session.Config{
		Algorithm: algorithm, Clock: clock, Issuer: "https://issuer.example", Audience: "api", AccessJitter: session.NoJitter,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, tokens, err := m.Create(t.Context(), "alice", session.CreateOptions{Payload: map[string]string{"role": "admin"}, AntiCSRF: true})
	if err != nil {
		t.Fatal(err)
	}
	keys := m.JWKS(t.Context())
	return deployment{m, tokens, s, &keys}
}

func codes(r token.Report) []string {
	found := []string{}
	for _, p := range r.Problems {
		found = append(found, p.Code)
	}
	return found
}

func expect(t *testing.T, what string, r token.Report, kind token.Kind, signature token.Signature, want ...string) {
	t.Helper()
	if got := codes(r); r.Kind != kind || r.Signature != signature || !slices.Equal(got, append([]string{}, want...)) {
		t.Errorf("%s: got %s, %s (%s), problems %v, want %s, %s, %v", what, r.Kind, r.Signature, r.Why, r.Problems, kind, signature, want)
	}
}

func TestGoodTokensAreVerified(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []session.Algorithm{session.EdDSA, session.ES256, session.RS256} {
		d := deploy(t, algorithm)
		issuer, audience := "https://issuer.example", "api"
		opts := token.Options{Keys: d.keys, Issuer: &issuer, Audience: &audience, Now: now.Add(14 * time.Minute)}
		expect(t, string(algorithm), token.Inspect(d.tokens.AccessToken, opts), token.KindAccess, token.SignatureVerified)
		expect(t, "as it is copied", token.Inspect(" Bearer "+d.tokens.AccessToken+"\n", opts), token.KindAccess, token.SignatureVerified)
		opts.Keys = nil
		expect(t, "without keys", token.Inspect(d.tokens.AccessToken, opts), token.KindAccess, token.SignatureNotChecked)
	}
}

func TestSharedSecretsCannotBeVerified(t *testing.T) {
	t.Parallel()
	d, other := deploy(t, session.HS256), deploy(t, session.EdDSA)
	r := token.Inspect(d.tokens.AccessToken, token.Options{Now: now})
	expect(t, "without keys", r, token.KindAccess, token.SignatureNotChecked)
	if !strings.Contains(r.Why, "secret") {
		t.Errorf("why: got %q", r.Why)
	}
	r = token.Inspect(d.tokens.AccessToken, token.Options{Keys: other.keys, Now: now})
	expect(t, "with keys", r, token.KindAccess, token.SignatureRefused, "shared_secret")
}

func TestEachReasonIsTold(t *testing.T) {
	t.Parallel()
	d, other := deploy(t, session.EdDSA), deploy(t, session.EdDSA)
	good := d.tokens.AccessToken
	parts := strings.Split(good, ".")
	none, somebody := "", "somebody"
	altered := parts[0] + "." + segment(t, strings.Replace(decode(t, parts[1]), "alice", "mallo", 1)) + "." + parts[2]
	for _, test := range []struct {
		name      string
		token     string
		opts      token.Options
		signature token.Signature
		want      []string
	}{
		{"expired", good, token.Options{Keys: d.keys, Now: now.Add(15 * time.Minute)}, token.SignatureVerified, []string{"expired"}},
		{"not yet valid", good, token.Options{Keys: d.keys, Now: now.Add(-61 * time.Second)}, token.SignatureVerified, []string{"not_yet_valid"}},
		{"within the leeway", good, token.Options{Keys: d.keys, Now: now.Add(-60 * time.Second)}, token.SignatureVerified, nil},
		{"no issuer", good, token.Options{Keys: d.keys, Now: now, Issuer: &none}, token.SignatureVerified, []string{"wrong_issuer"}},
		{"other audience", good, token.Options{Keys: d.keys, Now: now, Audience: &somebody}, token.SignatureVerified, []string{"wrong_audience"}},
		{"unknown key", good, token.Options{Keys: other.keys, Now: now}, token.SignatureRefused, []string{"unknown_key"}},
		{"altered", altered, token.Options{Keys: d.keys, Now: now}, token.SignatureRefused, []string{"wrong_signature"}},
		{"other signature", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), token.Options{Keys: d.keys, Now: now}, token.SignatureRefused, []string{"wrong_signature"}},
		{"cut off", good[:len(good)-3], token.Options{Keys: d.keys, Now: now}, token.SignatureRefused, []string{"wrong_signature"}},
		{"expired and altered", altered, token.Options{Keys: d.keys, Now: now.Add(time.Hour)}, token.SignatureRefused, []string{"expired", "wrong_signature"}},
	} {
		expect(t, test.name, token.Inspect(test.token, test.opts), token.KindAccess, test.signature, test.want...)
	}
}

// signer makes tokens of any form, with a good signature.
type signer struct {
	private ed25519.PrivateKey
	keys    *session.JWKS
}

const signerID = "AAAAAAAAAAAAAAAA"

func newSigner(t *testing.T) signer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer{private, &session.JWKS{Keys: []session.JWK{{
		KeyType: "OKP", Curve: "Ed25519", KeyID: signerID, Use: "sig", Algorithm: "EdDSA", X: base64.RawURLEncoding.EncodeToString(public),
	}}}}
}

func (s signer) sign(header, claims string) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.private, []byte(signed)))
}

func TestFormsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	const (
		header = `{"alg":"EdDSA","kid":"` + signerID + `","typ":"watchword-access+jwt"}`
		mark   = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
		handle = "0199c82c-c000-73c5-8b91-b19d9b2d5ec9"
	)
	claims := fmt.Sprintf(`{"sub":"u","sid":%q,"iat":%d,"nbf":%d,"exp":%d,"rt":%q}`, handle, now.Unix(), now.Unix(), now.Unix()+900, mark)
	opts := token.Options{Keys: s.keys, Now: now}
	expect(t, "the pattern of this test", token.Inspect(s.sign(header, claims), opts), token.KindAccess, token.SignatureVerified)
	with := func(from, to string) string { return strings.Replace(claims, from, to, 1) }
	for _, test := range []struct {
		name, header, claims string
		kind                 token.Kind
		want                 []string
	}{
		{"typ JWT", strings.Replace(header, "watchword-access+jwt", "JWT", 1), claims, token.KindJWT, []string{"wrong_type"}},
		{"no typ", `{"alg":"EdDSA","kid":"` + signerID + `"}`, claims, token.KindJWT, []string{"wrong_type"}},
		{"alg none", strings.Replace(header, "EdDSA", "none", 1), claims, token.KindAccess, []string{"unsigned"}},
		{"alg NoNe", strings.Replace(header, "EdDSA", "NoNe", 1), claims, token.KindAccess, []string{"unsigned"}},
		{"other algorithm", strings.Replace(header, "EdDSA", "ES256", 1), claims, token.KindAccess, []string{"wrong_algorithm"}},
		{"a key of its own", strings.Replace(header, `"kid"`, `"jwk":{"kty":"oct","k":"AAAA"},"kid"`, 1), claims, token.KindAccess, []string{"wrong_header"}},
		{"another order", `{"typ":"watchword-access+jwt","alg":"EdDSA","kid":"` + signerID + `"}`, claims, token.KindAccess, []string{"wrong_header"}},
		{"no user", header, with(`"sub":"u",`, ``), token.KindAccess, []string{"no_subject", "wrong_claims"}},
		{"no session", header, with(handle, "x"), token.KindAccess, []string{"no_session", "wrong_claims"}},
		{"no refresh token", header, with(`,"rt":"`+mark+`"`, ``), token.KindAccess, []string{"no_refresh_token", "wrong_claims"}},
		{"no exp", header, with(fmt.Sprintf(`"exp":%d,`, now.Unix()+900), ``), token.KindAccess, []string{"no_date", "wrong_claims"}},
		{"exp as text", header, with(fmt.Sprint(now.Unix()+900), `"tomorrow"`), token.KindAccess, []string{"no_date", "wrong_claims"}},
		{"nbf differs", header, with(fmt.Sprintf(`"nbf":%d`, now.Unix()), fmt.Sprintf(`"nbf":%d`, now.Unix()-1)), token.KindAccess, []string{"dates_differ", "wrong_claims"}},
	} {
		r := token.Inspect(s.sign(test.header, test.claims), opts)
		expect(t, test.name, r, test.kind, token.SignatureRefused, test.want...)
	}
	for name, text := range map[string]string{
		"empty": "", "two parts": "a.b", "four parts": "a.b.c.d", "no base64": "?.?.?", "no JSON": "AAAA.AAAA.AAAA", "null": "bnVsbA.bnVsbA.AAAA", "prose": "hello there",
	} {
		r := token.Inspect(text, opts)
		if r.Kind != token.KindUnknown || r.Signature == token.SignatureVerified || len(r.Problems) != 1 {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	if got := codes(token.Inspect("a.b.c.d.e", opts)); !slices.Equal(got, []string{"encrypted"}) {
		t.Errorf("five parts: got %v", got)
	}
	if got := codes(token.Inspect(s.sign(header, with("{", `{"x":"`+strings.Repeat("x", 9000)+`",`)), opts)); !slices.Contains(got, "too_long") {
		t.Errorf("a long one: got %v", got)
	}
}

// TestRefreshToken holds the form that is read here to the one that the library writes.
func TestRefreshToken(t *testing.T) {
	t.Parallel()
	d := deploy(t, session.HS256)
	r := token.Inspect(d.tokens.RefreshToken, token.Options{Now: now})
	expect(t, "refresh token", r, token.KindRefresh, token.SignatureNotChecked)
	if r.Claims[0].Value != d.session.Handle().String() {
		t.Errorf("handle: got %v, want %v", r.Claims[0].Value, d.session.Handle())
	}
	if r := token.Inspect(d.tokens.RefreshToken[1:], token.Options{Now: now}); r.Kind == token.KindRefresh {
		t.Error("a part of one is taken for one")
	}
}

// What is of use to a thief, or to who looks over a shoulder, is not repeated.
func TestNothingSecretIsRepeated(t *testing.T) {
	t.Parallel()
	d := deploy(t, session.EdDSA)
	parts := strings.Split(d.tokens.AccessToken, ".")
	var claims struct{ Rt, Csrf string }
	if err := json.Unmarshal([]byte(decode(t, parts[1])), &claims); err != nil || claims.Rt == "" || claims.Csrf == "" {
		t.Fatalf("the pattern of this test is wrong: %+v, %v", claims, err)
	}
	for name, text := range map[string]string{"access token": d.tokens.AccessToken, "refresh token": d.tokens.RefreshToken, "altered": d.tokens.AccessToken + "A"} {
		r := token.Inspect(text, token.Options{Keys: d.keys, Now: now.Add(time.Hour)})
		said, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{parts[1], parts[2], d.tokens.RefreshToken[40:], claims.Rt, claims.Csrf} {
			if strings.Contains(string(said), secret) {
				t.Errorf("%s: %s repeats %q", name, said, secret)
			}
		}
	}
}

// FuzzInspect: whatever comes, only what the library would take is said to be verified.
func FuzzInspect(f *testing.F) {
	d := deploy(f, session.EdDSA)
	f.Add(d.tokens.AccessToken)
	f.Add(d.tokens.RefreshToken)
	f.Add("bnVsbA.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		r := token.Inspect(text, token.Options{Keys: d.keys, Now: now})
		if r.Signature == token.SignatureVerified && !strings.Contains(text, d.tokens.AccessToken) {
			t.Errorf("%q is said to be verified", text)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func decode(t testing.TB, s string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func segment(t testing.TB, s string) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString([]byte(s))
}
