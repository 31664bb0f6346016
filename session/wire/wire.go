// Package wire is the HTTP contract of sessions, once for all frameworks. A Contract says, as pure functions on http.Header, which
// cookies and headers carry the tokens, and which status and body each error gets. A Server binds it to a session.Manager and does
// for one request what adapters offer; they are thin over it.
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

// DefaultRefreshPath is the path of the refresh endpoint.
const DefaultRefreshPath = "/api/session/refresh"

// Config says how sessions travel. The zero value of a field means its documented default.
type Config struct {
	// Cookies are the cookies that carry a browser's tokens.
	Cookies Cookies
	// Former are cookies of earlier configurations, which browsers may still hold. They are taken like the present ones, and are
	// expired as soon as that costs nobody a session: whenever a cookie is set, its former places are emptied in the same
	// response. Keep an entry for as long as a session may live. Browsers show a refresh cookie only below its path: one whose
	// RefreshPath does not contain the present one needs the refresh endpoint there, too, meanwhile.
	Former []Cookies

	// Transport says how clients may carry their tokens; default TransportAny.
	Transport Transport

	// AntiCSRF says how a request with cookies proves that the application's own page sent it; default AntiCSRFFetchMetadata.
	AntiCSRF AntiCSRF
	// TrustedOrigins are origins (RFC 6454), such as "https://login.example.com", whose pages may send requests that change
	// something, beside the request's own host and AllowedOrigins. Default: none.
	TrustedOrigins []string
	// AntiCSRFBypass are requests of which any page may be the sender, as patterns of http.ServeMux: "POST /saml/acs". The token
	// of AntiCSRFToken and AntiCSRFBoth is asked for all the same where a session is. Default: none.
	AntiCSRFBypass []string

	// The statuses of session errors; default 401. The original's guides use 440 for all three, and so do front ends of
	// its time.
	StatusTryRefresh   int
	StatusUnauthorised int
	StatusTheft        int

	// AllowedOrigins are the origins whose pages may call across origins with cookies. Default: none.
	AllowedOrigins []string
	// AllowedHeaders are request headers that such calls may send beside Content-Type and the contract's own.
	AllowedHeaders []string

	// TrustedProxies are the proxies whose X-Forwarded-For is believed, as addresses ("10.0.0.1") or networks ("10.0.0.0/8",
	// "fd00::/8"); see Contract.Device. Name nothing but proxies: whatever else calls from such an address can pass for any
	// other. Default: none, so that a client's address is that of the connection.
	TrustedProxies []string

	// Strict has New refuse what violates a requirement of this level of OWASP ASVS 5.0.0, with an error that names requirement and field;
	// see Audit. session.Config has one of its own. Default: New takes what works.
	Strict session.ASVSLevel

	// OnFailure, if set, is told of every error that a Server answers to a client that is still there, for logging. Failures of
	// clients are frequent and are no reason for more than a debug line; status 500 and above are.
	OnFailure func(r *http.Request, status int, err error) `json:"-"`
}

// Contract is a validated Config. It is immutable and safe for concurrent use.
type Contract struct {
	cfg     Config
	cookies [kinds]http.Cookie   // templates
	former  [kinds][]http.Cookie // where earlier configurations had them
	longest int                  // access token that fits into its cookie
	names   []cookieName
	csrf    *http.CrossOriginProtection // nil with AntiCSRFNone
	bypass  *http.ServeMux              // what it lets pass
	origins map[string]bool
	headers string
	proxies []netip.Prefix
}

// New validates a Config. The error matches session.ErrInvalidConfig and names the field.
func New(cfg Config) (*Contract, error) {
	def(&cfg.Transport, TransportAny)
	def(&cfg.AntiCSRF, AntiCSRFFetchMetadata)
	def(&cfg.StatusTryRefresh, http.StatusUnauthorized)
	def(&cfg.StatusUnauthorised, http.StatusUnauthorized)
	def(&cfg.StatusTheft, http.StatusUnauthorized)
	cfg.Cookies = cfg.Cookies.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Contract{cfg: cfg, origins: map[string]bool{}}
	var err error
	if c.proxies, err = cfg.proxies(); err != nil {
		return nil, err
	}
	if c.csrf, err = cfg.crossOriginProtection(); err != nil {
		return nil, err
	}
	if c.bypass, err = cfg.bypass(); err != nil {
		return nil, err
	}
	if err := c.layCookies(); err != nil {
		return nil, err
	}
	for _, o := range cfg.AllowedOrigins {
		c.origins[o] = true
	}
	c.headers = strings.Join(append(RequestHeaders(), cfg.AllowedHeaders...), ", ")
	if c.longest = longestValue(c.cookies[accessCookie]); c.longest < 1024 {
		return nil, invalid("Cookies.Domain", "and Path leave too little of a cookie's %d bytes", maxCookie)
	}
	if err := c.strict(); err != nil {
		return nil, err
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
	if err := cfg.Cookies.validate("Cookies"); err != nil {
		return err
	}
	switch cfg.Transport {
	case TransportAny, TransportCookie, TransportHeader:
	default:
		return invalid("Transport", "is %q: it must be %q, %q or %q", cfg.Transport, TransportAny, TransportCookie, TransportHeader)
	}
	switch cfg.AntiCSRF {
	case AntiCSRFFetchMetadata, AntiCSRFToken, AntiCSRFBoth:
	case AntiCSRFNone:
		if cfg.Cookies.SameSite == http.SameSiteNoneMode {
			return invalid("AntiCSRF", "is %q, which contradicts Cookies.SameSite None: any page could act as the user", cfg.AntiCSRF)
		}
	default:
		return invalid("AntiCSRF", "is %q: it must be %q, %q, %q or %q", cfg.AntiCSRF,
			AntiCSRFFetchMetadata, AntiCSRFToken, AntiCSRFBoth, AntiCSRFNone)
	}
	for _, s := range []struct {
		field  string
		status int
	}{{"StatusTryRefresh", cfg.StatusTryRefresh}, {"StatusUnauthorised", cfg.StatusUnauthorised}, {"StatusTheft", cfg.StatusTheft}} {
		if s.status < 400 || s.status > 499 || s.status == http.StatusForbidden {
			return invalid(s.field, "is %d: it must be between 400 and 499, and not 403, which says that no refresh will help", s.status)
		}
	}
	for _, list := range []struct {
		field   string
		origins []string
	}{{"AllowedOrigins", cfg.AllowedOrigins}, {"TrustedOrigins", cfg.TrustedOrigins}} {
		for _, o := range list.origins {
			u, err := url.Parse(o)
			if err != nil || u.Scheme == "" || u.Hostname() == "" || u.Scheme+"://"+u.Host != o || strings.ContainsFunc(o, notInOrigin) ||
				u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
				return invalid(list.field, "has %q: an origin is scheme://host[:port] as browsers send it: in lower case, in ASCII, without"+
					" a path or a default port, and never with *", o)
			}
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
func (c *Contract) RefreshPath() string { return c.cfg.Cookies.RefreshPath }
