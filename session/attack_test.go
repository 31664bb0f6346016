package session_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

var algorithms = []session.Algorithm{session.HS256, session.HS512, session.EdDSA, session.ES256, session.RS256}

// keysOf holds two access keys of each algorithm, the deployment's and the attacker's own: RSA keys take long to make.
var keysOf = sync.OnceValue(func() map[session.Algorithm][2]session.Key {
	all := map[session.Algorithm][2]session.Key{}
	for _, algorithm := range algorithms {
		all[algorithm] = [2]session.Key{generate(session.PurposeAccess, algorithm), generate(session.PurposeAccess, algorithm)}
	}
	return all
})

func generate(purpose session.KeyPurpose, algorithm session.Algorithm) session.Key {
	key, err := session.GenerateKey(purpose, algorithm, rand.Reader)
	if err != nil {
		panic(err)
	}
	key.Sequence = 1
	return key
}

var segment = base64.RawURLEncoding.EncodeToString

// sum is an HMAC.
func sum(algorithm string, secret []byte, signed string) []byte {
	newHash := map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512}[algorithm].New
	mac := hmac.New(newHash, secret)
	mac.Write([]byte(signed))
	return mac.Sum(nil)
}

// signature signs with a key's material and the standard library alone.
func signature(t testing.TB, key session.Key, signed string) []byte {
	t.Helper()
	if strings.HasPrefix(key.Algorithm, "HS") {
		return sum(key.Algorithm, key.Material, signed)
	}
	digest := sha256.Sum256([]byte(signed))
	switch private := private(t, key).(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(signed))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		signed, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	t.Fatalf("no way to sign with %s", key.Algorithm)
	return nil
}

