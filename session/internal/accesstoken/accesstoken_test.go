package accesstoken

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

var (
	now      = time.UnixMilli(1_760_000_000_000).UTC()
	material = bytes.Repeat([]byte{7}, 32)
)

func testKey(t testing.TB, kid string, fill byte) *Key {
	t.Helper()
	k, err := NewKey(kid, HS256, bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func only(k *Key) func(string) *Key {
	return func(header string) *Key {
		if header == k.Header() {
			return k
		}
		return nil
	}
}

func full() Claims {
	return Claims{
		Issuer: "https://issuer.example", Audience: "api", Subject: "user <&> \u2028 \x00 🔑", Session: "0199c82c-c000-73c5-8b91-b19d9b2d5ec9",
		IssuedAt: now, ExpiresAt: now.Add(15*time.Minute + 7*time.Millisecond),
		StoreTime: now.Add(7 * time.Millisecond), AuthTime: now.Add(-time.Hour),
		RefreshMark: [32]byte{1, 31: 32}, Unconfirmed: true, AntiCSRF: "csrf",
		Payload: json.RawMessage("{ \"a\" : 1.0, \"<é>\":[ ] }"),
	}
}

func sign(t testing.TB, k *Key, c Claims) string {
	t.Helper()
	token, err := k.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestParseGivesBackWhatWasSigned(t *testing.T) {
	t.Parallel()
	k := testKey(t, "kid", 7)
	for name, c := range map[string]Claims{
		"everything": full(),
		"least":      {Subject: "u", Session: "s", IssuedAt: now, ExpiresAt: now.Add(time.Second), RefreshMark: [32]byte{1}},
	} {
		got, _, err := Parse(sign(t, k, c), only(k), Expected{Issuer: c.Issuer, Audience: c.Audience, Now: now})
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, c)
		}
	}
}

// Any JWT library must be able to read the token.
func TestTokenIsAStandardJWT(t *testing.T) {
	t.Parallel()
	c := full()
	token, err := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithStrictDecoding(), jwt.WithAudience("api"),
		jwt.WithIssuer("https://issuer.example"), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithExpirationRequired()).
		Parse(sign(t, testKey(t, "kid-1", 7), c), func(*jwt.Token) (any, error) { return material, nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{"alg": "HS256", "kid": "kid-1", "typ": Type}; !reflect.DeepEqual(token.Header, want) {
		t.Errorf("header: got %v, want %v", token.Header, want)
	}
	claims := token.Claims.(jwt.MapClaims)
	for name, want := range map[string]any{
		"sub": c.Subject, "sid": c.Session, "iat": 1.76e9, "nbf": 1.76e9, "exp": 1760000900.007, "unc": true, "csrf": "csrf",
		"payload": map[string]any{"a": 1.0, "<é>": []any{}},
	} {
		if got := claims[name]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestParseChecksTimes(t *testing.T) {
	t.Parallel()
	k := testKey(t, "kid", 7)
	c := full()
	token := sign(t, k, c)
	for _, test := range []struct {
		name string
		now  time.Time
		ok   bool
	}{
		{"one tick before exp", c.ExpiresAt.Add(-time.Millisecond), true},
		{"at exp", c.ExpiresAt, false},
		{"long after exp", c.ExpiresAt.Add(time.Hour), false},
		{"iat as far ahead as allowed", now.Add(-Leeway), true},
		{"iat one second further", now.Add(-Leeway - time.Second), false},
	} {
		_, _, err := Parse(token, only(k), Expected{Issuer: c.Issuer, Audience: c.Audience, Now: test.now})
		if (err == nil) != test.ok {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

// resign makes a token with any header and body under the right secret.
func resign(header, body string) string {
	segment := base64.RawURLEncoding.EncodeToString
	signed := segment([]byte(header)) + "." + segment([]byte(body))
	signature, err := jwt.SigningMethodHS256.Sign(signed, material)
	if err != nil {
		panic(err)
	}
	return signed + "." + segment(signature)
}

// Tokens under the right secret, and yet not ours.
func TestParseRefusesWhatThisPackageDoesNotWrite(t *testing.T) {
	t.Parallel()
	k := testKey(t, "kid", 7)
	const header = `{"alg":"HS256","kid":"kid","typ":"watchword-access+jwt"}`
	mark := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	body := `{"sub":"u","sid":"s","iat":1760000000,"nbf":1760000000,"exp":1760000900,"rt":"` + mark + `"}`
	want := Expected{Now: now}
	if _, _, err := Parse(resign(header, body), only(k), want); err != nil {
		t.Fatalf("the pattern of this test is wrong: %v", err)
	}
	later := strings.Replace(body, `"sid"`, `"x":{"y":["}",{"sub":"inner","sub":"\"}"}]},"later":"\"sub\":","sid"`, 1)
	if _, _, err := Parse(resign(header, later), only(k), want); err != nil {
		t.Errorf("claims of a later version are refused: %v", err)
	}
	for name, h := range map[string]string{
		"typ JWT":    `{"alg":"HS256","kid":"kid","typ":"JWT"}`,
		"no typ":     `{"alg":"HS256","kid":"kid"}`,
		"other case": `{"alg":"HS256","kid":"kid","typ":"Watchword-Access+JWT"}`,
		"crit":       `{"alg":"HS256","kid":"kid","typ":"watchword-access+jwt","crit":["exp"]}`,
		"jwk":        `{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"},"kid":"kid","typ":"watchword-access+jwt"}`,
		"other kid":  `{"alg":"HS256","kid":"../kid","typ":"watchword-access+jwt"}`,
		"other alg":  `{"alg":"HS512","kid":"kid","typ":"watchword-access+jwt"}`,
		"order":      `{"typ":"watchword-access+jwt","alg":"HS256","kid":"kid"}`,
		"spaces":     `{"alg": "HS256","kid":"kid","typ":"watchword-access+jwt"}`,
		"duplicate":  `{"alg":"none","alg":"HS256","kid":"kid","typ":"watchword-access+jwt"}`,
	} {
		if _, _, err := Parse(resign(h, body), only(k), want); err == nil {
			t.Errorf("header with %s passes", name)
		}
	}
	for name, b := range map[string]string{
		"no exp":           strings.Replace(body, `"exp":1760000900,`, ``, 1),
		"exp as string":    strings.Replace(body, `1760000900`, `"1760000900"`, 1),
		"huge exp":         strings.Replace(body, `1760000900`, `1e400`, 1),
		"exp 2^63 seconds": strings.Replace(body, `1760000900`, `9223372036854775807`, 1),
		"exp in floats":    strings.Replace(body, `1760000900`, `1.7600009e9`, 1),
		"future nbf":       strings.Replace(body, `"nbf":1760000000`, `"nbf":1760000061`, 1),
		"future iat":       strings.Replace(body, `"iat":1760000000`, `"iat":1760000061`, 1),
		"duplicate sub":    strings.Replace(body, `{`, `{"sub":"root",`, 1),
		"escaped sub":      strings.Replace(body, `{`, `{"s\u0075b":"root",`, 1),
		"sub after object": strings.Replace(body, `"sid"`, `"x":{"y":["}",{"sub":"in\\\"ner"}]},"sub":"root","sid"`, 1),
		"sub in capitals":  strings.Replace(body, `{`, `{"SUB":"root",`, 1),
		"no rt":            strings.Replace(body, `,"rt":"`+mark+`"`, ``, 1),
		"no sub":           strings.Replace(body, `"sub":"u",`, ``, 1),
		"no iat":           strings.Replace(body, `"iat":1760000000,`, ``, 1),
		"past nbf":         strings.Replace(body, `"nbf":1760000000`, `"nbf":1759999999`, 1),
		"negative nbf":     strings.Replace(body, `"nbf":1760000000`, `"nbf":-1`, 1),
		"invalid UTF-8":    strings.Replace(body, `"u"`, "\"\xff\"", 1),
		"foreign iss":      strings.Replace(body, `{`, `{"iss":"x",`, 1),
		"foreign aud":      strings.Replace(body, `{`, `{"aud":"x",`, 1),
		"aud list":         strings.Replace(body, `{`, `{"aud":["api"],`, 1),
		"short rt":         strings.Replace(body, mark, mark[:42], 1),
		"trailing data":    body + body,
		"array":            "[" + body + "]",
		"null":             "null",
		"empty":            "",
	} {
		if _, _, err := Parse(resign(header, b), only(k), want); err == nil {
			t.Errorf("body with %s passes", name)
		}
	}
	good := resign(header, body)
	for name, token := range map[string]string{
		"newline at the end":       good + "\n",
		"newline in the signature": good[:len(good)-5] + "\r\n" + good[len(good)-5:],
		"padding":                  good + "=",
		"fourth segment":           good + ".",
		"over 8 KiB":               good + strings.Repeat("A", MaxLen),
		"header alone":             k.Header(),
		"no signature":             good[:strings.LastIndex(good, ".")+1],
		"standard base64":          strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+",
	} {
		if _, _, err := Parse(token, only(k), want); err == nil {
			t.Errorf("token with %s passes", name)
		}
	}
}

func TestNewKeyRefusesWeakMaterial(t *testing.T) {
	t.Parallel()
	if _, err := NewKey("kid", HS256, make([]byte, 31)); err == nil {
		t.Error("31 bytes pass")
	}
	for _, alg := range []string{"none", "hs256", "RS256", ""} {
		if _, err := NewKey("kid", alg, material); err == nil {
			t.Errorf("algorithm %q passes", alg)
		}
	}
}

// FuzzParse takes any text for a token, of which only the one that was signed passes, byte for byte; and for the claims of a token under the
// right key. Of these pass those that every reader of JSON reads alike, and they survive being signed again.
func FuzzParse(f *testing.F) {
	k := testKey(f, "kid", 7)
	c := full()
	token := sign(f, k, c)
	f.Add(token)
	f.Add(token + "\n")
	f.Add(token[:len(token)-1])
	f.Add(k.Header() + ".e30.")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	header := `{"alg":"HS256","kid":"kid","typ":"watchword-access+jwt"}`
	want := Expected{Issuer: c.Issuer, Audience: c.Audience, Now: now}
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, err := Parse(text, only(k), want); err == nil && text != token {
			t.Errorf("%q passes", text)
		} else if err != nil && err != ErrInvalid { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("%q: got %v, want ErrInvalid itself", text, err)
		}
		if kid, err := ParseHeader(text); err == nil && !slices.ContainsFunc([]string{HS256, HS512, EdDSA, ES256, RS256}, func(alg string) bool {
			return newKey(kid, algorithms[alg].method, nil, nil).Header() == text
		}) {
			t.Errorf("%q is taken for a header of a key %q", text, kid)
		}
		signed := resign(header, text)
		got, _, err := Parse(signed, only(k), want)
		if again, _, errAgain := Parse(signed, only(k), want); !reflect.DeepEqual(got, again) || !errors.Is(errAgain, err) {
			t.Errorf("%s: got %+v, %v, and then %+v, %v", text, got, err, again, errAgain)
		}
		if err != nil {
			return
		}
		firsts, all := members(t, text)
		if sub, sid := firsts.text("sub"), firsts.text("sid"); sub != got.Subject || sid != got.Session || all != len(firsts) {
			t.Errorf("%s: the first sub and sid of %d are %q and %q, and it reads %q and %q", text, all, sub, sid, got.Subject, got.Session)
		}
		if got.IssuedAt.Unix() > now.Add(Leeway).Unix() || !now.Before(got.ExpiresAt) || got.Issuer != c.Issuer || got.Audience != c.Audience {
			t.Errorf("%s: it passes as %+v", text, got)
		}
		if resigned, _, err := Parse(sign(t, k, got), only(k), want); err != nil || !reflect.DeepEqual(resigned, got) {
			t.Errorf("%s: signed again, %+v is %+v, %v", text, got, resigned, err)
		}
	})
}

// object is a JSON object by the names of its members, in lower case.
type object map[string]json.RawMessage

// text is a member that is a string, or nothing.
func (o object) text(name string) (s string) {
	_ = json.Unmarshal(o[name], &s)
	return s
}

// members reads an object as somebody would who takes the first of two members of one name, and counts them all.
func members(t *testing.T, text string) (firsts object, all int) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	firsts = object{}
	for ; dec.More(); all++ {
		name, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		key := strings.ToLower(name.(string))
		if _, known := firsts[key]; !known {
			firsts[key] = value
		}
	}
	return firsts, all
}

// FuzzClaims: any claims survive the round trip, and the payload byte for byte.
func FuzzClaims(f *testing.F) {
	f.Add("user", `{"a": 1}`, int64(900_000), true)
	f.Add("\x00\u2028<", `" "`, int64(1), false)
	k := testKey(f, "kid", 7)
	f.Fuzz(func(t *testing.T, user, payload string, life int64, unconfirmed bool) {
		if !json.Valid([]byte(payload)) || strings.TrimSpace(payload) != payload || strings.ToValidUTF8(user, "") != user || user == "" ||
			!utf8.ValidString(payload) ||
			life <= 0 || life > 1<<40 {
			return
		}
		c := Claims{
			Subject: user, Session: "s", IssuedAt: now, ExpiresAt: now.Add(time.Duration(life) * time.Millisecond),
			Unconfirmed: unconfirmed, Payload: json.RawMessage(payload), RefreshMark: [32]byte{1},
		}
		token := sign(t, k, c)
		if _, body, _ := strings.Cut(token, "."); !strings.HasPrefix(body, encoded(t, c)) {
			t.Errorf("got %s, and the encoder writes %s", body, encoded(t, c))
		}
		got, _, err := Parse(token, only(k), Expected{Now: now})
		if len(token) > MaxLen {
			return
		}
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, %v, want %+v", got, err, c)
		}
	})
}

// encoded is the beginning of a token's claims, up to their payload, as encoding/json writes them.
func encoded(t *testing.T, c Claims) string {
	t.Helper()
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Issuer      string      `json:"iss,omitempty"`
		Audience    string      `json:"aud,omitempty"`
		Subject     string      `json:"sub"`
		Session     string      `json:"sid"`
		IssuedAt    int64       `json:"iat"`
		NotBefore   int64       `json:"nbf"`
		ExpiresAt   json.Number `json:"exp"`
		StoreTime   int64       `json:"sat,omitempty"`
		AuthTime    int64       `json:"auth_time,omitempty"`
		RefreshMark string      `json:"rt"`
		Unconfirmed bool        `json:"unc,omitempty"`
		AntiCSRF    string      `json:"csrf,omitempty"`
	}{
		c.Issuer, c.Audience, c.Subject, c.Session, c.IssuedAt.Unix(), c.IssuedAt.Unix(), json.Number(strings.TrimSuffix(strconv.FormatFloat(float64(c.ExpiresAt.UnixMilli())/1000, 'f', 3, 64), ".000")),
		unix(c.StoreTime, time.Time.UnixMilli), unix(c.AuthTime, time.Time.Unix), base64.RawURLEncoding.EncodeToString(c.RefreshMark[:]), c.Unconfirmed, c.AntiCSRF,
	}); err != nil {
		t.Fatal(err)
	}
	text := bytes.TrimSuffix(body.Bytes(), []byte("}\n"))
	whole := base64.RawURLEncoding.EncodeToString(text)
	return whole[:len(whole)-1] // whose last character depends on what comes then
}
