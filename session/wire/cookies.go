package wire

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxCookie is what every browser keeps of one cookie: name, value and attributes (RFC 6265, section 6.1).
const maxCookie = 4096

// Prefix says whether cookie names take a prefix that binds browsers to their attributes (RFC 6265bis, section 4.1.3).
type Prefix string

// The cookie prefix modes.
const (
	// PrefixAuto gives the access and refresh cookies __Host- where domain and path allow it, and __Secure- elsewhere;
	// neither without Secure, nor where the name has one already. The default.
	PrefixAuto Prefix = "auto"
	// PrefixNone keeps the plain names, which front ends of the original's time may expect.
	PrefixNone Prefix = "none"
)

const (
	hostPrefix   = "__Host-"
	securePrefix = "__Secure-"
)

// Cookies says which cookies carry the tokens, and where browsers keep them. The zero value of a field means its documented
// default.
type Cookies struct {
	// The names of the three cookies, without a prefix or with it; defaults sAccessToken, sRefreshToken and sIdRefreshToken.
	AccessName  string
	RefreshName string
	IDName      string

	Domain      string        // default: the host of the request alone
	Path        string        // of the access cookie; default "/"
	RefreshPath string        // of the refresh endpoint and its cookie; default DefaultRefreshPath
	SameSite    http.SameSite // default http.SameSiteLaxMode
	Insecure    bool          // leave Secure off, for development without TLS
	Partitioned bool          // keep them apart for each site that embeds this one (CHIPS)
	Prefix      Prefix        // default PrefixAuto
}

// kind is what a cookie is for.
type kind int

const (
	accessCookie  kind = iota
	refreshCookie      // HttpOnly, and sent to the refresh endpoint alone
	idCookie           // readable by scripts of every page: it tells them that a session exists
	kinds
)

// cookieName is a name under which a cookie may arrive.
type cookieName struct {
	name   string
	kind   kind
	former bool // no cookie is set under this name any more
}

func (c Cookies) withDefaults() Cookies {
	def(&c.AccessName, "sAccessToken")
	def(&c.RefreshName, "sRefreshToken")
	def(&c.IDName, "sIdRefreshToken")
	def(&c.Path, "/")
	def(&c.RefreshPath, DefaultRefreshPath)
	def(&c.SameSite, http.SameSiteLaxMode)
	def(&c.Prefix, PrefixAuto)
	return c
}

// validate names the fields as parts of what they are in.
func (c Cookies) validate(in string) error {
	refuse := func(field, why string, args ...any) error { return invalid(in+"."+field, why, args...) }
	for _, p := range []struct{ field, path string }{{"Path", c.Path}, {"RefreshPath", c.RefreshPath}} {
		if !strings.HasPrefix(p.path, "/") || strings.ContainsFunc(p.path, func(r rune) bool { return r <= ' ' || r > '~' || r == ';' }) {
			return refuse(p.field, "is %q: it must be an absolute path of printable ASCII without ';'", p.path)
		}
	}
	if c.Domain != "" && (&http.Cookie{Name: "x", Domain: c.Domain}).Valid() != nil {
		return refuse("Domain", "is %q: it is not a domain", c.Domain)
	}
	switch c.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	case http.SameSiteNoneMode:
		if c.Insecure {
			return refuse("Insecure", "contradicts %s.SameSite None: browsers drop such cookies without Secure", in)
		}
	default:
		return refuse("SameSite", "is %d: it must be Lax, Strict or None", c.SameSite)
	}
	if c.Partitioned && c.Insecure {
		return refuse("Insecure", "contradicts %s.Partitioned: browsers drop such cookies without Secure", in)
	}
	if c.Prefix != PrefixAuto && c.Prefix != PrefixNone {
		return refuse("Prefix", "is %q: it must be %q or %q", c.Prefix, PrefixAuto, PrefixNone)
	}
	if c.AccessName == c.RefreshName || c.AccessName == c.IDName || c.RefreshName == c.IDName {
		return refuse("AccessName", "%q, RefreshName %q and IDName %q must differ", c.AccessName, c.RefreshName, c.IDName)
	}
	if t := c.templates(); t[accessCookie].Name == t[refreshCookie].Name || t[accessCookie].Name == t[idCookie].Name || t[refreshCookie].Name == t[idCookie].Name {
		return refuse("AccessName", "%q, RefreshName %q and IDName %q must differ also with the prefixes that Prefix adds", c.AccessName, c.RefreshName, c.IDName)
	}
	for _, n := range []struct{ field, name, path string }{
		{"AccessName", c.AccessName, c.Path}, {"RefreshName", c.RefreshName, c.RefreshPath}, {"IDName", c.IDName, "/"},
	} {
		if (&http.Cookie{Name: n.name}).Valid() != nil {
			return refuse(n.field, "is %q: it is not a cookie name", n.name)
		}
		switch prefixOf(n.name) {
		case hostPrefix:
			if c.Insecure || c.Domain != "" || n.path != "/" {
				return refuse(n.field, "is %q, which browsers take only with Secure, without Domain, and with the path / (it has %q)", n.name, n.path)
			}
		case securePrefix:
			if c.Insecure {
				return refuse(n.field, "is %q, which browsers take only with Secure", n.name)
			}
		}
	}
	return nil
}