func private(t testing.TB, key session.Key) any {
	t.Helper()
	private, err := x509.ParsePKCS8PrivateKey(key.Material)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// handSigned makes a token of any header and body under a key.
func handSigned(t testing.TB, key session.Key, header, body string) string {
	t.Helper()
	signed := segment([]byte(header)) + "." + segment([]byte(body))
	return signed + "." + segment(signature(t, key, signed))
}

func headerOf(algorithm, kid string) string {
	return `{"alg":"` + algorithm + `","kid":"` + kid + `","typ":"watchword-access+jwt"}`
}

const goodClaims = `{"iss":"us","aud":"api","sub":"user","sid":"0199c82c-c000-73c5-8b91-b19d9b2d5ec9","iat":1760000000,"nbf":1760000000,` +
	`"exp":1760000900,"rt":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}`

// countedSource counts how often it is asked.
type countedSource struct {
	session.KeySource
	calls atomic.Int64
}

func (s *countedSource) Keys(ctx context.Context) ([]session.Key, error) {
	s.calls.Add(1)
	return s.KeySource.Keys(ctx)
}

// victim is a deployment in the middle of a change of its algorithm: keys of all of them verify, and key signs.
type victim struct {
	*world
	key, refreshKey session.Key
	source          *countedSource
	verifier        *session.Verifier // that has fetched the public ones
}

func newVictim(t *testing.T, algorithm session.Algorithm) *victim {
	t.Helper()
	v := &victim{key: keysOf()[algorithm][0], refreshKey: generate(session.PurposeRefresh, algorithm)}
	keys := []session.Key{v.key}
	for _, other := range algorithms {
		if other == algorithm {
			continue
		}
		key := keysOf()[other][0]
		key.Sequence, key.ActivatesAt = len(keys)+1, newClock().Now().Add(time.Hour)
		keys = append(keys, key)
	}
	v.source = &countedSource{KeySource: session.StaticKeys(append(keys, v.refreshKey)...)}
	v.world = newWorld(t, func(cfg *session.Config) { cfg.Issuer, cfg.Audience, cfg.KeySource = "us", "api", v.source })
	var err error
	v.verifier, err = session.NewVerifier(v.ctx, session.VerifierConfig{
		Keys: v.JWKS(v.ctx), Issuer: "us", Audience: "api", Clock: v.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	v.source.calls.Store(0)
	return v
}

func (v *victim) asymmetric() bool { return !strings.HasPrefix(v.key.Algorithm, "HS") }

func (v *victim) header() string { return headerOf(v.key.Algorithm, v.key.ID) }

// good makes a token that passes.
func (v *victim) good(change ...string) string {
	return handSigned(v.t, v.key, v.header(), edit(v.t, goodClaims, change...))
}

// edit replaces the first of each pair by the second, and fails where there is nothing to replace.
func edit(t testing.TB, s string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			t.Fatalf("nothing to edit: %q", pairs[i])
		}
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return s
}

// attack is a table of tokens by what is wrong with them.
type attack map[string]string

// TestAttacks: every token that this deployment did not mint in this very form gets ErrTryRefresh itself, from the Manager and from
// a Verifier, and costs nothing but one look at the keys.
func TestAttacks(t *testing.T) {
	t.Parallel()
	groups := map[string]func(*victim) attack{
		"no signature": noSignature, "confused algorithm": confusedAlgorithm, "header": headers, "key id": keyIDs,
		"claims": claims, "encoding": encodings, "signature": signatures, "purpose": purposes,
	}
	for _, algorithm := range algorithms {
		for name, group := range groups {
			t.Run(string(algorithm)+"/"+name, func(t *testing.T) {
				t.Parallel()
				v := newVictim(t, algorithm)
				tokens := group(v)
				v.store.total()
				for what, token := range tokens {
					v.refuses(what, token)
				}
				noCalls(t, v.store.total())
				if got := v.source.calls.Load(); got > 1 {
					t.Errorf("the keys were looked at %d times, want once at most", got)
				}
				// The pattern that the table varies is good: what was refused was refused for its flaw.
				v.use(v.good())
				if _, err := v.verifier.Verify(v.ctx, v.good(), session.VerifyOptions{}); (err == nil) != v.asymmetric() {
					t.Errorf("the Verifier takes the pattern with %v", err)
				}
			})
		}
	}
}

func (v *victim) refuses(what, token string) {
	v.t.Helper()
	for _, verify := range []func(context.Context, string, session.VerifyOptions) (*session.Session, error){v.Verify, v.verifier.Verify} {
		if s, err := verify(v.ctx, token, session.VerifyOptions{}); s != nil || err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
			v.t.Errorf("%s: got a session: %v, error %v, want ErrTryRefresh itself", what, s != nil, err)
		}
	}
}

func noSignature(v *victim) attack {
	tokens := attack{}
	good := strings.Split(v.good(), ".")
	for i := range 1 << len("none") {
		alg := []byte("none")
		for bit := range alg {
			if i>>bit&1 == 1 {
				alg[bit] -= 'a' - 'A'
			}
		}
		header := segment([]byte(headerOf(string(alg), v.key.ID)))
		tokens["alg "+string(alg)] = header + "." + good[1] + "."
		tokens["alg "+string(alg)+", signed"] = handSigned(v.t, v.key, headerOf(string(alg), v.key.ID), goodClaims)
		tokens["alg "+string(alg)+", nothing else"] = segment([]byte(`{"alg":"`+string(alg)+`"}`)) + "." + good[1] + "."
		tokens["alg "+string(alg)+", two segments"] = header + "." + good[1]
	}
	for what, alg := range map[string]string{"empty": `""`, "null": `null`, "number": `0`, "list": `["none"]`, "in another case": `"` + strings.ToLower(v.key.Algorithm) + `"`} {
		tokens["alg "+what] = handSigned(v.t, v.key, edit(v.t, v.header(), `"`+v.key.Algorithm+`"`, alg), goodClaims)
	}
	tokens["no alg"] = handSigned(v.t, v.key, edit(v.t, v.header(), `"alg":"`+v.key.Algorithm+`",`, ``), goodClaims)
	tokens["good header, empty signature"] = good[0] + "." + good[1] + "."
	tokens["good header, two segments"] = good[0] + "." + good[1]
	return tokens
}

// publicForms are the forms in which the world knows a public key.
func publicForms(t testing.TB, key session.Key, set session.JWKS) map[string][]byte {
	t.Helper()
	forms := map[string][]byte{"kid": []byte(key.ID), "nothing": nil, "zeros": make([]byte, 32)}
	if key.Public == nil {
		return forms
	}
	public, err := x509.ParsePKIXPublicKey(key.Public)
	if err != nil {
		t.Fatal(err)
	}
	forms["DER"] = key.Public
	switch p := public.(type) {
	case ed25519.PublicKey:
		forms["raw"] = p
	case *ecdsa.PublicKey:
		if forms["raw"], err = p.Bytes(); err != nil {
			t.Fatal(err)
		}
		forms["raw, without its type"] = forms["raw"][1:]
	case *rsa.PublicKey:
		forms["raw"], forms["PKCS #1"] = p.N.Bytes(), x509.MarshalPKCS1PublicKey(p)
		forms["PKCS #1 PEM"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: forms["PKCS #1"]})
	}
	forms["PEM"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key.Public})
	forms["PEM, trimmed"] = []byte(strings.TrimSpace(string(forms["PEM"])))
	forms["DER in base64"] = []byte(base64.StdEncoding.EncodeToString(key.Public))
	for _, jwk := range set.Keys {
		if jwk.KeyID == key.ID {
			if forms["JWK"], err = json.Marshal(jwk); err != nil {
				t.Fatal(err)
			}
			forms["x of JWK"], forms["n of JWK"] = []byte(jwk.X), []byte(jwk.N)
		}
	}
	if forms["JWKS"], err = json.Marshal(set); err != nil || len(forms["JWK"]) == 0 {
		t.Fatalf("no JWK of %s: %v", key.ID, err)
	}
	return forms
}

