package lab

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// claims are those of an access token that say where it belongs. They are read without a look at the signature, and so believed only of
// tokens that this process answers itself, or together with a mark that was seen; see journal.owns.
type claims struct {
	handle  session.Handle
	mark    session.Mark // of the refresh token that it came with
	issued  time.Time    // by the store's clock, as far as the process knew it; zero: it did not
	expires time.Time    // by the clock of the process that has issued it
}

// readClaims reads the claims sid, rt, sat and exp of a JWT.
func readClaims(token string) (claims, bool) {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return claims{}, false
	}
	var named struct {
		Session string  `json:"sid"`
		Mark    string  `json:"rt"`
		Issued  int64   `json:"sat"`
		Expires float64 `json:"exp"`
	}
	if json.Unmarshal(raw, &named) != nil {
		return claims{}, false
	}
	handle, handleErr := session.ParseHandle(named.Session)
	mark, markErr := base64.RawURLEncoding.DecodeString(named.Mark)
	if handleErr != nil || markErr != nil || len(mark) != len(session.Mark{}) {
		return claims{}, false
	}
	c := claims{handle: handle, mark: session.Mark(mark), expires: time.UnixMilli(int64(named.Expires * 1000))}
	if named.Issued != 0 {
		c.issued = time.UnixMilli(named.Issued)
	}
	return c, true
}

// markOf is the mark of a refresh token, as session.Mark has it.
func markOf(refreshToken string) session.Mark { return sha256.Sum256([]byte(refreshToken)) }

// held are the tokens that a request presents, or that an answer carries.
func held(contract *wire.Contract, request http.Header) (access []claims, refresh []session.Mark) {
	cred, err := contract.Read(request)
	if err != nil {
		return nil, nil
	}
	for _, token := range cred.Access {
		if c, ok := readClaims(token); ok {
			access = append(access, c)
		}
	}
	for _, token := range cred.Refresh {
		refresh = append(refresh, markOf(token))
	}
	return access, refresh
}

// asRequest is a request with the tokens that an answer carries, so that the contract can read them.
func asRequest(answer http.Header) http.Header {
	request := http.Header{}
	var cookies []string
	for _, line := range answer["Set-Cookie"] {
		if cookie, err := http.ParseSetCookie(line); err == nil && cookie.Value != "" {
			cookies = append(cookies, cookie.Name+"="+cookie.Value)
		}
	}
	if len(cookies) > 0 {
		request.Set("Cookie", strings.Join(cookies, "; "))
	}
	if token := answer.Get("X-Access-Token"); token != "" {
		request.Set("Authorization", "Bearer "+token)
	}
	if token := answer.Get("X-Refresh-Token"); token != "" {
		request.Set("X-Refresh-Token", token)
	}
	return request
}

// takesAway reports whether an answer tells the client that there is no session any more.
func takesAway(answer http.Header) bool { return answer.Get("Id-Refresh-Token") == "remove" }
