package config

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// values holds, for every setting, what it reads and what it refuses.
var values = []struct {
	name string
	good map[string]func(Config) bool
	bad  []string
}{
	{"ADDR", map[string]func(Config) bool{
		"[::1]:0": func(c Config) bool { return c.Addr == "[::1]:0" },
		":80":     func(c Config) bool { return c.Addr == ":80" && !c.Wire.Cookies.Insecure },
	}, []string{"127.0.0.1", "8080", "127.0.0.1:http", "127.0.0.1:70000", "::1:80"}},
	{"METRICS_ADDR", map[string]func(Config) bool{
		"127.0.0.1:9464": func(c Config) bool { return c.MetricsAddr == "127.0.0.1:9464" && c.Addr == "127.0.0.1:8080" },
	}, []string{"127.0.0.1", "9464", "127.0.0.1:70000"}},
	{"WEB", map[string]func(Config) bool{
		"/srv/web": func(c Config) bool { return c.Web == "/srv/web" },
	}, nil},
	{"MYSQL_DSN", map[string]func(Config) bool{
		"u:p@tcp(db:3306)/app": func(c Config) bool { return c.MySQLDSN == "u:p@tcp(db:3306)/app" },
	}, []string{"hunter2", "u:hunter2@tcp(db:3306)", "u:hunter2@tcp(db:3306)/", "u:hunter2@db/app", "mysql://u:hunter2@db/app", "u:p@hunter2/app"}},
	{"MYSQL_MAX_CONNS", map[string]func(Config) bool{
		"1":  func(c Config) bool { return c.MySQLMaxConns == 1 },
		"64": func(c Config) bool { return c.MySQLMaxConns == 64 },
	}, []string{"0", "-1", "1.5", "many", "99999999999999999999"}},
	{"TABLE_PREFIX", map[string]func(Config) bool{
		"app_1": func(c Config) bool { return c.TablePrefix == "app_1" },
	}, []string{"a-b", "a`", "a b", strings.Repeat("a", 33)}},
	{"ACCESS_LIFETIME", map[string]func(Config) bool{
		"90s": func(c Config) bool { return c.Session.AccessLifetime == 90*time.Second },
	}, []string{"0", "-1s", "15", "15 minutes"}},
	{"IDLE_LIFETIME", map[string]func(Config) bool{
		"2h": func(c Config) bool { return c.Session.IdleLifetime == 2*time.Hour },
	}, []string{"0", "-1s", "30d"}},
	{"ABSOLUTE_LIFETIME", map[string]func(Config) bool{
		"9000h": func(c Config) bool { return c.Session.AbsoluteLifetime == 9000*time.Hour },
	}, []string{"0", "-1s", "x"}},
	{"GRACE", map[string]func(Config) bool{
		"3s": func(c Config) bool { return c.Session.Grace == 3*time.Second && c.Grace() == 3*time.Second },
		"0":  func(c Config) bool { return c.Session.Grace == session.NoGrace && c.Grace() == 0 },
		"0s": func(c Config) bool { return c.Session.Grace == session.NoGrace },
	}, []string{"-1ns", "-1s", "ten"}},
	{"THEFT", map[string]func(Config) bool{
		"revoke":      func(c Config) bool { return c.Session.Theft == session.TheftRevoke },
		"revoke_user": func(c Config) bool { return c.Session.Theft == session.TheftRevokeUser },
		"report":      func(c Config) bool { return c.Session.Theft == session.TheftReport },
	}, []string{"Revoke", "ignore"}},
	{"REVOCATION", map[string]func(Config) bool{
		"feed":   func(c Config) bool { return c.Session.Revocation == session.RevocationFeed },
		"strict": func(c Config) bool { return c.Session.Revocation == session.RevocationStrict },
		"off":    func(c Config) bool { return c.Session.Revocation == session.RevocationOff },
	}, []string{"on", "none"}},
	{"FEED_INTERVAL", map[string]func(Config) bool{
		"250ms": func(c Config) bool { return c.Session.FeedInterval == 250*time.Millisecond },
	}, []string{"0", "-1s", "1"}},
	{"MAX_FEED_AGE", map[string]func(Config) bool{
		"1m": func(c Config) bool { return c.Session.MaxFeedAge == time.Minute },
	}, []string{"0", "-1s", "old"}},
	{"STALE_FEED", map[string]func(Config) bool{
		"accept": func(c Config) bool { return c.Session.StaleFeed == session.StaleFeedAccept },
		"refuse": func(c Config) bool { return c.Session.StaleFeed == session.StaleFeedRefuse },
	}, []string{"deny"}},
	{"ENDING_RETENTION", map[string]func(Config) bool{
		"48h": func(c Config) bool { return c.Session.EndingRetention == 48*time.Hour },
		"0":   func(c Config) bool { return c.Session.EndingRetention == session.NoEndings },
	}, []string{"-1ns", "-48h", "2d"}},
	{"DEVICES", map[string]func(Config) bool{
		"full":   func(c Config) bool { return c.Session.Devices == session.DeviceFull },
		"coarse": func(c Config) bool { return c.Session.Devices == session.DeviceCoarse },
		"none":   func(c Config) bool { return c.Session.Devices == session.DeviceNone },
	}, []string{"all", "0"}},
	{"TRUSTED_PROXIES", map[string]func(Config) bool{
		"10.0.0.0/8, ::1,": func(c Config) bool { return fmt.Sprint(c.Wire.TrustedProxies) == "[10.0.0.0/8 ::1]" },
	}, nil},
	{"MAX_SESSIONS", map[string]func(Config) bool{
		"3": func(c Config) bool { return c.Session.MaxSessions == 3 },
		"0": func(c Config) bool { return c.Session.MaxSessions == 0 },
	}, []string{"-1", "many", "1.5", "99999999999999999999"}},
	{"ON_LIMIT", map[string]func(Config) bool{
		"end_oldest": func(c Config) bool { return c.Session.OnLimit == session.LimitEndOldest },
		"refuse":     func(c Config) bool { return c.Session.OnLimit == session.LimitRefuse },
	}, []string{"end_newest"}},
	{"ANTI_CSRF", map[string]func(Config) bool{
		"token": func(c Config) bool { return c.Wire.AntiCSRF == wire.AntiCSRFToken },
		"none":  func(c Config) bool { return c.Wire.AntiCSRF == wire.AntiCSRFNone },
	}, []string{"Token", "1", "auto"}},
	{"ALGORITHM", map[string]func(Config) bool{
		"EdDSA": func(c Config) bool { return c.Session.Algorithm == session.EdDSA },
		"RS256": func(c Config) bool { return c.Session.Algorithm == session.RS256 },
	}, []string{"none", "eddsa", "PS256"}},
	{"KEY_ROTATION", map[string]func(Config) bool{
		"48h": func(c Config) bool { return c.Session.AccessKeyRotation == 48*time.Hour },
		"0":   func(c Config) bool { return c.Session.AccessKeyRotation == session.NoRotation },
	}, []string{"-1h", "daily"}},
	{"REFRESH_KEY_ROTATION", map[string]func(Config) bool{
		"1000h": func(c Config) bool { return c.Session.RefreshKeyRotation == 1000*time.Hour },
	}, []string{"-1h"}},
	{"KEY_PROPAGATION", map[string]func(Config) bool{
		"10m": func(c Config) bool { return c.Session.KeyPropagation == 10*time.Minute },
	}, []string{"0", "-1s"}},
	{"KEY_POLL_INTERVAL", map[string]func(Config) bool{
		"10s": func(c Config) bool { return c.Session.KeyPollInterval == 10*time.Second },
	}, []string{"0"}},
	{"KEY_ENCRYPTION", map[string]func(Config) bool{
		"1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=": func(c Config) bool {
			return c.Session.KeyEncryption != nil && c.Session.AcceptUnsealedKeys
		},
		"2:BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, 1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=": func(c Config) bool {
			return c.Session.KeyEncryption != nil
		},
	}, []string{"hunter2", "1:hunter2", "1:aHVudGVyMg==", "x:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}},
	{"COOKIE_DOMAIN", map[string]func(Config) bool{
		"example.com": func(c Config) bool { return c.Wire.Cookies.Domain == "example.com" },
	}, nil},
	{"COOKIE_SECURE", map[string]func(Config) bool{
		"true":  func(c Config) bool { return !c.Wire.Cookies.Insecure },
		"1":     func(c Config) bool { return !c.Wire.Cookies.Insecure },
		"false": func(c Config) bool { return c.Wire.Cookies.Insecure },
	}, []string{"yes", "auto"}},
	{"COOKIE_SAMESITE", map[string]func(Config) bool{
		"lax":    func(c Config) bool { return c.Wire.Cookies.SameSite == http.SameSiteLaxMode },
		"strict": func(c Config) bool { return c.Wire.Cookies.SameSite == http.SameSiteStrictMode },
		"none":   func(c Config) bool { return c.Wire.Cookies.SameSite == http.SameSiteNoneMode },
	}, []string{"Lax", "off"}},
	{"COOKIE_PATH", map[string]func(Config) bool{
		"/api": func(c Config) bool { return c.Wire.Cookies.Path == "/api" },
	}, []string{"api", "/elsewhere", "/ap"}},
	{"COOKIE_PREFIX", map[string]func(Config) bool{
		"auto": func(c Config) bool { return c.Wire.Cookies.Prefix == wire.PrefixAuto },
		"none": func(c Config) bool { return c.Wire.Cookies.Prefix == wire.PrefixNone },
	}, []string{"__Host-"}},
	{"STATUS_TRY_REFRESH", map[string]func(Config) bool{
		"440": func(c Config) bool { return c.Wire.StatusTryRefresh == 440 },
	}, []string{"0", "399", "500", "4e2"}},
	{"STATUS_UNAUTHORISED", map[string]func(Config) bool{
		"400": func(c Config) bool { return c.Wire.StatusUnauthorised == 400 },
	}, []string{"200", "unauthorised"}},
	{"STATUS_THEFT", map[string]func(Config) bool{
		"499": func(c Config) bool { return c.Wire.StatusTheft == 499 },
	}, []string{"-440", "501"}},
	{"ALLOWED_ORIGINS", map[string]func(Config) bool{
		"https://a.example, https://b.example:8443,": func(c Config) bool {
			return fmt.Sprint(c.Wire.AllowedOrigins) == "[https://a.example https://b.example:8443]"
		},
	}, nil},
	{"PROOF_LIFETIME", map[string]func(Config) bool{
		"90s": func(c Config) bool { return c.ProofAge == 90*time.Second },
	}, []string{"0", "-1s", "5"}},
	{"CLEANUP_INTERVAL", map[string]func(Config) bool{
		"1m": func(c Config) bool { return c.Session.CleanupInterval == time.Minute },
		"0":  func(c Config) bool { return c.Session.CleanupInterval == session.NoCleanup },
	}, []string{"-1m", "hourly"}},
	{"DEMO_OPEN_LOGIN", map[string]func(Config) bool{
		"1": func(c Config) bool { return c.OpenLogin },
		"0": func(c Config) bool { return !c.OpenLogin },
	}, []string{"on", "2"}},
	{"DEMO_LAB", map[string]func(Config) bool{
		"1": func(c Config) bool { return c.Lab },
		"0": func(c Config) bool { return !c.Lab },
	}, []string{"yes", "2"}},
}

func TestEverySettingReadsAndRefuses(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, v := range values {
		tested[v.name] = true
		for value, is := range v.good {
			cfg, err := Parse([]string{"WATCHWORD_" + v.name + "=" + value})
			if err != nil || !is(cfg) {
				t.Errorf("%s=%s: got %+v, %v", v.name, value, cfg, err)
			}
		}
		for _, value := range v.bad {
			_, err := Parse([]string{"WATCHWORD_" + v.name + "=" + value})
			if err == nil || !strings.Contains(err.Error(), "WATCHWORD_"+v.name+" ") {
				t.Errorf("%s=%s: got error %v, want one that names the variable", v.name, value, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s=%s: the error shows the password: %v", v.name, value, err)
			}
		}
	}
	for _, s := range settings {
		if !tested[s.name] {
			t.Errorf("%s is not tested", s.name)
		}
	}
}

func TestSettingsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	want := strings.Fields(`ADDR METRICS_ADDR WEB MYSQL_DSN MYSQL_MAX_CONNS TABLE_PREFIX ACCESS_LIFETIME IDLE_LIFETIME ABSOLUTE_LIFETIME GRACE
		THEFT REVOCATION FEED_INTERVAL MAX_FEED_AGE STALE_FEED ENDING_RETENTION DEVICES TRUSTED_PROXIES MAX_SESSIONS ON_LIMIT
		ANTI_CSRF ALGORITHM KEY_ROTATION REFRESH_KEY_ROTATION KEY_PROPAGATION KEY_POLL_INTERVAL KEY_ENCRYPTION
		COOKIE_DOMAIN COOKIE_SECURE COOKIE_SAMESITE COOKIE_PATH COOKIE_PREFIX STATUS_TRY_REFRESH STATUS_UNAUTHORISED
		STATUS_THEFT ALLOWED_ORIGINS PROOF_LIFETIME CLEANUP_INTERVAL DEMO_OPEN_LOGIN DEMO_LAB`)
	help := Help()
	listed := regexp.MustCompile(`(?m)^  WATCHWORD_(\w+)`).FindAllStringSubmatch(help, -1)
	if len(listed) != len(want) {
		t.Errorf("--help lists %d settings, want %d", len(listed), len(want))
	}
	for _, name := range want {
		if !regexp.MustCompile(`(?m)^  WATCHWORD_` + name + `  \S.*\n      \S`).MatchString(help) {
			t.Errorf("--help does not list WATCHWORD_%s with its meaning", name)
		}
	}
	for _, line := range strings.Split(help, "\n") {
		if len(line) > 92 {
			t.Errorf("--help has a line of %d characters: %s", len(line), line)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := Parse([]string{"PATH=/bin", "WATCHWORD_ADDR=", "WATCHWORD_GRACE="})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case cfg.Addr != "127.0.0.1:8080", cfg.MetricsAddr != "", cfg.Web != "demo/web/dist", cfg.ProofAge != 5*time.Minute, cfg.Lab, cfg.MySQLDSN != "", cfg.MySQLMaxConns != 32, cfg.TablePrefix != "watchword_", cfg.OpenLogin,
		cfg.Session.CleanupInterval != 15*time.Minute, cfg.Session.Revocation != session.RevocationFeed,
		cfg.Session.FeedInterval != time.Second, cfg.Session.EndingRetention != 30*24*time.Hour,
		cfg.Session.Devices != session.DeviceFull, cfg.Session.MaxSessions != 0, len(cfg.Wire.TrustedProxies) != 0,
		cfg.Session.MaxFeedAge != 0,                                                                       // the library's
		cfg.Session.AccessLifetime != 0, cfg.Session.IdleLifetime != 0, cfg.Session.AbsoluteLifetime != 0, // the library's
		cfg.Session.Grace != 10*time.Second, cfg.Wire.AntiCSRF != wire.AntiCSRFFetchMetadata,
		!cfg.Wire.Cookies.Insecure, cfg.Wire.Cookies.SameSite != http.SameSiteLaxMode, cfg.Wire.StatusTheft != 401:
		t.Errorf("got %+v", cfg)
	}
}

func TestUnknownVariablesAreErrors(t *testing.T) {
	t.Parallel()
	_, err := Parse([]string{
		"WATCHWORD_TEST_MYSQL_DSN=whatever", "WATCHWORD_TEST_MAX_CONNS=1", "OTHER=1",
		"WATCHWORD_GRACE_PERIOD=1s", "WATCHWORD_COOKIE_HTTPONLY=secret-value", "WATCHWORD_GRACE=ten",
	})
	for _, name := range []string{"WATCHWORD_GRACE_PERIOD", "WATCHWORD_COOKIE_HTTPONLY", "WATCHWORD_GRACE "} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got error %v, want one that names %s", err, name)
		}
	}
	if err != nil && (strings.Contains(err.Error(), "TEST") || strings.Contains(err.Error(), "secret-value")) {
		t.Errorf("the error says too much: %v", err)
	}
}

// TestRiskySettingsAreForLoopback: those that nobody but this machine may meet.
func TestRiskySettingsAreForLoopback(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:80": true, "[::1]:80": true, "localhost:80": true, "[::ffff:127.0.0.1]:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "localhost.example.com:80": false,
		"demo:80": false, "128.0.0.1:80": false,
	} {
		for _, variable := range []string{"WATCHWORD_DEMO_OPEN_LOGIN", "WATCHWORD_DEMO_LAB"} {
			_, err := Parse([]string{variable + "=1", "WATCHWORD_ADDR=" + addr})
			if (err == nil) != ok {
				t.Errorf("%s: got error %v, want ok %v", addr, err, ok)
			}
			if err != nil && (!strings.Contains(err.Error(), variable) || !strings.Contains(err.Error(), "WATCHWORD_ADDR")) {
				t.Errorf("%s: the error does not name the variables: %v", addr, err)
			}
			if _, err := Parse([]string{variable + "=0", "WATCHWORD_ADDR=" + addr}); err != nil {
				t.Errorf("%s with %s=0: %v", addr, variable, err)
			}
		}
	}
}

