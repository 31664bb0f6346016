package wire

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// auditCookies is V3.3. It judges the cookies as they are set.
func (c *Contract) auditCookies() []session.Finding {
	findings := []session.Finding{c.auditSecure(), c.auditSameSite(), c.auditHostPrefix(), c.auditHTTPOnly(), c.auditCookieSize()}
	if detail, ok := c.cookieless(); ok {
		for i := range findings {
			f := &findings[i]
			f.Status, f.Fields, f.Detail, f.Tests = session.AuditMet, []string{"Transport"}, detail, []string{"session/wire.TestHeadersMeanNoCookies"}
		}
	}
	return findings
}

// auditSecure is 3.3.1.
func (c *Contract) auditSecure() session.Finding {
	f := session.Finding{
		Requirement: "3.3.1", Level: session.ASVSLevel1, Title: "cookies have Secure, and __Host- or __Secure- before their names",
		Status: session.AuditMet, Fields: []string{"Cookies.Insecure", "Cookies.Prefix"},
		Detail: "All have Secure, and those of access and refresh token a prefix. The id cookie has the name that scripts look for; it is no secret, and what it says is not looked at.",
		Tests:  []string{"session/wire.TestCookiesAreAsAudited", "session/wire.TestResponses", "session/wire.TestNewRefusesNonsense"},
	}
	switch {
	case c.cfg.Cookies.Insecure:
		f.Status, f.Fields, f.Detail = session.AuditViolated, []string{"Cookies.Insecure"}, "Cookies.Insecure leaves Secure off, and with it the prefixes."
	case prefixOf(c.cookies[accessCookie].Name) == "" || prefixOf(c.cookies[refreshCookie].Name) == "":
		f.Status, f.Fields = session.AuditViolated, []string{"Cookies.Prefix"}
		f.Detail = fmt.Sprintf("Cookies.Prefix is %q, and a name has none of its own.", c.cfg.Cookies.Prefix)
	}
	return f
}

// auditSameSite is 3.3.2.
func (c *Contract) auditSameSite() session.Finding {
	f := session.Finding{
		Requirement: "3.3.2", Level: session.ASVSLevel2, Title: "cookies have the SameSite that their purpose needs, against forged requests and framing",
		Status: session.AuditMet, Fields: []string{"Cookies.SameSite"}, Detail: "Other sites' pages cannot have them sent, but by a link with Lax.",
		Tests: []string{"session/wire.TestCookiesAreAsAudited", "session/wire.TestResponses"},
	}
	if c.cfg.Cookies.SameSite == http.SameSiteNoneMode {
		f.Status, f.Detail = session.AuditViolated, "Cookies.SameSite is None: any page has them sent along."
		if c.cfg.Cookies.Partitioned {
			f.Status, f.Fields = session.AuditDuty, []string{"Cookies.SameSite", "Cookies.Partitioned"}
			f.Detail = "Cookies.SameSite is None, for pages that embed this one: see to it that only those may that are meant to (frame-ancestors)."
		}
	}
	return f
}

// auditHostPrefix is 3.3.3. That a refresh cookie has its own path, which goes to one endpoint only, and that __Host- would have it sent
// everywhere, is what the application has to weigh. A path of the access cookie protects nothing from anybody.
func (c *Contract) auditHostPrefix() session.Finding {
	f := session.Finding{
		Requirement: "3.3.3", Level: session.ASVSLevel2, Title: "cookies have __Host- before their names, unless they are shared with other hosts by design",
		Status: session.AuditMet, Fields: []string{"Cookies.Domain", "Cookies.Path", "Cookies.RefreshPath"},
		Detail: "Those of access and refresh token have it. The id cookie has the name that scripts look for; it is no secret.",
		Tests:  []string{"session/wire.TestCookiesAreAsAudited", "session/wire.TestResponses", "session/wire.TestNewRefusesNonsense"},
	}
	cfg := c.cfg.Cookies
	if cfg.Domain != "" {
		f.Status, f.Fields = session.AuditDuty, []string{"Cookies.Domain"}
		f.Detail = fmt.Sprintf("Cookies.Domain shares them with every host below %s: see to it that this is by design.", cfg.Domain)
		return f
	}
	var violated, duties, details []string
	judge := func(k kind, what, name, pathField, path string) {
		switch prefix := prefixOf(c.cookies[k].Name); {
		case prefix == hostPrefix:
		case prefix == "" && cfg.Insecure:
			violated = append(violated, "Cookies.Insecure")
		case prefix == "":
			violated = append(violated, "Cookies.Prefix")
		case path == "/":
			violated = append(violated, name)
		case k == accessCookie:
			violated = append(violated, pathField)
		default:
			duties = append(duties, pathField)
			details = append(details, fmt.Sprintf("The %s cookie has __Secure- instead: %s, %s, keeps it from all other requests, and __Host- would have it sent with each. "+
				`Give a reason for that, or have RefreshPath "/".`, what, pathField, path))
		}
	}
	judge(accessCookie, "access", "Cookies.AccessName", "Cookies.Path", cfg.Path)
	judge(refreshCookie, "refresh", "Cookies.RefreshName", "Cookies.RefreshPath", cfg.RefreshPath)
	if c.formerWithoutHostPrefix() {
		duties = append(duties, "Former")
		details = append(details, "Cookies without it are taken by Former: drop the entry when the sessions of its time have ended.")
	}
	switch {
	case len(violated) > 0:
		if len(violated) == 2 && violated[0] == violated[1] {
			violated = violated[:1]
		}
		f.Status, f.Fields = session.AuditViolated, violated
		f.Detail = "A cookie lacks it, because of " + strings.Join(violated, " and ") + "."
	case len(duties) > 0:
		f.Status, f.Fields, f.Detail = session.AuditDuty, duties, strings.Join(details, " ")
	}
	return f
}

// formerWithoutHostPrefix reports whether access tokens are taken from a cookie that a neighbouring host can plant.
func (c *Contract) formerWithoutHostPrefix() bool {
	for _, n := range c.names {
		if n.kind == accessCookie && n.former && prefixOf(n.name) != hostPrefix {
			return true
		}
	}
	return false
}

// auditHTTPOnly is 3.3.4.
func (c *Contract) auditHTTPOnly() session.Finding {
	return session.Finding{
		Requirement: "3.3.4", Level: session.ASVSLevel2, Title: "a cookie that scripts need not read has HttpOnly, and its value comes in Set-Cookie alone",
		Status: session.AuditMet, Fields: []string{"Transport"},
		Detail: "Those of access and refresh token have it, and what is in a cookie is never answered in another header or a body, also where a script asks for headers. The id cookie is for scripts.",
		Tests:  []string{"session/wire.TestTokensOfCookiesStayThere", "session/wire.TestCookiesAreAsAudited", "session/wire.TestRequests"},
	}
}

// auditCookieSize is 3.3.5.
func (c *Contract) auditCookieSize() session.Finding {
	return session.Finding{
		Requirement: "3.3.5", Level: session.ASVSLevel3, Title: "no cookie is longer than the 4096 bytes that browsers keep",
		Status: session.AuditMet, Detail: "Attributes and all: a payload with which an access token would be longer is refused at Create.",
		Tests: []string{"session/wire.TestMaxAccessTokenFillsTheCookie", "session.TestCreateLimitHoldsForLaterTokens"},
	}
}
