package wire_test

import (
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

func audited(t *testing.T, cfg wire.Config) session.AuditReport {
	t.Helper()
	report, err := cfg.Audit(session.ASVSLevel3)
	if err != nil {
		t.Fatalf("Audit: %v", err)
	}
	return report
}

// asvs are the requirements of sections V3.3 and V3.5 of OWASP ASVS 5.0.0, with their levels; negative: about something else than sessions,
// and not audited.
var asvs = map[string]session.ASVSLevel{
	"3.3.1": 1, "3.3.2": 2, "3.3.3": 2, "3.3.4": 2, "3.3.5": 3,
	"3.5.1": 1, "3.5.2": 1, "3.5.3": 1, "3.5.4": 2, "3.5.8": 3,
	"3.5.5": -2, // postMessage between windows
	"3.5.6": -3, // JSONP
	"3.5.7": -3, // data within scripts
}

// TestAuditOfTheDefaults: nothing is violated, no requirement is missing, the report is the golden one, and each test that it names exists.
func TestAuditOfTheDefaults(t *testing.T) {
	t.Parallel()
	report := audited(t, wire.Config{})
	if report.Err() != nil {
		t.Errorf("got %v", report.Err())
	}
	if _, err := wire.New(wire.Config{Strict: session.ASVSLevel2}); err != nil {
		t.Errorf("New: %v", err)
	}
	last := ""
	for _, f := range report {
		if asvs[f.Requirement] != f.Level || f.Requirement <= last {
			t.Errorf("%s is of %v, after %q; want %v", f.Requirement, f.Level, last, asvs[f.Requirement])
		}
		last = f.Requirement
	}
	want := 0
	for _, level := range asvs {
		if level > 0 {
			want++
		}
	}
	if len(report) != want {
		t.Errorf("got %d requirements, want %d", len(report), want)
	}
	raw, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string]string{"testdata/audit/config.txt": report.String(), "testdata/audit/config.json": string(raw) + "\n"} {
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v; go test -update writes what the audit says now:\n%s", file, err, got)
		}
	}
}

// testsOf are the names of the tests of this package and of session, as reports have them.
var testsOf = sync.OnceValue(func() map[string]bool {
	names, function := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for pkg, dir := range map[string]string{"session/wire": ".", "session": ".."} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			panic(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				panic(err)
			}
			for _, found := range function.FindAllSubmatch(source, -1) {
				names[pkg+"."+string(found[1])] = true
			}
		}
	}
	return names
})

// sound asserts what holds for every report: what it says of Watchword has a test, and every test that it names exists.
func sound(t *testing.T, report session.AuditReport) {
	t.Helper()
	for _, f := range report {
		if f.Status == session.AuditMet && len(f.Tests) == 0 || f.Status == session.AuditViolated && len(f.Fields) == 0 || f.Title == "" || !strings.HasSuffix(f.Detail, ".") {
			t.Errorf("%s lacks a part: %+v", f.Requirement, f)
		}
		for _, test := range f.Tests {
			if !testsOf()[test] {
				t.Errorf("%s is held by %s, which does not exist", f.Requirement, test)
			}
		}
	}
}

type statuses = map[string]session.AuditStatus

const (
	met      = session.AuditMet
	violated = session.AuditViolated
	duty     = session.AuditDuty
)