// TestAccess: what the front end is told is how long the library's access tokens live.
func TestAccess(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{
		nil, {"WATCHWORD_ACCESS_LIFETIME=90s"}, {"WATCHWORD_IDLE_LIFETIME=10m"}, {"WATCHWORD_IDLE_LIFETIME=1500ms"}, {"WATCHWORD_ABSOLUTE_LIFETIME=4m"},
		{"WATCHWORD_IDLE_LIFETIME=8000h"}, {"WATCHWORD_ACCESS_LIFETIME=20m", "WATCHWORD_IDLE_LIFETIME=1h"}, {"WATCHWORD_ACCESS_LIFETIME=5000h"},
	} {
		cfg, err := Parse(environ)
		if err != nil {
			t.Fatal(err)
		}
		m, err := session.New(t.Context(), memstore.New(nil), cfg.Session)
		if err != nil {
			t.Fatal(err)
		}
		_, tokens, err := m.Create(t.Context(), "ann", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, lives := cfg.Access(), tokens.AccessExpires.Sub(tokens.IssuedAt); (got - lives).Abs() > got/20 {
			t.Errorf("%v: got %v, but one lives for %v", environ, got, lives)
		}
	}
}

func TestExplainNamesVariables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		environ []string
		want    []string
	}{
		{[]string{"WATCHWORD_ACCESS_LIFETIME=10m", "WATCHWORD_IDLE_LIFETIME=1m"}, []string{"WATCHWORD_IDLE_LIFETIME is 1m0s", "WATCHWORD_ACCESS_LIFETIME (10m0s)"}},
		{[]string{"WATCHWORD_IDLE_LIFETIME=2h", "WATCHWORD_ABSOLUTE_LIFETIME=1h"}, []string{"WATCHWORD_ABSOLUTE_LIFETIME is 1h0m0s"}},
		{[]string{"WATCHWORD_GRACE=6m"}, []string{"WATCHWORD_GRACE is 6m0s"}},
		{[]string{"WATCHWORD_FEED_INTERVAL=1m", "WATCHWORD_MAX_FEED_AGE=90s"}, []string{"WATCHWORD_MAX_FEED_AGE is 1m30s", "WATCHWORD_FEED_INTERVAL (1m0s)"}},
		{[]string{"WATCHWORD_ENDING_RETENTION=999999h"}, []string{"WATCHWORD_ENDING_RETENTION is"}},
		{[]string{"WATCHWORD_CLEANUP_INTERVAL=1us"}, []string{"WATCHWORD_CLEANUP_INTERVAL is 1µs"}},
		{[]string{"WATCHWORD_MAX_SESSIONS=100000"}, []string{"WATCHWORD_MAX_SESSIONS is 100000"}},
		{[]string{"WATCHWORD_TRUSTED_PROXIES=proxy.example"}, []string{"WATCHWORD_TRUSTED_PROXIES"}},
		{[]string{"WATCHWORD_COOKIE_SAMESITE=none"}, []string{"WATCHWORD_COOKIE_SECURE contradicts WATCHWORD_COOKIE_SAMESITE"}},
		{[]string{"WATCHWORD_COOKIE_SAMESITE=none", "WATCHWORD_COOKIE_SECURE=1", "WATCHWORD_ANTI_CSRF=none"}, []string{"WATCHWORD_ANTI_CSRF is", "contradicts WATCHWORD_COOKIE_SAMESITE"}},
		{[]string{"WATCHWORD_COOKIE_DOMAIN=a b"}, []string{"WATCHWORD_COOKIE_DOMAIN is"}},
		{[]string{"WATCHWORD_ALLOWED_ORIGINS=*"}, []string{"WATCHWORD_ALLOWED_ORIGINS has"}},
	} {
		cfg, err := Parse(test.environ)
		if err != nil {
			t.Errorf("%v: %v", test.environ, err)
			continue
		}
		_, sessionErr := session.New(t.Context(), memstore.New(nil), cfg.Session)
		_, wireErr := wire.New(cfg.Wire)
		err = Explain(errors.Join(sessionErr, wireErr))
		if !errors.Is(err, session.ErrInvalidConfig) {
			t.Errorf("%v: got error %v, want ErrInvalidConfig", test.environ, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: got %q, want %q in it", test.environ, err, want)
			}
		}
	}
	if err := Explain(os.ErrClosed); !errors.Is(err, os.ErrClosed) || err.Error() != os.ErrClosed.Error() {
		t.Errorf("another error was changed to %v", err)
	}
}
