package token

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// leeway is how far a token's beginning may lie in the future; its end has none.
const leeway = 60 * time.Second

// claims are what the checks go by.
type claims struct {
	issuer, audience string
	issued, expires  time.Time // zero: missing, or no date
	sound            bool      // all is there that Watchword writes
}

// meanings are the claims of an access token, in the order in which they are shown.
var meanings = []struct{ name, meaning string }{
	{"iss", "the service that issued it"},
	{"aud", "the service that it is for"},
	{"sub", "the user's id"},
	{"sid", "the session's handle"},
	{"iat", "issued"},
	{"nbf", "not valid before"},
	{"exp", "expires"},
	{"sat", "the store's clock when it was issued"},
	{"auth_time", "when the user last proved who they are"},
	{"unc", "its refresh token is not known to have arrived"},
	{"rt", "names the refresh token that it came with; not shown"},
	{"csrf", "the anti-CSRF token that belongs to it; not shown"},
	{"payload", "the application's own"},
}

// secret are claims that are not repeated: what a request has to show beside the token, and a hash that the store knows a token by.
var secret = map[string]bool{"rt": true, "csrf": true}

// readClaims shows the claims and says what is wrong with them.
func (r *Report) readClaims(object map[string]json.RawMessage, opts Options) claims {
	dates := map[string]time.Time{}
	add := func(name, meaning string) {
		raw, ok := object[name]
		if !ok {
			return
		}
		f := Field{Name: name, Meaning: meaning}
		if !secret[name] {
			f.Value = raw
		}
		switch name {
		case "iat", "nbf", "exp", "auth_time", "sat":
			var at time.Time
			if at, ok = date(raw, name == "sat"); ok {
				dates[name] = at
				f.Meaning = fmt.Sprintf("%s: %s (%s)", meaning, at.Format(time.RFC3339), relative(at.Sub(opts.Now)))
			}
		}
		r.Claims = append(r.Claims, f)
	}
	known := map[string]bool{}
	for _, m := range meanings {
		known[m.name] = true
		add(m.name, m.meaning)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !known[name] {
			add(name, "")
		}
	}
	c := claims{issuer: text(object, "iss"), audience: text(object, "aud"), issued: dates["iat"], expires: dates["exp"]}
	c.sound = r.checkForm(object, dates)
	r.checkTimes(dates, opts.Now)
	r.checkParty("issuer", "iss", c.issuer, opts.Issuer)
	r.checkParty("audience", "aud", c.audience, opts.Audience)
	return c
}

// checkForm says what is missing that every access token of Watchword has.
func (r *Report) checkForm(object map[string]json.RawMessage, dates map[string]time.Time) bool {
	before := len(r.Problems)
	if r.Kind == KindJWT {
		return false // somebody else's, of which that was said
	}
	if text(object, "sub") == "" {
		r.problem("no_subject", "It names no user: the claim sub is missing, or empty.")
	}
	if _, err := session.ParseHandle(text(object, "sid")); err != nil {
		r.problem("no_session", "It names no session: the claim sid is missing, or no handle.")
	}
	if text(object, "rt") == "" {
		r.problem("no_refresh_token", "It does not say which refresh token it came with: the claim rt is missing.")
	}
	for _, name := range []string{"iat", "nbf", "exp"} {
		if _, ok := dates[name]; !ok {
			r.problem("no_date", "The claim "+name+" is missing, or no date.")
		}
	}
	if !dates["iat"].Equal(dates["nbf"]) {
		r.problem("dates_differ", "Its claims iat and nbf differ, and Watchword writes them alike.")
	}
	return len(r.Problems) == before
}

// checkTimes says whether it is valid now.
func (r *Report) checkTimes(dates map[string]time.Time, now time.Time) {
	if at, ok := dates["exp"]; ok && !now.Before(at) {
		text := fmt.Sprintf("It expired %s, at %s.", relative(at.Sub(now)), at.Format(time.RFC3339))
		if r.Kind == KindAccess {
			text += " Clients exchange their refresh token for a new one."
		}
		r.problem("expired", text)
	}
	for _, name := range []string{"iat", "nbf"} {
		if at, ok := dates[name]; ok && at.After(now.Add(leeway)) {
			r.problem("not_yet_valid", fmt.Sprintf(
				"It is not valid yet: it begins %s, at %s. Is the clock of whoever issued it fast, or this one slow?", relative(at.Sub(now)), at.Format(time.RFC3339)))
			return
		}
	}
}

// checkParty says whether issuer or audience are as asked for.
func (r *Report) checkParty(who, claim, got string, want *string) {
	switch {
	case want == nil || got == *want:
	case got == "":
		r.problem("wrong_"+who, fmt.Sprintf("It has no %s (%s), and should have %q.", who, claim, *want))
	case *want == "":
		r.problem("wrong_"+who, fmt.Sprintf("Its %s (%s) is %q, and it should have none.", who, claim, got))
	default:
		r.problem("wrong_"+who, fmt.Sprintf("Its %s (%s) is %q, and should be %q.", who, claim, got, *want))
	}
}

// date reads a NumericDate (RFC 7519, section 2), in seconds; sat is in milliseconds.
func date(raw json.RawMessage, milliseconds bool) (time.Time, bool) {
	var n float64
	const lastDate = 253402300799 // the end of the year 9999
	if err := json.Unmarshal(raw, &n); err != nil {
		return time.Time{}, false
	}
	if milliseconds {
		n /= 1000
	}
	if n <= 0 || n > lastDate {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(n * 1000))).UTC(), true
}

// relative is a distance from now as people say it.
func relative(d time.Duration) string {
	size := d.Abs()
	var said string
	switch {
	case size >= 48*time.Hour:
		said = fmt.Sprintf("%d days", size/(24*time.Hour))
	case size >= time.Minute:
		said = size.Truncate(time.Second).String()
	default:
		said = size.Truncate(time.Millisecond).String()
	}
	if d < 0 {
		return said + " ago"
	}
	return "in " + said
}
