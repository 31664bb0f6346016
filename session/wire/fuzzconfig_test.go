package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// settings are both configurations, as FuzzConfig writes them: one field a line, "Wire.Cookies.Path=/app". Items of lists are set apart by
// "|", and "Wire.Former.Path" is that of the one entry there may be.
type settings struct {
	Session session.Config
	Wire    wire.Config
}

func parseSettings(text string) (s settings) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		set(reflect.ValueOf(&s).Elem(), strings.Split(name, "."), value)
	}
	return s
}

// set sets a field by its path. What is no field, or no value of its kind, is left alone.
func set(v reflect.Value, path []string, value string) {
	for _, name := range path {
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct {
			if v.Len() == 0 {
				v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			}
			v = v.Index(0)
		}
		if v.Kind() != reflect.Struct {
			return
		}
		if v = v.FieldByName(name); !v.IsValid() {
			return
		}
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(value)
	case reflect.Bool:
		v.SetBool(value == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			d, _ := time.ParseDuration(value)
			n = int64(d)
		}
		v.SetInt(n)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.ValueOf(strings.Split(value, "|")))
		}
	}
}

// FuzzConfig: a configuration is refused with the name of a field, or it works: a session lives and ends under it, its cookies are such
// that browsers keep and send them, and what they send is read.
func FuzzConfig(f *testing.F) {
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		s := parseSettings(text)
		if s.Session.Algorithm == session.RS256 {
			s.Session.Algorithm = session.EdDSA // whose keys are made at once
		}
		now := time.UnixMilli(1_760_000_000_000)
		s.Session.Clock = func() time.Time { return now }
		s.Session.Sleep = func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }
		invalid := s.Session.Validate()
		named(t, invalid, s.Session)
		contract, err := wire.New(s.Wire)
		named(t, err, s.Wire)
		if (err == nil) != (contract != nil) {
			t.Fatalf("wire.New: got %v and %v", contract, err)
		}
		if invalid == nil && s.Session.StoreTimeout != 0 {
			s.Session.StoreTimeout = max(s.Session.StoreTimeout, time.Minute) // less is an outage, which is no matter of the configuration
		}
		manager, newErr := session.New(t.Context(), memstore.New(s.Session.Clock), s.Session)
		if invalid == nil && newErr != nil || invalid != nil && (newErr == nil || newErr.Error() != invalid.Error()) {
			t.Fatalf("session.New: got %v, although Validate says %v", newErr, invalid)
		}
		if contract != nil && manager != nil {
			life(t, manager, s.Wire)
		}
	})
}

var fieldOf = regexp.MustCompile(`^invalid session configuration: ([A-Za-z]+)(?:\[\d+\])?(?:\.([A-Za-z]+))? `)

// named asserts that an error is ErrInvalidConfig, and says which field of a configuration is wrong.
func named(t *testing.T, err error, cfg any) {
	t.Helper()
	if err == nil {
		return
	}
	parts := fieldOf.FindStringSubmatch(err.Error())
	if !errors.Is(err, session.ErrInvalidConfig) || parts == nil {
		t.Fatalf("got %q, want ErrInvalidConfig with the name of a field", err)
	}
	field, ok := reflect.TypeOf(cfg).FieldByName(parts[1])
	if ok && parts[2] != "" {
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		_, ok = inner.FieldByName(parts[2])
	}
	if !ok {
		t.Fatalf("got %q, which names no field of %T", err, cfg)
	}
}

// life has a session begin, be used, be refreshed and end, as a browser and as a client of headers.
func life(t *testing.T, manager *session.Manager, cfg wire.Config) {
	t.Helper()
	server, err := wire.NewServer(manager, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range []wire.Transport{wire.TransportCookie, wire.TransportHeader} {
		if cfg.Transport != "" && cfg.Transport != wire.TransportAny && cfg.Transport != transport {
			continue
		}
		c := client{server: server, transport: transport, jar: map[[3]string]*http.Cookie{}, held: http.Header{}}
		must := func(what string, do func(h http.Header, r *http.Request) error) {
			t.Helper()
			h, r := http.Header{}, c.request(t)
			if err := do(h, r); err != nil {
				t.Fatalf("%s by %s: got %v", what, transport, err)
			}
			c.take(t, h)
		}
		must("login", func(h http.Header, r *http.Request) error {
			_, err := server.Create(h, r, "alice", session.CreateOptions{})
			return err
		})
		if transport == wire.TransportCookie && len(c.jar) != 3 {
			t.Fatalf("a browser holds %d cookies after a login, want 3: %v", len(c.jar), c.jar)
		}
		must("a request", func(h http.Header, r *http.Request) error {
			_, err := server.Verify(h, r, wire.Requirements{})
			return err
		})
		must("a refresh", func(h http.Header, r *http.Request) error { _, err := server.Refresh(h, r); return err })
		must("a logout", server.Logout)
		if len(c.jar) != 0 {
			t.Fatalf("a browser holds %v after the logout", c.jar)
		}
	}
}

// client is as much of a browser, or of a client of headers, as is needed.
type client struct {
	server    *wire.Server
	transport wire.Transport
	jar       map[[3]string]*http.Cookie // by name, domain and path
	held      http.Header
}

func (c client) request(t *testing.T) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://app.example.test/x", http.NoBody)
	r.Header.Set("Session-Transport", string(c.transport))
	for name, values := range c.held {
		r.Header[name] = values
	}
	for _, cookie := range c.jar { // of whatever path: one of them is the endpoint's
		r.Header.Set("Cookie", strings.TrimPrefix(r.Header.Get("Cookie")+"; "+cookie.Name+"="+cookie.Value, "; "))
	}
	if cred, err := c.server.Contract().Read(r.Header); c.transport == wire.TransportCookie && len(c.jar) > 0 &&
		(err != nil || len(cred.Access) != 1 || len(cred.Refresh) != 1 || !cred.HasID) {
		t.Fatalf("of the cookies %q it reads %d access and %d refresh tokens and an id: %v, %v",
			r.Header.Get("Cookie"), len(cred.Access), len(cred.Refresh), cred.HasID, err)
	}
	return r
}

// take keeps what a response brings, as browsers do (RFC 6265bis, section 5.7).
func (c client) take(t *testing.T, h http.Header) {
	t.Helper()
	for _, line := range h["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		if err != nil || len(cookie.Unparsed) != 0 || len(line) > 4096 {
			t.Fatalf("it sent the cookie %q: %v", line, err)
		}
		name := strings.ToLower(cookie.Name)
		switch {
		case strings.HasPrefix(name, "__host-") && (!cookie.Secure || cookie.Domain != "" || cookie.Path != "/"),
			strings.HasPrefix(name, "__secure-") && !cookie.Secure,
			cookie.SameSite == http.SameSiteNoneMode && !cookie.Secure, cookie.Partitioned && !cookie.Secure:
			t.Fatalf("browsers drop the cookie %q", line)
		}
		place := [3]string{cookie.Name, cookie.Domain, cookie.Path + fmt.Sprint(cookie.Partitioned)}
		if cookie.MaxAge < 0 {
			delete(c.jar, place)
		} else {
			c.jar[place] = cookie
		}
	}
	for held, from := range map[string]string{"Authorization": "X-Access-Token", "X-Refresh-Token": "X-Refresh-Token", "Anti-Csrf": "Anti-Csrf"} {
		if value := h.Get(from); value != "" && held == "Authorization" {
			c.held.Set(held, "Bearer "+value)
		} else if value != "" {
			c.held.Set(held, value)
		}
	}
}