// auditFlips: a change of one field changes these findings, and no others. Those that come to be violated name the field.
var auditFlips = []struct {
	field string
	base  wire.Config
	value any
	want  statuses
}{
	// Without Secure there is no prefix, and without a prefix no __Host-.
	{"Cookies.Insecure", wire.Config{}, true, statuses{"3.3.1": violated, "3.3.3": violated}},
	{"Cookies.Prefix", wire.Config{}, wire.PrefixNone, statuses{"3.3.1": violated, "3.3.3": violated}},
	{"Cookies.Prefix", cookies(wire.Cookies{AccessName: "__Host-a", RefreshName: "__Secure-r"}), wire.PrefixNone, statuses{}},
	{"Cookies.SameSite", wire.Config{}, http.SameSiteStrictMode, statuses{}},
	{"Cookies.SameSite", wire.Config{}, http.SameSiteNoneMode, statuses{"3.3.2": violated, "3.5.8": duty}},
	{"Cookies.Partitioned", cookies(wire.Cookies{SameSite: http.SameSiteNoneMode}), true, statuses{"3.3.2": duty}},
	{"Cookies.Partitioned", wire.Config{}, true, statuses{}},
	{"Cookies.Domain", wire.Config{}, "example.com", statuses{"3.3.3": duty, "3.5.4": duty}},
	{"Cookies.Path", wire.Config{}, "/app", statuses{"3.3.3": violated}},
	{"Cookies.RefreshPath", wire.Config{}, "/", statuses{"3.3.3": met}},
	{"Cookies.RefreshPath", wire.Config{}, "/refresh", statuses{"3.3.3": duty}},
	{"Cookies.AccessName", wire.Config{}, "__Secure-a", statuses{"3.3.3": violated}},
	{"Cookies.AccessName", wire.Config{}, "a", statuses{}},
	{"Cookies.RefreshName", cookies(wire.Cookies{RefreshPath: "/"}), "__Secure-r", statuses{"3.3.3": violated}},
	{"Cookies.RefreshName", wire.Config{}, "__Secure-r", statuses{}},
	{"Former", wire.Config{}, []wire.Cookies{{Prefix: wire.PrefixNone}}, statuses{"3.3.3": duty}},
	{"Former", cookies(wire.Cookies{RefreshPath: "/"}), []wire.Cookies{{Domain: "example.com"}}, statuses{"3.3.3": duty}},
	{"Former", wire.Config{}, []wire.Cookies{{RefreshPath: "/old"}}, statuses{}},
	{"Transport", wire.Config{}, wire.TransportCookie, statuses{}},
	{
		"Transport", wire.Config{}, wire.TransportHeader,
		statuses{"3.3.1": met, "3.3.2": met, "3.3.3": met, "3.3.4": met, "3.3.5": met, "3.5.1": met, "3.5.2": met, "3.5.8": met},
	},
	{
		"Transport", wire.Config{Cookies: wire.Cookies{Insecure: true, Domain: "example.com"}, AntiCSRF: wire.AntiCSRFNone}, wire.TransportHeader,
		statuses{"3.3.1": met, "3.3.2": met, "3.3.3": met, "3.3.4": met, "3.3.5": met, "3.5.1": met, "3.5.2": met, "3.5.4": duty, "3.5.8": met},
	},
	{"AntiCSRF", wire.Config{}, wire.AntiCSRFNone, statuses{"3.5.1": violated, "3.5.2": duty}},
	{"AntiCSRF", wire.Config{}, wire.AntiCSRFToken, statuses{"3.5.1": met}},
	{"AntiCSRF", wire.Config{}, wire.AntiCSRFBoth, statuses{"3.5.1": met}},
	{"AntiCSRFBypass", wire.Config{}, []string{"POST /saml/acs"}, statuses{"3.5.1": duty}},
	{"AntiCSRFBypass", wire.Config{}, []string{"/app/"}, statuses{"3.5.1": duty}},
	{"AntiCSRFBypass", wire.Config{}, []string{"POST /a", "POST /"}, statuses{"3.5.1": violated}},
	{"AntiCSRFBypass", wire.Config{}, []string{"/{all...}"}, statuses{"3.5.1": violated}},
	{"AntiCSRFBypass", wire.Config{}, []string{"example.com/"}, statuses{"3.5.1": violated}},
	{"TrustedOrigins", wire.Config{}, []string{"https://login.example.com", "http://login.example.com"}, statuses{"3.5.1": violated}},
	{"TrustedOrigins", wire.Config{}, []string{"https://login.example.com", "http://localhost:5173", "http://127.0.0.1:5173", "http://[::1]"}, statuses{}},
	{"AllowedOrigins", wire.Config{}, []string{"http://127.0.0.1.example.com"}, statuses{"3.5.1": violated}},
	{"AllowedOrigins", wire.Config{}, []string{"https://app.example.com"}, statuses{}},
}

