package wire

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// Audit holds the configuration, with its defaults, against those requirements of OWASP ASVS 5.0.0 up to a level that concern cookies and
// browsers: sections V3.3, Cookie Setup, and V3.5, Browser Origin Separation, without 3.5.5 to 3.5.7, which are about pages and not about
// sessions. The rest is session.Config's.
//
// The error is that of New, whatever Strict says, or that of a level which does not exist.
func (cfg Config) Audit(level session.ASVSLevel) (session.AuditReport, error) {
	cfg.Strict = 0
	c, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return c.audit(level)
}

// strict refuses what Strict does not allow.
func (c *Contract) strict() error {
	if c.cfg.Strict == 0 {
		return nil
	}
	report, err := c.audit(c.cfg.Strict)
	if err != nil {
		return fmt.Errorf("%w: Strict is no level: %w", session.ErrInvalidConfig, err)
	}
	return report.Err()
}

func (c *Contract) audit(level session.ASVSLevel) (session.AuditReport, error) {
	return session.NewAuditReport(level, slices.Concat(c.auditCookies(), []session.Finding{
		c.auditForgery(), c.auditPreflight(), auditMethods(), c.auditHosts(), c.auditEmbedding(),
	})...)
}

// cookieless reports whether no browser's cookie ever stands for a session, and what to say then.
func (c *Contract) cookieless() (detail string, ok bool) {
	return fmt.Sprintf("Transport is %q: no cookie is set or read, and no browser adds tokens to a request by itself.", c.cfg.Transport), c.cfg.Transport == TransportHeader
}

// auditForgery is 3.5.1.
func (c *Contract) auditForgery() session.Finding {
	f := session.Finding{
		Requirement: "3.5.1", Level: session.ASVSLevel1, Title: "requests that do something are known to come from the application's own pages",
		Status: session.AuditMet, Fields: []string{"AntiCSRF"},
		Detail: fmt.Sprintf("AntiCSRF is %q: what another origin's page sends is refused, login, refresh, logout and handshakes included.", c.cfg.AntiCSRF),
		Tests:  []string{"session/wire.TestForgedRequestsAreRefused", "session/wire.TestOriginsWithoutAHost", "session/wire.FuzzHeaders"},
	}
	violated := func(field, detail string) session.Finding {
		f.Status, f.Fields, f.Detail = session.AuditViolated, []string{field}, detail
		return f
	}
	if detail, ok := c.cookieless(); ok {
		f.Fields, f.Detail, f.Tests = []string{"Transport"}, detail, []string{"session/wire.TestHeadersMeanNoCookies"}
		return f
	}
	if c.cfg.AntiCSRF == AntiCSRFNone {
		return violated("AntiCSRF", fmt.Sprintf("AntiCSRF is %q: nothing looks where a request comes from, and SameSite alone does not keep out pages of the same site.", c.cfg.AntiCSRF))
	}
	if pattern := everything(c.cfg.AntiCSRFBypass); pattern != "" {
		return violated("AntiCSRFBypass", fmt.Sprintf("AntiCSRFBypass has %q, which is every request.", pattern))
	}
	for _, list := range []struct {
		field   string
		origins []string
	}{{"TrustedOrigins", c.cfg.TrustedOrigins}, {"AllowedOrigins", c.cfg.AllowedOrigins}} {
		if at := slices.IndexFunc(list.origins, inTheClear); at >= 0 {
			return violated(list.field, fmt.Sprintf("%s has %q: whoever is on the way can be that page.", list.field, list.origins[at]))
		}
	}
	if len(c.cfg.AntiCSRFBypass) > 0 {
		f.Status, f.Fields = session.AuditDuty, []string{"AntiCSRFBypass"}
		f.Detail = fmt.Sprintf("AntiCSRFBypass lets any page send %s: see to it that those do no harm, or are known by something else.", strings.Join(c.cfg.AntiCSRFBypass, ", "))
	}
	return f
}

