// Package accesstoken writes and reads access tokens: JSON Web Tokens (RFC 7519) after the advice of RFC 8725. It is
// the one importer of golang-jwt.
package accesstoken

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Type is the typ header of an access token (RFC 8725, section 3.11): no other JWT carries it.
const Type = "watchword-access+jwt"

// MaxLen limits the length of a token, in bytes; a longer string is refused before anything is done with it.
const MaxLen = 8 << 10

// Leeway is how far iat and nbf may lie in the future, for processes whose clocks differ. exp has none.
const Leeway = 60 * time.Second

// Claims is what an access token says.
type Claims struct {
	Issuer   string // iss; empty: absent
	Audience string // aud; empty: absent
	Subject  string // sub: the user id
	Session  string // sid: the handle's text
	// IssuedAt is iat and nbf, to the second.
	IssuedAt time.Time
	// ExpiresAt is exp, to the millisecond: a NumericDate may have a fraction.
	ExpiresAt time.Time
	// StoreTime is sat: a moment by the store's clock, not after the minting, to the millisecond; zero: absent. Revocations
	// of all sessions of a user name such a moment, too.
	StoreTime time.Time
	// AuthTime is auth_time (OpenID Connect Core, section 2): when the user last proved who they are, to the second; zero:
	// absent.
	AuthTime    time.Time
	RefreshMark [32]byte        // rt: the mark of the refresh token that it was minted with
	Unconfirmed bool            // unc: that refresh token is not known to have arrived
	AntiCSRF    string          // csrf; empty: absent
	Payload     json.RawMessage // payload: the application's JSON value; empty: absent
}

// fixed are the claims but for the payload.
type fixed struct {
	Issuer      string       `json:"iss,omitempty"`
	Audience    string       `json:"aud,omitempty"`
	Subject     string       `json:"sub"`
	Session     string       `json:"sid"`
	IssuedAt    int64        `json:"iat"`
	NotBefore   int64        `json:"nbf"`
	ExpiresAt   milliseconds `json:"exp"`
	StoreTime   int64        `json:"sat,omitempty"`
	AuthTime    int64        `json:"auth_time,omitempty"`
	RefreshMark mark         `json:"rt"`
	Unconfirmed bool         `json:"unc,omitempty"`
	AntiCSRF    string       `json:"csrf,omitempty"`
}

type parsed struct {
	fixed
	Payload json.RawMessage `json:"payload"`
}

// Sign writes the token.
func (k *Key) Sign(c Claims) (string, error) {
	if k.signing == nil {
		return "", errors.New("the key only verifies")
	}
	body := appendClaims(make([]byte, 0, 512), &c)
	token := make([]byte, 0, len(k.header)+2+base64.RawURLEncoding.EncodedLen(len(body))+base64.RawURLEncoding.EncodedLen(maxSignature))
	token = append(append(token, k.header...), '.')
	token = base64.RawURLEncoding.AppendEncode(token, body)
	signature, err := k.method.Sign(string(token), k.signing)
	if err != nil {
		return "", errors.New("sign access token") // the cause might describe the key
	}
	return string(base64.RawURLEncoding.AppendEncode(append(token, '.'), signature)), nil
}

// maxSignature is the length of the longest usual signature, that of RS256 with a key of 2048 bits.
const maxSignature = 256

// appendClaims appends the claims as encoding/json would write fixed, in a fraction of the time, and the payload as it is, which the encoder
// would reformat.
func appendClaims(b []byte, c *Claims) []byte {
	b = append(b, '{')
	if c.Issuer != "" {
		b = append(appendString(append(b, `"iss":`...), c.Issuer), ',')
	}
	if c.Audience != "" {
		b = append(appendString(append(b, `"aud":`...), c.Audience), ',')
	}
	b = appendString(append(b, `"sub":`...), c.Subject)
	b = appendString(append(b, `,"sid":`...), c.Session)
	b = strconv.AppendInt(append(b, `,"iat":`...), c.IssuedAt.Unix(), 10)
	b = strconv.AppendInt(append(b, `,"nbf":`...), c.IssuedAt.Unix(), 10)
	b = milliseconds(c.ExpiresAt.UnixMilli()).append(append(b, `,"exp":`...))
	if at := unix(c.StoreTime, time.Time.UnixMilli); at != 0 {
		b = strconv.AppendInt(append(b, `,"sat":`...), at, 10)
	}
	if at := unix(c.AuthTime, time.Time.Unix); at != 0 {
		b = strconv.AppendInt(append(b, `,"auth_time":`...), at, 10)
	}
	b = append(strict.AppendEncode(append(b, `,"rt":"`...), c.RefreshMark[:]), '"')
	if c.Unconfirmed {
		b = append(b, `,"unc":true`...)
	}
	if c.AntiCSRF != "" {
		b = appendString(append(b, `,"csrf":`...), c.AntiCSRF)
	}
	if len(c.Payload) > 0 {
		b = append(append(b, `,"payload":`...), c.Payload...)
	}
	return append(b, '}')
}