func confusedAlgorithm(v *victim) attack {
	tokens := attack{}
	for form, secret := range publicForms(v.t, v.key, v.JWKS(v.ctx)) {
		for _, mac := range []string{"HS256", "HS384", "HS512"} {
			for _, header := range []string{headerOf(mac, v.key.ID), v.header(), `{"alg":"` + mac + `"}`} {
				signed := segment([]byte(header)) + "." + segment([]byte(goodClaims))
				tokens[fmt.Sprintf("%s with %s as its secret under %s", mac, form, header)] = signed + "." + segment(sum(mac, secret, signed))
			}
		}
	}
	for _, alg := range []string{"HS256", "HS384", "HS512", "EdDSA", "Ed25519", "ES256", "ES256K", "ES384", "RS256", "RS384", "PS256", "dir"} {
		if alg != v.key.Algorithm {
			tokens["alg "+alg+" over the key's own signature"] = handSigned(v.t, v.key, headerOf(alg, v.key.ID), goodClaims)
		}
	}
	for _, algorithm := range algorithms {
		for whose, key := range keysOf()[algorithm] {
			name := fmt.Sprintf("%s key of %s", algorithm, []string{"this deployment", "the attacker"}[whose])
			if key.ID != v.key.ID {
				tokens["signed by the "+name] = handSigned(v.t, key, v.header(), goodClaims)
				tokens["alg and signature of the "+name] = handSigned(v.t, key, headerOf(key.Algorithm, v.key.ID), goodClaims)
				tokens["kid of the "+name] = handSigned(v.t, v.key, headerOf(v.key.Algorithm, key.ID), goodClaims)
				tokens["header of the "+name] = handSigned(v.t, v.key, headerOf(key.Algorithm, key.ID), goodClaims)
			}
		}
	}
	if key, ok := keyOf[*rsa.PrivateKey](v); ok {
		signed := segment([]byte(v.header())) + "." + segment([]byte(goodClaims))
		digest := sha256.Sum256([]byte(signed))
		pss, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], nil)
		if err != nil {
			v.t.Fatal(err)
		}
		tokens["PSS instead of PKCS #1"] = signed + "." + segment(pss)
		long := sha512.Sum512([]byte(signed))
		other, err := rsa.SignPKCS1v15(nil, key, crypto.SHA512, long[:])
		if err != nil {
			v.t.Fatal(err)
		}
		tokens["SHA-512 instead of SHA-256"] = signed + "." + segment(other)
	}
	return tokens
}

func keyOf[K any](v *victim) (K, bool) {
	if !v.asymmetric() {
		var none K
		return none, false
	}
	key, ok := private(v.t, v.key).(K)
	return key, ok
}