// unauditedFields change nothing in a report, whatever they are: here to something else, and why that is.
var unauditedFields = map[string]struct {
	value any
	why   string
}{
	"Cookies.IDName":     {"id", "the id cookie is for scripts, and no secret"},
	"StatusTryRefresh":   {440, "what a refusal looks like"},
	"StatusUnauthorised": {440, "what a refusal looks like"},
	"StatusTheft":        {440, "what a refusal looks like"},
	"AllowedHeaders":     {[]string{"x-mine"}, "for pages of AllowedOrigins alone, which may do more anyhow"},
	"TrustedProxies":     {[]string{"10.0.0.1"}, "which address is kept of a client is V4's (4.1.3); nothing is decided by it"},
	"Strict":             {session.ASVSLevel1, "it says what New makes of the report"},
	"OnFailure":          {func(*http.Request, int, error) {}, "logging is V16's"},
}

func with(base wire.Config, field string, value any) wire.Config {
	v := reflect.ValueOf(&base).Elem()
	for name := range strings.SplitSeq(field, ".") {
		v = v.FieldByName(name)
	}
	v.Set(reflect.ValueOf(value).Convert(v.Type()))
	return base
}

func changes(before, after session.AuditReport) statuses {
	changed := statuses{}
	for i := range before {
		if !reflect.DeepEqual(before[i], after[i]) {
			changed[after[i].Requirement] = after[i].Status
		}
	}
	return changed
}

// TestAuditOfEachField: flipping any one field yields exactly its requirements, and what has nothing to do with any changes nothing.
func TestAuditOfEachField(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, flip := range auditFlips {
		known[flip.field] = true
		after := audited(t, with(flip.base, flip.field, flip.value))
		sound(t, after)
		if got := changes(audited(t, flip.base), after); !reflect.DeepEqual(got, flip.want) {
			t.Errorf("%s = %v: got %v, want %v", flip.field, flip.value, got, flip.want)
		}
		for _, f := range after.Violations() {
			if flip.want[f.Requirement] == violated && !slices.Contains(f.Fields, flip.field) {
				t.Errorf("%s = %v: %s names %v", flip.field, flip.value, f.Requirement, f.Fields)
			}
		}
	}
	for field, other := range unauditedFields {
		if known[field] || other.why == "" {
			t.Errorf("%s is twice in the lists, or for no reason", field)
		}
		known[field] = true
		if got := changes(audited(t, wire.Config{}), audited(t, with(wire.Config{}, field, other.value))); len(got) > 0 {
			t.Errorf("%s = %v: got %v, want no change: %s", field, other.value, got, other.why)
		}
	}
	for _, config := range []struct {
		prefix string
		fields []reflect.StructField
	}{{"", reflect.VisibleFields(reflect.TypeFor[wire.Config]())}, {"Cookies.", reflect.VisibleFields(reflect.TypeFor[wire.Cookies]())}} {
		for _, field := range config.fields {
			if name := config.prefix + field.Name; !known[name] && name != "Cookies" {
				t.Errorf("what does the audit make of %s?", name)
			}
		}
	}
}

// TestStrictRefuses: what Audit calls a violation New refuses under Strict of that level or above, and nothing else.
func TestStrictRefuses(t *testing.T) {
	t.Parallel()
	for _, flip := range auditFlips {
		for level := session.ASVSLevel1; level <= session.ASVSLevel3; level++ {
			cfg := with(flip.base, flip.field, flip.value)
			cfg.Strict = level
			report, err := cfg.Audit(level)
			if err != nil {
				t.Fatal(err)
			}
			c, err := wire.New(cfg)
			bad := report.Violations()
			if (c == nil) != (len(bad) > 0) || (err != nil) != (len(bad) > 0) || err != nil && !errors.Is(err, session.ErrInvalidConfig) {
				t.Errorf("%s = %v, %v: got %v, want an error for %v", flip.field, flip.value, level, err, bad)
			}
			for _, f := range bad {
				if text := err.Error(); !strings.Contains(text, " "+f.Fields[0]+" ") || !strings.Contains(text, " "+f.Requirement+" ") {
					t.Errorf("%s = %v, %v: got %v, want one that names %s and %v", flip.field, flip.value, level, err, f.Requirement, f.Fields)
				}
			}
		}
	}
	for _, level := range []session.ASVSLevel{-1, 4} {
		if _, err := wire.New(wire.Config{Strict: level}); !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), ": Strict ") {
			t.Errorf("Strict = %d: got %v", level, err)
		}
		if report, err := (wire.Config{}).Audit(level); err == nil {
			t.Errorf("level %d: got %v, want an error", level, report)
		}
	}
	if report, err := (wire.Config{Transport: "pigeon"}).Audit(session.ASVSLevel1); report != nil || !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("an invalid configuration: got %v, %v", report, err)
	}
}

