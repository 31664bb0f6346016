package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

type listedEnding struct {
	Handle, Reason            string
	EndedAt, CreatedAt        time.Time
	UserAgent, Address, Label string
	Theft                     *struct {
		Kind                      string
		Generations               int
		MillisecondsSinceRotation int64
		Device, Presenter         struct{ UserAgent, Address string }
	}
}

// TestReasons: whoever holds good tokens of a session that has ended is told why, whichever of them they present.
func TestReasons(t *testing.T) {
	t.Parallel()
	for reason, test := range map[string]struct {
		config session.Config
		end    func(d *demo, c *client, handle string) // of a session of ann, who is somewhere else as well
		late   bool                                    // known with a refresh only, since the access token has expired, too
	}{
		"logout": {end: func(_ *demo, c *client, _ string) {
			cookies := c.http.Jar
			c.http.Jar = keeping{cookies}
			c.want(c.do("POST", "/api/logout", ""), 200, "")
			c.http.Jar = cookies // as if another tab had not heard
		}},
		"revoked_by_user": {end: func(d *demo, c *client, handle string) {
			elsewhere := d.ann(c.t)
			elsewhere.want(elsewhere.do("DELETE", "/api/sessions/"+handle, ""), 200, "")
		}},
		"password_changed": {end: func(d *demo, c *client, _ string) {
			elsewhere := d.ann(c.t)
			elsewhere.want(elsewhere.do("POST", "/api/password", `{"old":"password of ann","new":"another password"}`), 200, "")
		}},
		"session_limit": {config: session.Config{MaxSessions: 2}, end: func(d *demo, c *client, _ string) {
			for range 2 {
				d.clock.advance(time.Millisecond)
				d.ann(c.t)
			}
		}},
		"theft": {config: session.Config{Grace: session.NoGrace}, end: func(d *demo, c *client, _ string) {
			d.steal(c)
		}},
		"idle":     {late: true, end: func(d *demo, _ *client, _ string) { d.clock.advance(31 * 24 * time.Hour) }},
		"absolute": {late: true, config: session.Config{AbsoluteLifetime: 30 * 24 * time.Hour}, end: func(d *demo, _ *client, _ string) { d.clock.advance(31 * 24 * time.Hour) }},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			d := start(t, options{session: test.config})
			c := d.client(t)
			handle := field[string](t, c.register("ann"), "handle")
			d.clock.advance(time.Millisecond)
			test.end(d, c, handle)
			if !test.late {
				tab := *c.http // a client whose other tab does not know yet
				tab.Jar = keeping{c.http.Jar}
				a := (&client{t: t, demo: d, http: &tab}).do("GET", "/api/me", "")
				c.want(a, 401, "unauthorised: "+reason)
				c.cleared(a, true)
			}
			a := c.do("POST", "/api/session/refresh", "")
			c.want(a, 401, "unauthorised: "+reason)
			c.cleared(a, true)
			c.want(c.do("POST", "/api/session/refresh", ""), 401, "unauthorised") // nothing is left to tell which session it was
		})
	}
}

// ann logs ann in, who has registered before.
func (d *demo) ann(t *testing.T) *client {
	t.Helper()
	c := d.client(t)
	c.want(c.do("POST", "/api/login", `{"userId":"ann","password":"password of ann","label":"elsewhere"}`), 200, "")
	return c
}

// steal has a thief copy the refresh token of a client, which goes on in the strict mode, and present it.
func (d *demo) steal(c *client) {
	c.t.Helper()
	thief := c.thief()
	d.clock.advance(time.Minute)
	c.want(c.do("POST", "/api/session/refresh", "", "User-Agent", "Owner/1.0"), 200, "")
	c.want(c.do("GET", "/api/me", ""), 200, "")
	d.clock.advance(1500 * time.Millisecond)
	thief.want(thief.present(), 401, "token_theft: theft")
}

func TestEndings(t *testing.T) {
	t.Parallel()
	d := start(t, options{session: session.Config{Grace: session.NoGrace}})
	c := d.client(t)
	stolen := field[string](t, c.register("ann"), "handle")
	d.steal(c)
	d.clock.advance(time.Second)
	began := d.clock.Now()
	second := field[string](t, c.do("POST", "/api/login",
		`{"userId":"ann","password":"password of ann","label":"My phone"}`, "User-Agent", "Phone/1.0"), "handle")
	d.clock.advance(time.Minute)
	c.want(c.do("DELETE", "/api/sessions/"+second, ""), 200, "")
	ended := d.clock.Now()
	d.clock.advance(time.Second)
	other := d.client(t)
	other.register("other")
	other.want(other.do("POST", "/api/logout-all", ""), 200, "")

	c = d.ann(t)
	a := c.do("GET", "/api/endings", "")
	c.want(a, 200, "")
	all := field[[]listedEnding](t, a, "endings")
	if len(all) != 2 || strings.Contains(a.body, "next") {
		t.Fatalf("got %s, want ann's two endings", a.body)
	}
	if e := all[0]; e.Handle != second || e.Reason != "logout" || e.Label != "My phone" || e.UserAgent != "Phone/1.0" ||
		e.Address != "127.0.0.1" || e.Theft != nil || !e.CreatedAt.Equal(began.Truncate(time.Microsecond)) || !e.EndedAt.Equal(ended.Truncate(time.Microsecond)) {
		t.Errorf("got %+v", e)
	}
	e := all[1]
	if e.Handle != stolen || e.Reason != "theft" || e.UserAgent != "Owner/1.0" || e.Theft == nil {
		t.Fatalf("got %+v", e)
	}
	if got := e.Theft; got.Kind != "reuse" || got.Generations != 1 || got.MillisecondsSinceRotation != 1500 ||
		got.Device.UserAgent != "Owner/1.0" || !strings.HasPrefix(got.Presenter.UserAgent, "Thief/") || got.Presenter.Address != "127.0.0.1" {
		t.Errorf("got %+v", got)
	}

	nobody := d.client(t)
	nobody.register("bob")
	if a := nobody.do("GET", "/api/endings", ""); a.body != `{"endings":[]}`+"\n" {
		t.Errorf("bob has %s", a.body)
	}
}