// headers are headers under the right signature: whoever reads them rather than comparing them is lost.
func headers(v *victim) attack {
	tokens := attack{}
	own := keysOf()[session.Algorithm(v.key.Algorithm)][1] // the attacker's
	jwk := `{"kty":"oct","k":"` + segment(own.Material) + `"}`
	if own.Public != nil {
		set, err := session.New(v.ctx, v.store, session.Config{KeySource: session.StaticKeys(own, v.refreshKey)})
		if err != nil {
			v.t.Fatal(err)
		}
		public, err := json.Marshal(set.JWKS(v.ctx).Keys[0])
		if err != nil {
			v.t.Fatal(err)
		}
		jwk = string(public)
	}
	for name, member := range map[string]string{
		"jwk": `"jwk":` + jwk, "jku": `"jku":"http://127.0.0.1:1/jwks.json"`, "x5u": `"x5u":"http://127.0.0.1:1/chain.pem"`,
		"x5c": `"x5c":["` + base64.StdEncoding.EncodeToString(own.Public) + `"]`, "x5t": `"x5t":"AAAAAAAAAAAAAAAAAAAAAAAAAAA"`,
		"crit": `"crit":["exp"]`, "empty crit": `"crit":[]`, "b64": `"b64":false,"crit":["b64"]`, "zip": `"zip":"DEF"`, "cty": `"cty":"JWT"`,
		"enc": `"enc":"A256GCM"`, "unknown member": `"x":1`,
		"second alg": `"alg":"none"`, "second alg, equal": `"alg":"` + v.key.Algorithm + `"`, "second alg in another case": `"ALG":"none"`,
		"second kid": `"kid":"` + own.ID + `"`, "second kid, equal": `"kid":"` + v.key.ID + `"`, "second typ": `"typ":"JWT"`,
	} {
		for place, header := range map[string]string{
			"first": edit(v.t, v.header(), `{`, `{`+member+`,`), "last": edit(v.t, v.header(), `}`, `,`+member+`}`),
		} {
			tokens[name+" "+place] = handSigned(v.t, v.key, header, goodClaims)
			tokens[name+" "+place+", signed by the attacker"] = handSigned(v.t, own, header, goodClaims)
		}
	}
	tokens["jwk instead of kid"] = handSigned(v.t, own, edit(v.t, v.header(), `"kid":"`+v.key.ID+`"`, `"jwk":`+jwk), goodClaims)

	alg, kid, typ := `"alg":"`+v.key.Algorithm+`"`, `"kid":"`+v.key.ID+`"`, `"typ":"watchword-access+jwt"`
	for name, header := range map[string]string{
		"in another order": "{" + typ + "," + alg + "," + kid + "}", "with spaces": "{ " + alg + ", " + kid + ", " + typ + " }",
		"with a line break": "{\n" + alg + "," + kid + "," + typ + "}", "with a space before it": " " + v.header(), "with a line break after it": v.header() + "\n",
		"with escapes": edit(v.t, v.header(), `"alg"`, `"\u0061lg"`), "with a byte order mark": "\ufeff" + v.header(),
		"twice": v.header() + v.header(), "with a value after it": v.header() + "0", "in a list": "[" + v.header() + "]", "as a string": `"` + v.key.ID + `"`,
		"empty": "", "an empty object": "{}", "null": "null", "cut short": v.header()[:len(v.header())-1], "with a trailing comma": edit(v.t, v.header(), "}", ",}"),
		"with names in capitals": strings.NewReplacer(`"alg"`, `"ALG"`, `"kid"`, `"KID"`, `"typ"`, `"TYP"`).Replace(v.header()),
		"without typ":            edit(v.t, v.header(), ","+typ, ""), "without kid": edit(v.t, v.header(), kid+",", ""),
		"typ null": edit(v.t, v.header(), `"watchword-access+jwt"`, "null"), "typ list": edit(v.t, v.header(), `"watchword-access+jwt"`, `["watchword-access+jwt"]`),
	} {
		tokens["header "+name] = handSigned(v.t, v.key, header, goodClaims)
	}
	for _, typ := range []string{
		"", "JWT", "jwt", "at+jwt", "application/at+jwt", "JOSE", "Watchword-Access+JWT", "WATCHWORD-ACCESS+JWT", "watchword-access+JWT",
		"application/watchword-access+jwt", "watchword-access", "watchword-refresh+jwt", " watchword-access+jwt", "watchword-access+jwt\\u0000",
	} {
		tokens["typ "+typ] = handSigned(v.t, v.key, edit(v.t, v.header(), `watchword-access+jwt`, typ), goodClaims)
	}
	return tokens
}

// malformedKeyIDs cannot be ours by their form, as JSON that stands for a kid.
func malformedKeyIDs() map[string]string {
	return map[string]string{
		"path": `"../../../../dev/null"`, "path of 16": `"../../etc/passwd"`, "absolute path": `"/dev/zero"`, "Windows path": `"..\\..\\key"`,
		"URL": `"http://127.0.0.1:1/"`, "SQL": `"' OR '1'='1"`, "SQL of 16": `"a' or 1=1 -- xyz"`, "SQL union": `"x' UNION SELECT 0x6b6579;--"`, "command": `"$(sleep 9)|sleep 9"`,
		"NUL": `"\u0000"`, "NUL within": `"AAAAAAA\u0000AAAAAAAA"`, "emoji": `"🔑"`, "emoji of 16 bytes": `"🔑🔑🔑🔑"`, "16 emoji": `"` + strings.Repeat("🔑", 16) + `"`,
		"overlong": `"` + strings.Repeat("A", 4<<10) + `"`, "17 characters": `"AAAAAAAAAAAAAAAAA"`, "15 characters": `"AAAAAAAAAAAAAAA"`, "empty": `""`,
		"number": `0`, "null": `null`, "list": `["AAAAAAAAAAAAAAAA"]`, "object": `{"$ne":""}`, "line break": `"AAAAAAAA\nAAAAAAA"`,
		"standard alphabet": `"++++++++////////"`, "padded": `"AAAAAAAAAAAAAAA="`, "invalid UTF-8": "\"AAAAAAAA\xff\xfeAAAAAA\"", "lone surrogate": `"\ud800AAAAAAAAAAAAA"`,
		"bidirectional text": `"AAAAAAA\u202eAAAAAAA"`, "template": `"${jndi:ldap://x}"`, "percent signs": `"%s%s%s%n%n%n%d%d"`,
	}
}