// appendString appends a JSON string. Whatever is not plain goes by the encoder's way.
func appendString(b []byte, s string) []byte {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		var quoted bytes.Buffer
		enc := json.NewEncoder(&quoted)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(s) // of a string it cannot fail
		return append(b, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
	}
	return append(append(append(b, '"'), s...), '"')
}

// ErrInvalid is the one answer to every token that is not good, whether forged, foreign or expired.
var ErrInvalid = errors.New("invalid access token")

// Flaw says what is wrong with a token, for counts and logs. No client is told.
type Flaw uint8

// The flaws, in the order in which they are looked for.
const (
	Flawless   Flaw = iota
	Malformed       // it is none of ours by its form
	UnknownKey      // there is no key for its header
	Unsigned        // the signature is not that key's
	Unsound         // the claims are not some that Sign could have written
	Foreign         // it is of another issuer, or for another audience
	Early           // it is from the future
	Expired
)

// strict refuses non-zero padding bits, so that one token has one spelling.
var strict = base64.RawURLEncoding.Strict()

// Expected is what a token has to agree with.
type Expected struct {
	Issuer   string
	Audience string
	Now      time.Time
}

// Flaw says in what claims do not agree with what is expected, now.
func (c *Claims) Flaw(want *Expected) Flaw {
	now := want.Now.UnixMilli()
	switch {
	case c.Issuer != want.Issuer || c.Audience != want.Audience:
		return Foreign
	case c.IssuedAt.UnixMilli() > now+Leeway.Milliseconds():
		return Early
	case now >= c.ExpiresAt.UnixMilli():
		return Expired
	default:
		return Flawless
	}
}

// Parse verifies a token; keys finds a key by a token's first segment, or returns nil. It returns the key that has signed the token,
// too. The error is ErrInvalid.
func Parse(token string, keys func(header string) *Key, want Expected) (Claims, *Key, error) {
	claims, key, flaw := Judge(token, keys, want)
	if flaw != Flawless {
		return Claims{}, nil, ErrInvalid
	}
	return claims, key, nil
}

// Judge is Parse for those who keep to themselves what is wrong with a token.
func Judge(token string, keys func(header string) *Key, want Expected) (Claims, *Key, Flaw) {
	if len(token) > MaxLen || strings.ContainsFunc(token, notCompact) {
		return Claims{}, nil, Malformed
	}
	header, rest, segments := strings.Cut(token, ".")
	if !segments {
		return Claims{}, nil, Malformed
	}
	key := keys(header)
	if key == nil {
		return Claims{}, nil, UnknownKey
	}
	body, signature, _ := strings.Cut(rest, ".")
	// The signature before anything is read of what it signs: nobody but us chooses how much work that is. golang-jwt's parser
	// has it the other way round, and what it reads of the header is pinned by the key.
	if !key.signed(token[:len(header)+1+len(body)], signature) {
		return Claims{}, nil, Unsigned
	}
	raw, err := strict.DecodeString(body)
	var p parsed
	if err != nil || json.Unmarshal(raw, &p) != nil || !distinct(raw) || !p.sound() {
		return Claims{}, nil, Unsound
	}
	claims := Claims{
		Issuer: p.Issuer, Audience: p.Audience, Subject: p.Subject, Session: p.Session,
		IssuedAt: time.Unix(p.IssuedAt, 0).UTC(), ExpiresAt: time.UnixMilli(int64(p.ExpiresAt)).UTC(),
		StoreTime: moment(p.StoreTime, time.Millisecond), AuthTime: moment(p.AuthTime, time.Second),
		RefreshMark: p.RefreshMark, Unconfirmed: p.Unconfirmed, AntiCSRF: p.AntiCSRF, Payload: slices.Clip(p.Payload),
	}
	if flaw := claims.Flaw(&want); flaw != Flawless {
		return Claims{}, nil, flaw
	}
	return claims, key, Flawless
}

