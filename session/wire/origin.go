package wire

import (
	"fmt"
	"net/http"

	"github.com/watchword-dev/watchword/session"
)

// AntiCSRF says how a request with cookies proves that the application's own page sent it, and not one of somebody else (cross-site
// request forgery). It concerns requests that may change something, those that Create, Refresh and Logout get among them, and
// WebSocket handshakes. A failed check is ErrAntiCSRF: 403, and nothing is cleared. Clients of headers need none of it, since no
// browser adds those by itself.
type AntiCSRF string

// The anti-CSRF modes.
const (
	// AntiCSRFFetchMetadata refuses what a browser says to come from another origin: http.CrossOriginProtection, which looks at
	// Sec-Fetch-Site and Origin. The default.
	AntiCSRFFetchMetadata AntiCSRF = "fetch-metadata"
	// AntiCSRFToken binds a token into the access token, which the page has to send in the anti-csrf header, as the original does.
	// Login and refresh, for which a page may have no token, and logout beside its token, are checked as in
	// AntiCSRFFetchMetadata.
	AntiCSRFToken AntiCSRF = "token"
	// AntiCSRFBoth asks for both.
	AntiCSRFBoth AntiCSRF = "both"
	// AntiCSRFNone leaves it to SameSite cookies, or to the application.
	AntiCSRFNone AntiCSRF = "none"
)

func (cfg Config) crossOriginProtection() (*http.CrossOriginProtection, error) {
	if cfg.AntiCSRF == AntiCSRFNone {
		return nil, nil
	}
	p := http.NewCrossOriginProtection()
	for _, list := range [][]string{cfg.AllowedOrigins, cfg.TrustedOrigins} {
		for _, origin := range list {
			if err := p.AddTrustedOrigin(origin); err != nil {
				return nil, invalid("TrustedOrigins", "and AllowedOrigins have %q: %v", origin, err)
			}
		}
	}
	return p, nil
}

// bypassed marks the requests of AntiCSRFBypass. A router also has patterns for requests that it would redirect: those have another
// handler (CVE-2025-47910).
type bypassed struct{}

func (bypassed) ServeHTTP(http.ResponseWriter, *http.Request) {}

// bypass makes a router of AntiCSRFBypass, which serves nothing. It is not CrossOriginProtection's own, which does not get
// to see the method of a handshake.
func (cfg Config) bypass() (mux *http.ServeMux, err error) {
	if len(cfg.AntiCSRFBypass) == 0 {
		return nil, nil
	}
	mux = http.NewServeMux()
	pattern := ""
	defer func() {
		if problem := recover(); problem != nil { // how net/http refuses a pattern
			err = invalid("AntiCSRFBypass", "has %q: %v", pattern, problem)
		}
	}()
	for _, pattern = range cfg.AntiCSRFBypass {
		mux.Handle(pattern, bypassed{})
	}
	return mux, nil
}

// asksForToken reports whether browsers' access tokens are bound to an anti-CSRF token.
func (c *Contract) asksForToken() bool {
	return c.cfg.AntiCSRF == AntiCSRFToken || c.cfg.AntiCSRF == AntiCSRFBoth
}

// checkOrigin refuses a request that another origin's page has sent. It comes before everything else, and does not ask whether
// there are cookies: browsers withhold them from such a request, and would still take those of its response.
func (c *Contract) checkOrigin(r *http.Request) error {
	if c.csrf == nil {
		return nil
	}
	if c.bypass != nil {
		if h, _ := c.bypass.Handler(r); h == http.Handler(bypassed{}) {
			return nil
		}
	}
	if handshake := upgrade(r) && !mayChange(r.Method); handshake || r.Host == "" {
		checked := *r
		if handshake {
			// A WebSocket is opened by GET, by any page, and with cookies; what it carries afterwards may change something.
			checked.Method = http.MethodPost
		}
		if r.Host == "" {
			checked.Host = "." // no origin has this one; "null" would have none, as the request does
		}
		r = &checked
	}
	if err := c.csrf.Check(r); err != nil {
		return fmt.Errorf("%w: %w", session.ErrAntiCSRF, err)
	}
	return nil
}

// mayChange reports whether a method may change something (RFC 9110, section 9.2.1).
func mayChange(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

func upgrade(r *http.Request) bool { return len(r.Header["Upgrade"]) > 0 }