// everything returns a pattern that matches every path, if there is one.
func everything(patterns []string) string {
	at := slices.IndexFunc(patterns, func(pattern string) bool {
		slash := strings.IndexByte(pattern, '/')
		path := pattern[max(slash, 0):]
		return path == "/" || strings.HasPrefix(path, "/{") && strings.HasSuffix(path, "...}") && strings.Count(path, "/") == 1
	})
	if at < 0 {
		return ""
	}
	return patterns[at]
}

// inTheClear reports whether an origin's pages come without TLS, from another machine.
func inTheClear(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return err != nil
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err != nil || !address.Unmap().IsLoopback()
}

// auditPreflight is 3.5.2.
func (c *Contract) auditPreflight() session.Finding {
	f := session.Finding{
		Requirement: "3.5.2", Level: session.ASVSLevel1, Title: "what leaves other origins to CORS preflights cannot be called without one",
		Status: session.AuditMet, Fields: []string{"AntiCSRF"},
		Detail: "The check of 3.5.1 does without preflights. Only requests that bear tokens in headers are not checked, and those headers bring a preflight about.",
		Tests:  []string{"session/wire.TestForgedRequestsAreRefused", "session/wire.TestCORS"},
	}
	switch detail, ok := c.cookieless(); {
	case ok:
		f.Fields, f.Detail, f.Tests = []string{"Transport"}, detail, []string{"session/wire.TestHeadersMeanNoCookies", "session/wire.TestCORS"}
	case c.cfg.AntiCSRF == AntiCSRFNone:
		f.Status, f.Detail = session.AuditDuty, fmt.Sprintf("AntiCSRF is %q: if you count on preflights, refuse what comes without one.", c.cfg.AntiCSRF)
	}
	return f
}

// auditMethods is 3.5.3.
func auditMethods() session.Finding {
	return session.Finding{
		Requirement: "3.5.3", Level: session.ASVSLevel1, Title: "what does something is asked for by POST, PUT, PATCH or DELETE, not by a safe method",
		Status: session.AuditDuty, Detail: "Refresh and logout answer POST alone. Have no GET, HEAD or OPTIONS of yours do anything: only handshakes are checked among them.",
		Tests: []string{"session/wire.TestEndpointsAnswerPostAlone", "session/wire.TestForgedRequestsAreRefused"},
	}
}

// auditHosts is 3.5.4.
func (c *Contract) auditHosts() session.Finding {
	f := session.Finding{
		Requirement: "3.5.4", Level: session.ASVSLevel2, Title: "separate applications have host names of their own",
		Status: session.AuditDuty, Detail: "Give each one its own; cookies are of the host alone, and its paths separate nothing.",
	}
	if _, cookieless := c.cookieless(); !cookieless && c.cfg.Cookies.Domain != "" {
		f.Fields, f.Detail = []string{"Cookies.Domain"}, fmt.Sprintf("Give each one its own; but all below %s get the cookies of this one.", c.cfg.Cookies.Domain)
	}
	return f
}

// auditEmbedding is 3.5.8.
func (c *Contract) auditEmbedding() session.Finding {
	f := session.Finding{
		Requirement: "3.5.8", Level: session.ASVSLevel3, Title: "other pages embed what is the user's where that is meant alone",
		Status: session.AuditDuty, Fields: []string{"Cookies.SameSite"},
		Detail: "Pages of other sites get no cookie along with what they embed; of other origins of the same site they do. Send Cross-Origin-Resource-Policy, or look at Sec-Fetch-Site, for GET as well.",
		Tests:  []string{"session/wire.TestCookiesAreAsAudited"},
	}
	if detail, ok := c.cookieless(); ok {
		f.Status, f.Fields, f.Detail, f.Tests = session.AuditMet, []string{"Transport"}, detail, []string{"session/wire.TestHeadersMeanNoCookies"}
	} else if c.cfg.Cookies.SameSite == http.SameSiteNoneMode {
		f.Detail = "Pages of any site get the cookies along with what they embed. Send Cross-Origin-Resource-Policy, or look at Sec-Fetch-Site, for GET as well."
	}
	return f
}