// prefixOf returns the prefix that a name has, however it is spelt: browsers do not look at case either.
func prefixOf(name string) string {
	for _, p := range []string{hostPrefix, securePrefix} {
		if len(name) >= len(p) && strings.EqualFold(name[:len(p)], p) {
			return p
		}
	}
	return ""
}

// templates returns the three cookies, without values.
func (c Cookies) templates() (t [kinds]http.Cookie) {
	cookie := func(name, path string) http.Cookie {
		return http.Cookie{
			Name: name, Path: path, Domain: c.Domain, HttpOnly: true,
			Secure: !c.Insecure, SameSite: c.SameSite, Partitioned: c.Partitioned,
		}
	}
	t[accessCookie] = cookie(c.prefixed(c.AccessName, c.Path), c.Path)
	t[refreshCookie] = cookie(c.prefixed(c.RefreshName, c.RefreshPath), c.RefreshPath)
	t[idCookie] = cookie(c.IDName, "/")
	t[idCookie].HttpOnly = false
	return t
}

// prefixed returns a name with the prefix that its path and the configuration allow.
func (c Cookies) prefixed(name, path string) string {
	switch {
	case c.Insecure || c.Prefix == PrefixNone || prefixOf(name) != "":
		return name
	case path == "/" && c.Domain == "":
		return hostPrefix + name
	default:
		return securePrefix + name
	}
}

// layCookies finds out which cookies there are, and which there may be from former times.
func (c *Contract) layCookies() error {
	c.cookies = c.cfg.Cookies.templates()
	for k, cookie := range c.cookies {
		c.names = append(c.names, cookieName{name: cookie.Name, kind: kind(k)})
	}
	for i, former := range c.cfg.Former {
		field := "Former[" + strconv.Itoa(i) + "]"
		former = former.withDefaults()
		if err := former.validate(field); err != nil {
			return err
		}
		for k, cookie := range former.templates() {
			if known := slices.IndexFunc(c.names, func(n cookieName) bool { return n.name == cookie.Name }); known < 0 {
				c.names = append(c.names, cookieName{name: cookie.Name, kind: kind(k), former: true})
			} else if c.names[known].kind != kind(k) {
				return invalid(field, "has the name %q, which stands for another of the cookies elsewhere", cookie.Name)
			}
			// Some of an earlier configuration's cookies may be where the present ones are, and must not be expired.
			if !samePlace(cookie, c.cookies[k]) && !slices.ContainsFunc(c.former[k], func(f http.Cookie) bool { return samePlace(f, cookie) }) {
				c.former[k] = append(c.former[k], cookie)
			}
		}
	}
	return nil
}

// samePlace reports whether a browser keeps one cookie in place of the other (RFC 6265bis, section 5.7). Partitioned ones have a
// place of their own.
func samePlace(a, b http.Cookie) bool {
	domain := func(c http.Cookie) string { return strings.ToLower(strings.TrimPrefix(c.Domain, ".")) }
	return a.Name == b.Name && domain(a) == domain(b) && cmp.Or(a.Path, "/") == cmp.Or(b.Path, "/") && a.Partitioned == b.Partitioned
}

// MaxAccessToken is the length of the longest access token that fits into its cookie, in bytes: a browser drops a larger
// cookie without a word. It is for session.CreateOptions.
func (c *Contract) MaxAccessToken() int { return c.longest }

// longestValue is the length of the longest value that fits into a cookie beside its attributes.
func longestValue(cookie http.Cookie) int {
	cookie.Expires, cookie.MaxAge = time.Unix(0, 0), 1<<31-1
	return maxCookie - len(cookie.String())
}

// put sets a cookie, and empties its former places.
func (c *Contract) put(h http.Header, k kind, value string, now, expires time.Time) {
	c.emptyFormer(h, k)
	setCookie(h, c.cookies[k], value, now, expires)
}

// emptyFormer expires the cookies of a kind that earlier configurations may have left.
func (c *Contract) emptyFormer(h http.Header, k kind) {
	for _, cookie := range c.former[k] {
		setCookie(h, cookie, "", epoch, epoch)
	}
}

var epoch = time.Unix(0, 0)

// setCookie adds a cookie to the response, in place of one of the same place. Max-Age beside Expires serves clients whose
// clock is wrong.
func setCookie(h http.Header, cookie http.Cookie, value string, now, expires time.Time) {
	cookie.Value = value
	cookie.Expires = expires.UTC()
	cookie.MaxAge = int((expires.Sub(now) + time.Second - 1) / time.Second)
	if cookie.MaxAge <= 0 {
		cookie.MaxAge = -1 // written as 0
	}
	removeCookies(h, func(c http.Cookie) bool { return samePlace(c, cookie) })
	h["Set-Cookie"] = append(h["Set-Cookie"], cookie.String())
}

// removeCookies takes cookies off the response.
func removeCookies(h http.Header, which func(http.Cookie) bool) {
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		cookie, err := http.ParseSetCookie(line)
		return err == nil && which(*cookie)
	})
	if len(lines) == 0 {
		h.Del("Set-Cookie")
	} else {
		h["Set-Cookie"] = lines
	}
}