func keyIDs(v *victim) attack {
	tokens := attack{}
	for what, kid := range malformedKeyIDs() {
		tokens[what] = handSigned(v.t, v.key, edit(v.t, v.header(), `"`+v.key.ID+`"`, kid), goodClaims)
	}
	for what, kid := range map[string]string{
		"in other case": swapCase(v.key.ID), "with a space": v.key.ID + " ", "with a NUL": v.key.ID + `\u0000`, "escaped": fmt.Sprintf(`\u%04x`, v.key.ID[0]) + v.key.ID[1:],
		"of the refresh key": v.refreshKey.ID, "unknown": "AAAAAAAAAAAAAAAA",
	} {
		tokens["kid "+what] = handSigned(v.t, v.key, headerOf(v.key.Algorithm, kid), goodClaims)
	}
	return tokens
}

func swapCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c|0x20 && c|0x20 <= 'z' {
			b[i] ^= 0x20
		}
	}
	return string(b)
}

// claims are bodies under the right header and signature that this package would not write.
func claims(v *victim) attack {
	tokens := attack{}
	for what, change := range map[string][2]string{
		"other issuer": {`"iss":"us"`, `"iss":"them"`}, "no issuer": {`"iss":"us",`, ``}, "issuer in other case": {`"iss":"us"`, `"iss":"US"`},
		"issuer with a space": {`"iss":"us"`, `"iss":"us "`}, "issuer null": {`"iss":"us"`, `"iss":null`}, "issuer list": {`"iss":"us"`, `"iss":["us"]`},
		"other audience": {`"aud":"api"`, `"aud":"web"`}, "no audience": {`"aud":"api",`, ``}, "audience null": {`"aud":"api"`, `"aud":null`},
		"audience list": {`"aud":"api"`, `"aud":["api"]`}, "audience list of two": {`"aud":"api"`, `"aud":["web","api"]`}, "audience object": {`"aud":"api"`, `"aud":{"api":1}`},
		"two issuers, the last foreign": {`"iss":"us"`, `"iss":"us","iss":"them"`}, "two audiences, the last foreign": {`"aud":"api"`, `"aud":"api","aud":"web"`},
		"two exp, the last past":  {`"exp":1760000900`, `"exp":1760000900,"exp":1`},
		"user is a number":        {`"sub":"user"`, `"sub":1`},
		"session is no handle":    {`"sid":"0199c82c`, `"sid":"x199c82c`},
		"session in capitals":     {`b19d9b2d5ec9`, `B19D9B2D5EC9`},
		"no session":              {`"sid":"0199c82c-c000-73c5-8b91-b19d9b2d5ec9",`, ``},
		"mark too short":          {`"rt":"A`, `"rt":"`},
		"mark with padding bits":  {`QE"}`, `QF"}`},
		"mark null":               {`"rt":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"`, `"rt":[0]`},
		"unc is a string":         {`"rt"`, `"unc":"false","rt"`},
		"nbf 61 s ahead":          {`"nbf":1760000000`, `"nbf":1760000061`},
		"iat 61 s ahead":          {`"iat":1760000000`, `"iat":1760000061`},
		"no exp":                  {`"exp":1760000900,`, ``},
		"exp null":                {`"exp":1760000900`, `"exp":null`},
		"exp now":                 {`"exp":1760000900`, `"exp":1760000000`},
		"exp in another spelling": {`1760000900`, `1760000900.0`},
		"exp in more decimals":    {`1760000900`, `1760000900.1234`},
		"second value":            {`}`, `}{}`},
		"trailing text":           {`}`, `}x`},
		"trailing comma":          {`"}`, `",}`},
		"NUL after it":            {`}`, "}\x00"},
		"byte order mark":         {`{`, "\ufeff{"},
		"comment":                 {`{`, `{/**/`},
		"single quotes":           {`"sub":"user"`, `'sub':'user'`},
	} {
		tokens[what] = v.good(change[0], change[1])
	}
	for _, claim := range []string{`"exp":1760000900`, `"iat":1760000000`, `"nbf":1760000000`} {
		name, value, _ := strings.Cut(claim, ":")
		for _, huge := range []string{
			`1e400`, `1E400`, `1e20`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`, `9007199254740993000`, strings.Repeat("9", 400),
			`"` + value + `"`, `1.76e9`, value + `e0`, `+` + value, `0x68E77D00`, `01760000000`, `NaN`, `Infinity`, `true`, `[` + value + `]`, `{}`, `""`,
		} {
			tokens[fmt.Sprintf("%s %.40s", name, huge)] = v.good(claim, name+":"+huge)
		}
	}
	for _, past := range []string{`0`, `-0`, `-1`, `-1760000900`, `-9223372036854775808`, `-9223372036854775809`, `-1e400`, `1`} {
		tokens["exp "+past] = v.good(`1760000900`, past)
	}
	for what, body := range map[string]string{
		"null": "null", "empty": "", "empty object": "{}", "list": "[" + goodClaims + "]", "string": `"x"`, "number": "1", "cut short": goodClaims[:len(goodClaims)-1],
		"twice": goodClaims + goodClaims, "deep": strings.Repeat("[", 5000),
	} {
		tokens["body "+what] = handSigned(v.t, v.key, v.header(), body)
	}
	return tokens
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func encodings(v *victim) attack {
	tokens := attack{}
	good := v.good()
	for i := 0; !strings.ContainsAny(good, "-_"); i++ { // has something that the standard alphabet spells otherwise
		good = v.good(`"user"`, fmt.Sprintf(`"user %d"`, i))
	}
	parts := strings.Split(good, ".")
	with := func(i int, part string) string {
		changed := append([]string(nil), parts...)
		changed[i] = part
		return strings.Join(changed, ".")
	}
	for i, part := range parts {
		for name, changed := range map[string]string{
			"padded once": part + "=", "padded twice": part + "==", "one character more": part + "A", "two more": part + "AA", "three more": part + "AAA",
			"a space before": " " + part, "a space after": part + " ", "a line break after": part + "\n", "a carriage return after": part + "\r", "CR LF within": part[:4] + "\r\n" + part[4:],
			"a line break before": "\n" + part, "a NUL after": part + "\x00", "invalid UTF-8 after": part + "\xff", "a look-alike": "А" + part[1:], "percent-encoded": fmt.Sprintf("%%%02X", part[0]) + part[1:],
			"truncated": part[:len(part)-1], "without its first": part[1:], "empty": "", "in other case": swapCase(part),
		} {
			tokens[fmt.Sprintf("segment %d: %s", i, name)] = with(i, changed)
		}
		if len(part)%4 != 0 { // the last character has bits that stand for nothing
			last := strings.IndexByte(base64url, part[len(part)-1])
			tokens[fmt.Sprintf("segment %d: padding bits", i)] = with(i, part[:len(part)-1]+base64url[last^1:last^1+1])
		}
		if standard := strings.NewReplacer("-", "+", "_", "/").Replace(part); standard != part {
			tokens[fmt.Sprintf("segment %d: standard alphabet", i)] = with(i, standard)
		}
	}
	for name, token := range map[string]string{
		"nothing": "", "one dot": ".", "two dots": "..", "three dots": "...", "a fourth segment": good + "." + parts[2], "a dot after": good + ".", "a dot before": "." + good,
		"twice": good + good, "twice with a comma": good + "," + good, "Bearer": "Bearer " + good, "quoted": `"` + good + `"`, "one segment": parts[0], "two segments": parts[0] + "." + parts[1],
		"over 8 KiB": good + strings.Repeat("A", 8<<10), "dots": strings.Repeat(".", 8<<10), "a huge first segment": strings.Repeat("A", 8<<10-2) + "..",
		"trailing data": good + "x", "trailing NUL": good + "\x00", "a fragment": good + "#", "lines": strings.Join(parts, ".\n"),
		"JWE":             parts[0] + ".." + parts[0] + "." + parts[1] + "." + parts[2],
		"JSON":            `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"detached":        parts[0] + ".." + parts[2],
		"other order":     parts[1] + "." + parts[0] + "." + parts[2],
		"claims unsealed": parts[0] + "." + goodClaims + "." + parts[2],
	} {
		tokens[name] = token
	}
	for _, i := range []int{1, len(good) / 3, len(good) / 2, len(good) - 2} {
		tokens[fmt.Sprintf("truncated to %d", i)] = good[:i]
	}
	return tokens
}

// signatures are genuine in parts only.
func signatures(v *victim) attack {
	tokens := attack{}
	one, two := strings.Split(v.good(), "."), strings.Split(v.good(`"user"`, `"root"`), ".")
	tokens["payload of another token"] = one[0] + "." + two[1] + "." + one[2]
	tokens["signature of another token"] = one[0] + "." + one[1] + "." + two[2]
	raw, err := base64.RawURLEncoding.DecodeString(one[2])
	if err != nil {
		v.t.Fatal(err)
	}
	for i := range raw {
		flipped := append([]byte(nil), raw...)
		flipped[i] ^= 1 << (i % 8)
		tokens[fmt.Sprintf("bit of byte %d flipped", i)] = one[0] + "." + one[1] + "." + segment(flipped)
	}
	for name, signature := range map[string][]byte{
		"zeros": make([]byte, len(raw)), "ones": []byte(strings.Repeat("\xff", len(raw))), "of header alone": signature(v.t, v.key, one[0]), "of payload alone": signature(v.t, v.key, one[1]),
		"one byte short": raw[:len(raw)-1], "one byte long": append(raw[:len(raw):len(raw)], 0), "a zero before": append([]byte{0}, raw...),
		"half": raw[:len(raw)/2], "twice": append(raw[:len(raw):len(raw)], raw...), "of decoded segments": signature(v.t, v.key, v.header()+"."+goodClaims),
	} {
		tokens["signature "+name] = one[0] + "." + one[1] + "." + segment(signature)
	}
	if key, ok := keyOf[*ecdsa.PrivateKey](v); ok {
		digest := sha256.Sum256([]byte(one[0] + "." + one[1]))
		der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			v.t.Fatal(err)
		}
		order := key.Params().N.FillBytes(make([]byte, 32))
		tokens["signature in DER"] = one[0] + "." + one[1] + "." + segment(der)
		tokens["r and s the group order"] = one[0] + "." + one[1] + "." + segment(append(order, order...))
	}
	return tokens
}

