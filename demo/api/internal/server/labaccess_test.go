package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// labPosts are the calls to the lab, with a body that each would take.
var labPosts = map[string]string{
	copyPath: "", "/api/lab/lose": "", "/api/lab/revoke": "", "/api/lab/thief": `{"thief":"thief 1","strategy":"use"}`,
	"/api/lab/rotate": `{"purpose":"access"}`, "/api/lab/outage": `{"on":true}`,
}

func TestNoLabUnlessAsked(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	c.login()
	for path, body := range labPosts {
		c.want(c.do("POST", path, body), 404, "not_found")
	}
	c.want(c.do("GET", "/api/lab/stream", ""), 404, "not_found")
	if a := c.do("GET", "/api/demo", ""); field[bool](t, a, "lab") {
		t.Errorf("got %s", a.body)
	}
	if a := start(t, options{lab: true}).client(t).do("GET", "/api/demo", ""); !field[bool](t, a, "lab") {
		t.Errorf("got %s", a.body)
	}
}

// TestWhoMayUseTheLab: those who have a session, in a page of this machine's own.
func TestWhoMayUseTheLab(t *testing.T) {
	t.Parallel()
	d := start(t, options{lab: true})
	c, nobody := d.client(t), d.client(t)
	c.login()
	for path, body := range labPosts {
		nobody.want(nobody.do("POST", path, body), 401, "unauthorised")
		c.want(c.do("POST", path, body, "Origin", "https://evil.example"), 403, "forbidden")
		c.want(c.do("POST", path, body, "Sec-Fetch-Site", "same-site"), 403, "forbidden")
		if body != "" {
			c.want(c.do("POST", path, body, "Content-Type", "text/plain"), 415, "unsupported_media_type")
			c.want(c.do("POST", path, "{"), 400, "invalid_request")
		}
	}
	nobody.want(nobody.do("GET", "/api/lab/stream", ""), 401, "unauthorised")
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST:8080": true, "127.0.0.1:8080": true, "127.1.2.3": true, "[::1]:8080": true, "[::1]": true, "[::ffff:127.0.0.1]": true,
		"evil.example": false, "localhost.evil.example": false, "evil.example:8080": false, "10.0.0.1": false, "[::]": false, "0.0.0.0": false, "demo": false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/lab/lose", http.NoBody)
		r.Host = host
		for _, cookie := range c.http.Jar.Cookies(must(r.URL.Parse(d.URL + "/api"))) {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		d.Config.Handler.ServeHTTP(w, r)
		if got := w.Code == http.StatusOK; got != ok || !ok && w.Code != http.StatusForbidden {
			t.Errorf("host %s: got %d", host, w.Code)
		}
		d.clock.advance(time.Millisecond)
	}
}

// TestControlCookie: a browser whose access token has expired goes on in its lab, and nowhere else.
func TestControlCookie(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	thief := c.copied()
	for _, cookie := range w.answer.Cookies() {
		if cookie.Name != "labControl" || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/api" {
			t.Errorf("the stream sets %v", cookie)
		}
	}
	d.clock.advance(15*time.Minute + time.Second)
	c.want(c.do("GET", "/api/me", ""), 401, "try_refresh")
	c.wantBody(c.do("POST", "/api/lab/lose", ""), "{}")
	c.copied()
	c.watch()
	w.wantTokens("0 current x1 [you thief 1 thief 2]", "")
	stranger := d.client(t)
	stranger.want(stranger.do("POST", "/api/lab/lose", "", "Cookie", "labControl=x; sIdRefreshToken=1"), 401, "try_refresh")
	stranger.want(stranger.do("POST", "/api/lab/lose", "", "Cookie", "labControl="), 401, "unauthorised")
	c.wantBody(c.send(thief, "use"), `{"status":200}`) // the owner's access token has expired, and the thief is the first to refresh
	c.wantBody(c.do("POST", "/api/lab/revoke", ""), "{}")
	c.want(c.do("POST", "/api/lab/lose", ""), 401, "try_refresh") // with the session its lab has ended
}

// TestThievesAreTheirSessions: nobody sends another one's thief.
func TestThievesAreTheirSessions(t *testing.T) {
	t.Parallel()
	d, c, _ := labDemo(t, options{})
	thief := c.copied()
	other := d.client(t)
	other.register("other")
	w := other.watch()
	other.want(other.send(thief, "use"), 404, "unknown_thief")
	other.want(other.send("", "use"), 404, "unknown_thief")
	other.want(other.send(thief, "steal"), 400, "invalid_request")
	c.want(c.do("POST", copyPath, "", "Cookie", "x=y"), 200, "")
	bare := *c.http
	bare.Jar = nil
	for name, cookies := range map[string]string{
		"no refresh token": "", "a forged one": "sRefreshToken=" + strings.Repeat("A", 183),
		"another session's": "sRefreshToken=" + cookieOf(other, refreshPath, "sRefreshToken"),
	} {
		access := fmt.Sprintf("sIdRefreshToken=1; sAccessToken=%s; %s", cookieOf(c, "/api", "sAccessToken"), cookies)
		a := (&client{t: t, demo: d, http: &bare}).do("POST", copyPath, "", "Cookie", access)
		if a.StatusCode != 409 || !strings.Contains(a.body, "no_refresh_token") {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.body)
		}
	}
	w.wantRequests("you POST /api/register 200 ok [Insert]")
	w.wantTokens("0 current x1 [you]", "")
}

func cookieOf(c *client, path, name string) string {
	c.t.Helper()
	for _, cookie := range c.http.Jar.Cookies(must(url.Parse(c.demo.URL + path))) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	c.t.Fatalf("the jar has no %s", name)
	return ""
}

func TestLabLimits(t *testing.T) {
	t.Parallel()
	d := start(t, options{lab: true})
	c := d.client(t)
	c.login()
	var refused int
	for range 60 { // faster than the 20 a second that come back
		if a := c.do("POST", copyPath, ""); a.StatusCode == http.StatusTooManyRequests {
			refused++
			c.want(a, 429, "too_many_requests")
			if a.Header.Get("Retry-After") != "1" {
				t.Errorf("got headers %v", a.Header)
			}
		}
	}
	if refused == 0 {
		t.Error("60 calls at once were let through")
	}
	time.Sleep(200 * time.Millisecond)
	w := c.watch()
	if n := len(w.state.Thieves); n != 16 {
		t.Errorf("there are %d thieves, want 16", n)
	}
	c.want(c.send("thief 1", "refresh"), 404, "unknown_thief") // the oldest was let go
	last := w.state.Thieves[15].Name
	c.wantBody(c.send(last, "refresh"), `{"status":200}`)

	streams := []*watch{w}
	for len(streams) < 64 {
		streams = append(streams, c.watch())
	}
	a := c.do("GET", "/api/lab/stream", "")
	c.want(a, 503, "busy")
	if a.Header.Get("Retry-After") == "" {
		t.Errorf("got headers %v", a.Header)
	}
	_ = streams[1].answer.Body.Close()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+"/api/lab/stream", http.NoBody)
		response, err := c.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a stream that was closed still counts")
		}
	}
}
