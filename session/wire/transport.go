package wire

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Transport is how a client carries its tokens. A request has one, and its response the same: a client of headers never gets a
// cookie, and the tokens of cookies never leave them, so that no script can ask for what HttpOnly keeps from it.
type Transport string

// The transports, as a request names them in its header Session-Transport. One that names none, and has no Authorization: Bearer
// and no X-Refresh-Token either, has cookies.
const (
	// TransportCookie is for browsers.
	TransportCookie Transport = "cookie"
	// TransportHeader is for native clients and services. They send Authorization: Bearer, and to the refresh endpoint
	// X-Refresh-Token or the body {"refresh_token":"…"}; responses carry X-Access-Token and X-Refresh-Token with
	// their times to live in seconds in X-Access-Token-Expires-In and X-Refresh-Token-Expires-In, and the refresh
	// endpoint's also a body as in RFC 6749, section 5.1.
	TransportHeader Transport = "header"
	// TransportAny, in a Config, lets each request choose. The default. Choose TransportCookie where a proxy puts tokens of its
	// own into Authorization.
	TransportAny Transport = "any"
)

// The response and request headers of the contract, in canonical form.
const (
	idHeader             = "Id-Refresh-Token"
	antiCSRFHeader       = "Anti-Csrf"
	exposeHeader         = "Access-Control-Expose-Headers"
	transportHeader      = "Session-Transport"
	accessHeader         = "X-Access-Token"
	refreshHeader        = "X-Refresh-Token"
	accessExpiresHeader  = "X-Access-Token-Expires-In"
	refreshExpiresHeader = "X-Refresh-Token-Expires-In"
)

// ErrInvalidRequest says that the request breaks the contract, so that none of its tokens was looked at: two transports at once, an unknown
// one, more cookies than any browser has. 400; nothing is cleared.
var ErrInvalidRequest = errors.New("invalid request")

// SetTokens writes what a client gets to hold, after Create, Refresh, or a Verify that renewed the access token. Tokens
// that are empty are left as they are in the client.
func (c *Contract) SetTokens(h http.Header, transport Transport, t session.Tokens) {
	if transport == TransportHeader {
		setTokenHeaders(h, t)
	} else {
		c.setTokenCookies(h, t)
	}
	noStore(h)
}

func (c *Contract) setTokenCookies(h http.Header, t session.Tokens) {
	c.put(h, accessCookie, t.AccessToken, t.IssuedAt, t.AccessExpires)
	if t.RefreshToken != "" {
		c.put(h, refreshCookie, t.RefreshToken, t.IssuedAt, t.RefreshExpires)
	}
	if t.ID != "" {
		c.put(h, idCookie, t.ID, t.IssuedAt, t.RefreshExpires)
		h.Set(idHeader, t.ID+";"+strconv.FormatInt(t.RefreshExpires.UnixMilli(), 10))
		expose(h, "id-refresh-token")
	}
	if t.AntiCSRF != "" {
		h.Set(antiCSRFHeader, t.AntiCSRF)
		expose(h, "anti-csrf")
	}
}

func setTokenHeaders(h http.Header, t session.Tokens) {
	seconds := func(expires time.Time) string {
		return strconv.FormatInt(int64(expires.Sub(t.IssuedAt)/time.Second), 10)
	}
	h.Set(accessHeader, t.AccessToken)
	h.Set(accessExpiresHeader, seconds(t.AccessExpires))
	expose(h, "x-access-token")
	expose(h, "x-access-token-expires-in")
	if t.RefreshToken != "" {
		h.Set(refreshHeader, t.RefreshToken)
		h.Set(refreshExpiresHeader, seconds(t.RefreshExpires))
		expose(h, "x-refresh-token")
		expose(h, "x-refresh-token-expires-in")
	}
}

// TokenBody returns the body of a response that SetTokens has written the headers of: for a client of headers its tokens as in
// RFC 6749, section 5.1, and else {}.
func TokenBody(h http.Header) string {
	seconds := func(name string) int64 {
		n, _ := strconv.ParseInt(h.Get(name), 10, 64) // SetTokens has written it, or it is not there
		return n
	}
	body := struct {
		AccessToken    string `json:"access_token,omitempty"`
		TokenType      string `json:"token_type,omitempty"`
		ExpiresIn      int64  `json:"expires_in,omitempty"`
		RefreshToken   string `json:"refresh_token,omitempty"`
		RefreshExpires int64  `json:"refresh_token_expires_in,omitempty"`
	}{
		AccessToken: h.Get(accessHeader), ExpiresIn: seconds(accessExpiresHeader),
		RefreshToken: h.Get(refreshHeader), RefreshExpires: seconds(refreshExpiresHeader),
	}
	if body.AccessToken != "" {
		body.TokenType = "Bearer"
	}
	raw, _ := json.Marshal(body) //nolint:gosec // this is how they travel; strings and numbers always encode
	return string(raw) + "\n"
}

// Clear takes a browser's tokens away: the session has ended.
func (c *Contract) Clear(h http.Header) {
	for k := range kinds {
		c.put(h, k, "", epoch, epoch)
	}
	c.tellEnd(h)
}

// tellEnd lets the page know that there is no session (any more).
func (c *Contract) tellEnd(h http.Header) {
	h.Del(antiCSRFHeader)
	h.Set(idHeader, "remove")
	expose(h, "id-refresh-token")
	noStore(h)
}

// withdraw takes everything off the response that SetTokens and Clear have written, so that the client stays as it is.
func (c *Contract) withdraw(h http.Header) {
	removeCookies(h, func(cookie http.Cookie) bool {
		for k := range kinds {
			if samePlace(cookie, c.cookies[k]) {
				return true
			}
			for _, former := range c.former[k] {
				if samePlace(cookie, former) {
					return true
				}
			}
		}
		return false
	})
	for _, name := range []string{idHeader, antiCSRFHeader, accessHeader, accessExpiresHeader, refreshHeader, refreshExpiresHeader} {
		h.Del(name)
	}
}

// expose lets scripts of other origins read a response header. A name stands in the list once, whoever put it there.
func expose(h http.Header, name string) {
	list := strings.Join(h.Values(exposeHeader), ", ")
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(item), name) {
			return
		}
	}
	if list != "" {
		name = list + ", " + name
	}
	h.Set(exposeHeader, name)
}

// noStore keeps tokens out of caches (RFC 6749, section 5.1).
func noStore(h http.Header) { h.Set("Cache-Control", "no-store") }
