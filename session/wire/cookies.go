package wire

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// maxCookie is what every browser keeps of one cookie: name, value and attributes (RFC 6265, section 6.1).
const maxCookie = 4096

// The response and request headers of the contract.
const (
	idHeader       = "Id-Refresh-Token"
	antiCSRFHeader = "Anti-Csrf"
	exposeHeader   = "Access-Control-Expose-Headers"
)

// prefix returns the cookie name prefix that a path and the configuration allow.
func (c *Contract) prefix(path string) string {
	switch {
	case c.cfg.CookieInsecure || c.cfg.CookiePrefix == PrefixNone:
		return ""
	case path == "/" && c.cfg.CookieDomain == "":
		return "__Host-"
	default:
		return "__Secure-"
	}
}

func (c *Contract) template(name, path string, httpOnly bool) http.Cookie {
	return http.Cookie{
		Name: name, Path: path, Domain: c.cfg.CookieDomain,
		HttpOnly: httpOnly, Secure: !c.cfg.CookieInsecure, SameSite: c.cfg.CookieSameSite,
	}
}

// MaxAccessToken is the length of the longest access token that fits into its cookie, in bytes: a browser drops a larger
// cookie without a word. It is for session.CreateOptions.
func (c *Contract) MaxAccessToken() int {
	longest := c.access
	longest.Expires, longest.MaxAge = time.Unix(0, 0), 1<<31-1
	return maxCookie - len(longest.String())
}

// SetTokens writes what a client gets to hold, after Create, Refresh, or a Verify that renewed the access token. Tokens
// that are empty are left as they are in the client.
func (c *Contract) SetTokens(h http.Header, t session.Tokens) {
	put(h, c.access, t.AccessToken, t.IssuedAt, t.AccessExpires)
	if t.RefreshToken != "" {
		put(h, c.refresh, t.RefreshToken, t.IssuedAt, t.RefreshExpires)
	}
	if t.ID != "" {
		put(h, c.id, t.ID, t.IssuedAt, t.RefreshExpires)
		h.Set(idHeader, t.ID+";"+strconv.FormatInt(t.RefreshExpires.UnixMilli(), 10))
		expose(h, "id-refresh-token")
	}
	if t.AntiCSRF != "" {
		h.Set(antiCSRFHeader, t.AntiCSRF)
		expose(h, "anti-csrf")
	}
	noStore(h)
}

// Clear takes the client's tokens away: the session has ended.
func (c *Contract) Clear(h http.Header) {
	epoch := time.Unix(0, 0)
	for _, cookie := range []http.Cookie{c.access, c.refresh, c.id} {
		put(h, cookie, "", epoch, epoch)
	}
	h.Del(antiCSRFHeader)
	h.Set(idHeader, "remove")
	expose(h, "id-refresh-token")
	noStore(h)
}

// put adds a cookie to the response, in place of one of the same name. Max-Age beside Expires serves clients whose
// clock is wrong.
func put(h http.Header, cookie http.Cookie, value string, now, expires time.Time) {
	cookie.Value = value
	cookie.Expires = expires.UTC()
	cookie.MaxAge = int((expires.Sub(now) + time.Second - 1) / time.Second)
	if cookie.MaxAge <= 0 {
		cookie.MaxAge = -1 // written as 0
	}
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, cookie.Name+"=") })
	h["Set-Cookie"] = append(lines, cookie.String())
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