// TestEndingsPaging has several sessions end at one moment, which the handle then orders.
func TestEndingsPaging(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.register("ann")
	var want []string // newest first
	for _, together := range []int{1, 3, 2} {
		var handles []string
		for range together {
			d.clock.advance(time.Millisecond)
			handles = append([]string{field[string](t, d.client(t).do("POST", "/api/login", `{"userId":"ann","password":"password of ann"}`), "handle")}, handles...)
		}
		c.want(c.do("POST", "/api/logout-others", ""), 200, "")
		want = append(handles, want...)
	}
	for limit := 1; limit <= 7; limit++ {
		var got []string
		for path := fmt.Sprintf("/api/endings?limit=%d", limit); path != ""; {
			a := c.do("GET", path, "")
			c.want(a, 200, "")
			page := field[[]listedEnding](t, a, "endings")
			path = ""
			if strings.Contains(a.body, `"next"`) {
				path = fmt.Sprintf("/api/endings?limit=%d&before=%s", limit, field[string](t, a, "next"))
			}
			if len(page) == 0 || len(page) > limit || path != "" && len(page) != limit {
				t.Fatalf("with limit %d: got a page of %d, next %q", limit, len(page), path)
			}
			for _, e := range page {
				got = append(got, e.Handle)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("with limit %d: got %v, want %v", limit, got, want)
		}
	}
	next := field[string](t, c.do("GET", "/api/endings?limit=1", ""), "next")
	_, handle, _ := strings.Cut(next, ".")
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=x", "before=", "before=x", "before=" + handle, "before=1.", "before=." + handle, "before=0." + handle,
		"before=-1." + handle, "before=01." + handle, "before=99999999999999999999." + handle, "before=" + strings.ToUpper(next), "before=" + next + ".",
		"before=1.00000000-0000-0000-0000-000000000000",
	} {
		c.want(c.do("GET", "/api/endings?"+query, ""), 400, "invalid_request")
	}
	if a := c.do("GET", "/api/endings?before=1."+handle, ""); a.body != `{"endings":[]}`+"\n" {
		t.Errorf("before the beginning: got %s", a.body)
	}
	if a := c.do("GET", "/api/endings?before=9223372036854775807."+handle, ""); len(field[[]listedEnding](t, a, "endings")) != 6 {
		t.Errorf("before the end of time: got %s", a.body)
	}
}

// TestRevocationModes: what another process has ended passes here until it is known, which depends on the mode.
func TestRevocationModes(t *testing.T) {
	t.Parallel()
	for mode, status := range map[session.RevocationMode]int{
		session.RevocationStrict: 401, session.RevocationFeed: 200, session.RevocationOff: 200,
	} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			var store *memstore.Store
			d := start(t, options{session: session.Config{Revocation: mode}, store: func(s session.Store) session.Store {
				store = s.(*memstore.Store)
				return s
			}})
			elsewhere, err := session.New(t.Context(), store, session.Config{Clock: d.clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			c := d.client(t)
			handle, err := session.ParseHandle(field[string](t, c.login(), "handle"))
			if err != nil {
				t.Fatal(err)
			}
			if ended, err := elsewhere.Revoke(t.Context(), handle, session.RevokeOptions{}); !ended || err != nil {
				t.Fatalf("got %v, %v", ended, err)
			}
			if got := c.do("GET", "/api/me", "").StatusCode; got != status {
				t.Errorf("the access token: got %d, want %d", got, status)
			}
			if status == 200 {
				c.want(c.do("POST", "/api/session/refresh", ""), 401, "unauthorised: revoked")
			}
		})
	}
}

func TestSessionLimit(t *testing.T) {
	t.Parallel()
	refusing := start(t, options{session: session.Config{MaxSessions: 2, OnLimit: session.LimitRefuse}})
	one, two, three := refusing.client(t), refusing.client(t), refusing.client(t)
	one.login()
	two.login()
	a := three.do("POST", "/api/login", demoCredentials)
	three.want(a, 409, "session_limit")
	if len(a.Cookies()) != 0 {
		t.Errorf("a refused login sets cookies: %v", a.Cookies())
	}
	one.want(one.do("POST", "/api/logout", ""), 200, "")
	three.login()
	two.want(two.do("GET", "/api/me", ""), 200, "")
}
