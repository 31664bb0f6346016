// Package wire is the HTTP contract of sessions, as pure functions on http.Header: which cookies and headers carry the
// tokens, and which status and body each error gets. Adapters are thin over it.
//
// The names and values are those of supertokens-node-mysql-ref-jwt, so that its front-end SDK works unchanged: cookies
// sAccessToken, sRefreshToken and sIdRefreshToken, headers id-refresh-token and anti-csrf.
package wire

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// Prefix says whether cookie names take a prefix that binds browsers to their attributes (RFC 6265bis, section 4.1.3).
type Prefix string

// The cookie prefix modes.
const (
	// PrefixAuto gives the access and refresh cookies __Host- where domain and path allow it, and __Secure- elsewhere;
	// neither without Secure. The default.
	PrefixAuto Prefix = "auto"
	// PrefixNone keeps the plain names, which front ends of the original's time may expect.
	PrefixNone Prefix = "none"
)

// DefaultRefreshPath is the path of the refresh endpoint.
const DefaultRefreshPath = "/api/session/refresh"

// Config says how sessions travel. The zero value of a field means its documented default.
type Config struct {
	CookieDomain   string        // default: the host of the request alone
	CookiePath     string        // of the access cookie; default "/"
	RefreshPath    string        // of the refresh endpoint and its cookie; default DefaultRefreshPath
	CookieSameSite http.SameSite // default http.SameSiteLaxMode
	CookieInsecure bool          // leave Secure off, for development without TLS
	CookiePrefix   Prefix        // default PrefixAuto

	// The statuses of session errors; default 401. The original's guides use 440 for all three, and so do front ends of
	// its time.
	StatusTryRefresh   int
	StatusUnauthorised int
	StatusTheft        int

	// AllowedOrigins are the origins (RFC 6454), such as "https://app.example.com", whose pages may call across origins
	// with cookies. Default: none.
	AllowedOrigins []string
	// AllowedHeaders are request headers that such calls may send beside Content-Type and the contract's own.
	AllowedHeaders []string

	// TrustedProxies are the proxies whose X-Forwarded-For is believed, as addresses ("10.0.0.1") or networks ("10.0.0.0/8",
	// "fd00::/8"); see Contract.Device. Name nothing but proxies: whatever else calls from such an address can pass for any
	// other. Default: none, so that a client's address is that of the connection.
	TrustedProxies []string
}

// Contract is a validated Config. It is immutable and safe for concurrent use.
type Contract struct {
	cfg     Config
	access  http.Cookie // templates
	refresh http.Cookie
	id      http.Cookie
	origins map[string]bool
	headers string
	proxies []netip.Prefix
}

// New validates a Config. The error matches session.ErrInvalidConfig and names the field.
func New(cfg Config) (*Contract, error) {
	def(&cfg.CookiePath, "/")
	def(&cfg.RefreshPath, DefaultRefreshPath)
	def(&cfg.CookieSameSite, http.SameSiteLaxMode)
	def(&cfg.CookiePrefix, PrefixAuto)
	def(&cfg.StatusTryRefresh, http.StatusUnauthorized)
	def(&cfg.StatusUnauthorised, http.StatusUnauthorized)
	def(&cfg.StatusTheft, http.StatusUnauthorized)
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	proxies, err := cfg.proxies()
	if err != nil {
		return nil, err
	}
	c := &Contract{cfg: cfg, origins: map[string]bool{}, proxies: proxies}
	c.access = c.template(c.prefix(cfg.CookiePath)+"sAccessToken", cfg.CookiePath, true)
	c.refresh = c.template(c.prefix(cfg.RefreshPath)+"sRefreshToken", cfg.RefreshPath, true)
	c.id = c.template("sIdRefreshToken", "/", false) // scripts of every page are to see it
	for _, o := range cfg.AllowedOrigins {
		c.origins[o] = true
	}
	c.headers = strings.Join(append(RequestHeaders(), cfg.AllowedHeaders...), ", ")
	if c.MaxAccessToken() < 1024 {
		return nil, invalid("CookieDomain", "and CookiePath leave too little of a cookie's %d bytes", maxCookie)
	}
	return c, nil
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func invalid(field, why string, args ...any) error {
	return fmt.Errorf("%w: %s %s", session.ErrInvalidConfig, field, fmt.Sprintf(why, args...))
}

func (cfg Config) validate() error {
	for _, p := range []struct{ field, path string }{{"CookiePath", cfg.CookiePath}, {"RefreshPath", cfg.RefreshPath}} {
		if !strings.HasPrefix(p.path, "/") || strings.ContainsFunc(p.path, func(r rune) bool { return r <= ' ' || r > '~' || r == ';' }) {
			return invalid(p.field, "is %q: it must be an absolute path of printable ASCII without ';'", p.path)
		}
	}
	if cfg.CookieDomain != "" && (&http.Cookie{Name: "x", Domain: cfg.CookieDomain}).Valid() != nil {
		return invalid("CookieDomain", "is %q: it is not a domain", cfg.CookieDomain)
	}
	switch cfg.CookieSameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	case http.SameSiteNoneMode:
		if cfg.CookieInsecure {
			return invalid("CookieInsecure", "contradicts CookieSameSite None: browsers drop such cookies without Secure")
		}
	default:
		return invalid("CookieSameSite", "is %d: it must be Lax, Strict or None", cfg.CookieSameSite)
	}
	if cfg.CookiePrefix != PrefixAuto && cfg.CookiePrefix != PrefixNone {
		return invalid("CookiePrefix", "is %q: it must be %q or %q", cfg.CookiePrefix, PrefixAuto, PrefixNone)
	}
	for _, s := range []struct {
		field  string
		status int
	}{{"StatusTryRefresh", cfg.StatusTryRefresh}, {"StatusUnauthorised", cfg.StatusUnauthorised}, {"StatusTheft", cfg.StatusTheft}} {
		if s.status < 400 || s.status > 499 {
			return invalid(s.field, "is %d: it must be between 400 and 499", s.status)
		}
	}
	for _, o := range cfg.AllowedOrigins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Hostname() == "" || u.Scheme+"://"+u.Host != o || strings.ContainsFunc(o, notInOrigin) ||
			u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
			return invalid("AllowedOrigins", "has %q: an origin is scheme://host[:port] as browsers send it: in lower case, in ASCII, without"+
				" a path or a default port, and never with *", o)
		}
	}
	for _, h := range cfg.AllowedHeaders {
		if h == "" || strings.ContainsFunc(h, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' || r == ':' }) {
			return invalid("AllowedHeaders", "has %q: it is not a header name", h)
		}
	}
	return nil
}

func notInOrigin(r rune) bool { return r <= ' ' || r > '~' || r == '*' || r >= 'A' && r <= 'Z' }

// RefreshPath returns the path of the refresh endpoint.
func (c *Contract) RefreshPath() string { return c.cfg.RefreshPath }
