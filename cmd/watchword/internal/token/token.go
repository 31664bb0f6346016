// Package token explains tokens to people: what a token says, whether it is good, and if not, why not, in plain words. Applications never
// tell that, since it would help whoever forges one. It asks nobody, and repeats nothing of a token that would be of use to a thief.
package token

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Kind says what a text is.
type Kind string

// The kinds.
const (
	KindAccess  Kind = "access"  // an access token of Watchword, by its type
	KindRefresh Kind = "refresh" // a refresh token of Watchword, by its form
	KindJWT     Kind = "jwt"     // a JSON Web Token of somebody else's
	KindUnknown Kind = "unknown"
)

// Signature says whether a signature was verified.
type Signature string

// The answers.
const (
	SignatureVerified   Signature = "verified"
	SignatureRefused    Signature = "not verified"
	SignatureNotChecked Signature = "not checked" // there were no keys to do so
)

// Report is what is to be said of a token.
type Report struct {
	Kind      Kind
	Signature Signature
	Why       string // of the signature's answer
	Header    []Field
	Claims    []Field
	// Problems are why the token is not good, one sentence each. None: it is, as far as can be seen from here.
	Problems []Problem
}

// Field is a member of header or claims.
type Field struct {
	Name    string
	Value   any    // as JSON has it; what is secret is left out
	Meaning string // for people
}

// Problem is one reason why a token is not good.
type Problem struct {
	Code string `json:"code"` // stable, for programs
	Text string `json:"text"`
}

// Options say what a token is held against.
type Options struct {
	Keys     *session.JWKS // nil: the signature is not checked
	Issuer   *string       // nil: whichever; empty: there must be none
	Audience *string
	Now      time.Time
}

// maxLen is how long an access token may be, in bytes.
const maxLen = 8 << 10

func (r *Report) problem(code, text string) { r.Problems = append(r.Problems, Problem{code, text}) }

// Inspect explains a token.
func Inspect(text string, opts Options) Report {
	text = clean(text)
	if token, ok := readRefresh(text); ok {
		return token.report()
	}
	r := Report{Kind: KindUnknown, Signature: SignatureNotChecked, Why: "there is nothing to check"}
	segments := strings.Split(text, ".")
	switch {
	case text == "":
		r.problem("empty", "There is no token.")
		return r
	case len(segments) == 5:
		r.problem("encrypted", "It has five parts, as an encrypted token has (JWE). Watchword writes none.")
		return r
	case len(segments) != 3:
		r.problem("malformed", "It is neither a JSON Web Token, which has three parts with dots between, nor a refresh token of Watchword. Was all of it copied?")
		return r
	}
	header, err := readObject(segments[0])
	if err != nil {
		r.problem("malformed", "Its first part is no JSON object in base64url, so that it is no JSON Web Token.")
		return r
	}
	r.Kind = KindJWT
	r.readHeader(header)
	claims, err := readObject(segments[1])
	if err != nil {
		r.problem("malformed", "Its second part, the claims, is no JSON object in base64url.")
		return r
	}
	if len(text) > maxLen {
		r.problem("too_long", "It is longer than 8 KiB, and is refused unread.")
	}
	c := r.readClaims(claims, opts)
	r.checkSignature(text, header, c, opts)
	return r
}

// clean takes away what is around a token when it is copied.
func clean(text string) string {
	text = strings.TrimSpace(text)
	if scheme, rest, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(rest)
	}
	return strings.Trim(text, `"'`)
}

// readObject reads a segment.
func readObject(segment string) (map[string]json.RawMessage, error) {
	raw, err := encoding.DecodeString(segment)
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, errNoObject
	}
	return object, nil
}

// text is a member that is a string, or "".
func text(object map[string]json.RawMessage, name string) (s string) {
	_ = json.Unmarshal(object[name], &s) // something else is said to be wrong where it matters
	return s
}