// purposes are tokens of this deployment that are for something else.
func purposes(v *victim) attack {
	refreshed := v.login()
	for _, text := range []string{refreshed.AccessToken, v.good(), refreshed.RefreshToken + "A"} {
		if _, _, err := v.Refresh(v.ctx, text, session.RefreshOptions{}); err != session.ErrUnauthorised { //nolint:errorlint // uniform: this very error, without any detail
			v.t.Errorf("refresh with %.20s: got %v, want ErrUnauthorised itself", text, err)
		}
	}
	mac := v.refreshKey
	mac.Algorithm = "HS256"
	parts := strings.Split(v.good(), ".")
	return attack{
		"refresh token":                     refreshed.RefreshToken,
		"refresh token as payload":          parts[0] + "." + refreshed.RefreshToken + "." + parts[2],
		"refresh token as signature":        parts[0] + "." + parts[1] + "." + refreshed.RefreshToken,
		"refresh token in dots":             "." + refreshed.RefreshToken + ".",
		"signed by the refresh key":         handSigned(v.t, mac, v.header(), goodClaims),
		"HS256 by the refresh key":          handSigned(v.t, mac, headerOf("HS256", mac.ID), goodClaims),
		"HS256 by the refresh key, own kid": handSigned(v.t, mac, headerOf("HS256", v.key.ID), goodClaims),
		"anti-CSRF token":                   refreshed.ID,
		"an access token of RFC 9068":       handSigned(v.t, v.key, edit(v.t, v.header(), "watchword-access", "at"), goodClaims),
	}
}