// TestCookiesAreAsAudited: whatever the configuration, what the report says of V3.3 is what a browser gets to see.
func TestCookiesAreAsAudited(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	each(func(cfg wire.Config) {
		c, err := wire.New(cfg)
		if err != nil {
			return // contradicts itself
		}
		h := http.Header{}
		c.SetTokens(h, wire.TransportCookie, tokensOf(time.Now()))
		got := map[string]session.AuditStatus{}
		for _, f := range audited(t, cfg) {
			got[f.Requirement] = f.Status
		}
		want := judge(t, h["Set-Cookie"], cfg)
		for requirement, status := range want {
			seen[requirement+" "+string(status)]++
			if got[requirement] != status {
				t.Fatalf("%s: the report says %s, and a browser %s, of %q", requirement, got[requirement], status, h["Set-Cookie"])
			}
		}
	})
	for _, want := range []string{
		"3.3.1 met", "3.3.1 violated", "3.3.2 met", "3.3.2 violated", "3.3.2 application_duty", "3.3.3 met", "3.3.3 violated", "3.3.3 application_duty", "3.3.4 met",
	} {
		if seen[want] == 0 {
			t.Errorf("no configuration has %s: %v", want, seen)
		}
	}
}

// each calls f with every configuration of cookies.
func each(f func(wire.Config)) {
	flags := []bool{false, true}
	for _, insecure := range flags {
		for _, partitioned := range flags {
			for _, prefix := range []wire.Prefix{wire.PrefixAuto, wire.PrefixNone} {
				for _, site := range []http.SameSite{http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode} {
					for _, domain := range []string{"", "example.com"} {
						for _, paths := range [][2]string{{}, {"/app", ""}, {"", "/"}, {"/app", "/"}} {
							for _, names := range [][2]string{{}, {"__Host-a", "r"}, {"__Secure-a", "__Secure-r"}, {"a", "__Secure-r"}} {
								f(cookies(wire.Cookies{
									Insecure: insecure, Partitioned: partitioned, Prefix: prefix, SameSite: site, Domain: domain,
									Path: paths[0], RefreshPath: paths[1], AccessName: names[0], RefreshName: names[1],
								}))
							}
						}
					}
				}
			}
		}
	}
}

// judge holds the cookies of access and refresh token against V3.3, and the one of the id against what is asked of all.
func judge(t *testing.T, lines []string, cfg wire.Config) statuses {
	t.Helper()
	var secret []*http.Cookie
	got := statuses{"3.3.1": met, "3.3.2": met, "3.3.3": met, "3.3.4": met}
	for _, line := range lines {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if !cookie.Secure {
			got["3.3.1"] = violated
		}
		if cookie.SameSite == http.SameSiteNoneMode {
			got["3.3.2"] = violated
			if cookie.Partitioned {
				got["3.3.2"] = duty
			}
		}
		if cookie.Value == "A" || cookie.Value == "R" {
			secret = append(secret, cookie)
		}
	}
	if len(lines) != 3 || len(secret) != 2 {
		t.Fatalf("got the cookies %q", lines)
	}
	for _, cookie := range secret {
		host, secure := strings.HasPrefix(cookie.Name, "__Host-"), strings.HasPrefix(cookie.Name, "__Secure-")
		if !host && !secure {
			got["3.3.1"] = violated
		}
		if !cookie.HttpOnly {
			got["3.3.4"] = violated
		}
		switch {
		case host || got["3.3.3"] == violated:
		case cookie.Domain != "", secure && cookie.Value == "R" && cookie.Path != "/": // by design
			got["3.3.3"] = duty
		default:
			got["3.3.3"] = violated
		}
	}
	if cfg.Cookies.Domain != "" {
		got["3.3.3"] = duty
	}
	return got
}