// sound reports whether the claims are some that Sign could have written. nbf is iat, so that who checks the one has checked both.
func (p *parsed) sound() bool {
	return p.Subject != "" && p.RefreshMark != (mark{}) && p.IssuedAt > 0 && p.IssuedAt <= lastDate && p.NotBefore == p.IssuedAt &&
		p.StoreTime >= 0 && p.StoreTime/1000 <= lastDate && p.AuthTime >= 0 && p.AuthTime <= lastDate
}

// distinct reports whether no member of the claims stands there twice, in whatever case: encoding/json would take the last
// one, and another reader the first. The token is authentic, and its claims are JSON. Members that this version does not
// know are let be, for deployments in which a later one runs as well, but no claim of ours is spelt with capitals, escapes or
// letters outside of ASCII, of which encoding/json takes the long s for an s.
func distinct(raw []byte) bool {
	if !utf8.Valid(raw) {
		return false
	}
	var (
		names [][]byte
		depth int
		key   bool // a string at depth 1 would be a member's name
	)
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			depth++
			key = depth == 1
		case '}', ']':
			depth--
		case ',':
			key = depth == 1
		case '"':
			begin := i + 1
			for i = begin; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if !key || depth != 1 {
				continue
			}
			key = false
			name := raw[begin:i]
			if bytes.ContainsFunc(name, func(r rune) bool { return r == '\\' || r >= utf8.RuneSelf || unicode.IsUpper(r) }) ||
				slices.ContainsFunc(names, func(n []byte) bool { return bytes.Equal(n, name) }) {
				return false
			}
			names = append(names, name)
		}
	}
	return true
}

// notCompact reports a character that the compact serialization (RFC 7515, section 7.1) does not have. Go's base64
// decoder would skip line breaks, which gives one token many spellings.
func notCompact(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_' && r != '.'
}

// unix is a time as a claim has it: 0, which is left out, for the zero time and for what is no date of a token, as a damaged row may
// have it.
func unix(t time.Time, since func(time.Time) int64) int64 {
	if seconds := t.Unix(); seconds < 0 || seconds > lastDate {
		return 0
	}
	return since(t)
}

// lastDate is the end of the year 9999, in seconds since 1970: what is later is no date of a token.
const lastDate = 253402300799

// moment is the inverse of unix.
func moment(n int64, unit time.Duration) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n * int64(unit/time.Millisecond)).UTC()
}

// milliseconds is a NumericDate (RFC 7519, section 2) as Unix milliseconds.
type milliseconds int64

// append appends seconds, with three decimals where there is a fraction.
func (m milliseconds) append(b []byte) []byte {
	b = strconv.AppendInt(b, int64(m/1000), 10)
	if ms := m % 1000; ms != 0 {
		point := len(b)
		b = strconv.AppendInt(b, 1000+int64(ms), 10)
		b[point] = '.'
	}
	return b
}

// UnmarshalJSON reads what append writes, and nothing else.
func (m *milliseconds) UnmarshalJSON(b []byte) error {
	s, fraction, ok := strings.Cut(string(b), ".")
	seconds, err := strconv.ParseInt(s, 10, 42)
	var ms int64
	if err == nil && ok {
		ms, err = strconv.ParseInt(fraction, 10, 11)
	}
	*m = milliseconds(seconds*1000 + ms)
	if err != nil || !bytes.Equal(m.append(nil), b) {
		return errors.New("not a date that this package writes")
	}
	return nil
}

// mark is 32 bytes in base64url.
type mark [32]byte

// MarshalText implements encoding.TextMarshaler.
func (m mark) MarshalText() ([]byte, error) { return strict.AppendEncode(nil, m[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *mark) UnmarshalText(text []byte) error {
	raw, err := strict.DecodeString(string(text))
	if err != nil || len(raw) != len(m) {
		return errors.New("not a mark")
	}
	*m = mark(raw)
	return nil
}