// keyLooks counts the loads of keys from a store.
type keyLooks struct {
	session.Store
	wait func() // runs in each, if set
	n    atomic.Int64
}

func (s *keyLooks) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	s.n.Add(1)
	if s.wait != nil {
		s.wait()
	}
	return s.Store.Keys(ctx)
}

// watchKeys counts a world's loads of keys from now on.
func (w *world) watchKeys() *keyLooks {
	looks := &keyLooks{Store: w.store.Store}
	w.store.Store = looks
	return looks
}

// unknownKeyID returns one of many kids that could be ours.
func unknownKeyID(i int) string {
	var id [12]byte
	binary.BigEndian.PutUint64(id[4:], uint64(i)+1)
	return segment(id[:])
}

func unknownToken(i int) string {
	alg := string(algorithms[i%len(algorithms)])
	return segment([]byte(headerOf(alg, unknownKeyID(i)))) + "." + segment([]byte(goodClaims)) + "." + segment(make([]byte, 64))
}

func TestUnknownKeyIDsCostOneLookPerSecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	looks := w.watchKeys()
	flood := func(n, want int) {
		t.Helper()
		looks.n.Store(0)
		for i := range n {
			w.refusesAccess(unknownToken(i))
		}
		if got := looks.n.Load(); got != int64(want) {
			t.Errorf("%d unknown kids: the keys were looked at %d times, want %d", n, got, want)
		}
	}
	flood(10_000, 1)
	w.clock.advance(time.Second - time.Microsecond)
	flood(100, 0)
	w.clock.advance(time.Microsecond)
	flood(100, 1)
	w.clock.advance(time.Second)

	looks.n.Store(0)
	var wg sync.WaitGroup
	for g := range 100 {
		wg.Go(func() {
			for i := range 20 {
				w.refusesAccess(unknownToken(g*20 + i))
			}
		})
	}
	wg.Wait()
	if got := looks.n.Load(); got != 1 {
		t.Errorf("100 goroutines: the keys were looked at %d times, want once", got)
	}
	noCalls(t, w.store.total())
}

func (w *world) refusesAccess(token string) {
	w.t.Helper()
	if _, err := w.Verify(w.ctx, token, session.VerifyOptions{}); err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
		w.t.Errorf("got %v, want ErrTryRefresh itself", err)
	}
}

// Refresh tokens and access tokens share the one look.
func TestUnknownRefreshKeyIDsCostOneLookPerSecond(t *testing.T) {
	t.Parallel()
	w, foreign := newWorld(t), newWorld(t)
	looks := w.watchKeys()
	text := foreign.login().RefreshToken
	for i := range 1000 {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint32(raw[1:], uint32(i))                                                             // the key id
		if _, _, err := w.Refresh(w.ctx, segment(raw), session.RefreshOptions{}); err != session.ErrUnauthorised { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("got %v, want ErrUnauthorised itself", err)
		}
		if ranked := w.RankRefreshTokens(w.ctx, []string{segment(raw), text}); len(ranked) != 0 {
			t.Errorf("foreign refresh tokens were ranked: %d", len(ranked))
		}
		w.refusesAccess(unknownToken(i))
	}
	if got := looks.n.Load(); got != 1 {
		t.Errorf("the keys were looked at %d times, want once", got)
	}
	noCalls(t, w.store.total())
}

func TestMalformedKeyIDsCostNoLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	looks := w.watchKeys()
	try := func(header string) {
		w.refusesAccess(segment([]byte(header)) + "." + segment([]byte(goodClaims)) + "." + segment(make([]byte, 64)))
		w.clock.advance(time.Minute)
	}
	for _, kid := range malformedKeyIDs() {
		for _, algorithm := range algorithms {
			try(edit(t, headerOf(string(algorithm), "?"), `"?"`, kid))
		}
	}
	id := unknownKeyID(1)
	for _, header := range []string{
		headerOf("none", id), headerOf("HS384", id), headerOf("hs256", id), headerOf("PS256", id), edit(t, headerOf("HS256", id), "watchword-access+", ""),
		edit(t, headerOf("HS256", id), "}", `,"crit":[]}`), headerOf("HS256", id) + " ", edit(t, headerOf("HS256", id), `"alg"`, `"Alg"`),
	} {
		try(header)
	}
	if got := looks.n.Load(); got != 0 {
		t.Errorf("the keys were looked at %d times, want never", got)
	}
	noCalls(t, w.store.total())
}

// While a look is under way, everybody waits for that one, and a key that it brings is known to all of them.
func TestUnknownKeyIDsShareALook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.process()
	if err := other.RotateNow(w.ctx, session.PurposeAccess, "test", true); err != nil {
		t.Fatal(err)
	}
	_, tokens, err := other.Create(w.ctx, "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	looks := w.watchKeys()
	var wg, started sync.WaitGroup
	looks.wait = started.Wait // the first look ends when everybody is on the way
	started.Add(100)
	for i := range 100 {
		wg.Go(func() {
			started.Done()
			if i%2 == 0 {
				w.refusesAccess(unknownToken(i))
			} else {
				w.use(tokens.AccessToken)
			}
		})
	}
	wg.Wait()
	if got := looks.n.Load(); got != 1 {
		t.Errorf("the keys were looked at %d times, want once", got)
	}
}
