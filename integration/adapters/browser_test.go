package adapters_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// The names of the cookies, by default, and the paths of the suite that have constants.
const (
	access  = "__Host-sAccessToken"
	refresh = "__Secure-sRefreshToken"
	id      = "sIdRefreshToken"

	refreshPath = wire.DefaultRefreshPath
	app         = "https://app.example.test"
)

// everything are the three cookies, in the order in which they are set.
var everything = []string{access, refresh, id}

// browser is a client with a cookie jar, which says of its requests what browsers say. It opens pages of one origin.
type browser struct {
	t      *testing.T
	site   *site
	jar    jar
	origin string
}

// browser makes a browser with an empty jar.
func (s *site) browser() *browser {
	s.t.Helper()
	cookies, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{t: s.t, site: s, jar: jar{cookies, s.t}, origin: app}
}

// jar is a real cookie jar. It holds the server to what the real one does not know of: prefixes, and the size of a cookie.
type jar struct {
	*cookiejar.Jar
	t *testing.T
}

// SetCookies implements http.CookieJar.
func (j jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		host, secure := strings.HasPrefix(c.Name, "__Host-"), strings.HasPrefix(c.Name, "__Secure-")
		switch {
		case (host || secure || c.SameSite == http.SameSiteNoneMode || c.Partitioned) && !c.Secure,
			host && (c.Domain != "" || c.Path != "/"), len(c.Raw) > 4096:
			j.t.Errorf("browsers drop this cookie of %d bytes: %.200s", len(c.Raw), c.Raw)
		}
	}
	j.Jar.SetCookies(u, cookies)
}

// do sends a request as one of the browser's own pages does. Headers are pairs.
func (b *browser) do(method, path string, header ...string) answer {
	b.t.Helper()
	header = append([]string{"Sec-Fetch-Site", "same-origin"}, header...)
	if method != http.MethodGet && method != http.MethodHead {
		header = append([]string{"Origin", b.origin}, header...)
	}
	return b.site.send(b.jar, method, b.origin+path, "", header...)
}

// login logs a user in.
func (b *browser) login(user string) answer {
	b.t.Helper()
	return b.do("POST", "/login?user="+user).want(200, "{}\n")
}

// refresh refreshes, and keeps what comes of it.
func (b *browser) refresh() answer {
	b.t.Helper()
	return b.do("POST", refreshPath).want(200, "{}\n")
}

// cookie returns the value of a cookie that the browser shows to the refresh endpoint, where it shows all of them.
func (b *browser) cookie(name string) string {
	b.t.Helper()
	for _, c := range b.jar.Cookies(b.url(refreshPath)) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// header returns the browser's cookies of the default names, as a header.
func (b *browser) header(names ...string) string {
	b.t.Helper()
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, name+"="+b.cookie(name))
	}
	return strings.Join(pairs, "; ")
}

func (b *browser) url(path string) *url.URL {
	b.t.Helper()
	u, err := url.Parse(b.origin + path)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// goesOn asserts that the browser is logged in as a user, whatever it has to do for that, now and later, and that nobody is a
// thief.
func (b *browser) goesOn(user string) {
	b.t.Helper()
	for range 2 {
		if got := b.do("GET", "/me"); got.status != 200 {
			got.want(401, "try_refresh")
			b.refresh()
		}
		b.do("GET", "/me").want(200, user)
		b.site.clock.advance(session.DefaultAccessLifetime)
	}
	b.site.noAlarm()
}

// cookies is the Cookie header of a browser that shows all of its cookies.
func cookies(t session.Tokens) string {
	return access + "=" + t.AccessToken + "; " + refresh + "=" + t.RefreshToken + "; " + id + "=" + t.ID
}

// call sends a request without a jar. Headers are pairs.
func (s *site) call(method, path string, header ...string) answer {
	s.t.Helper()
	return s.send(nil, method, app+path, "", header...)
}

// post sends a body of JSON to the refresh endpoint.
func (s *site) post(body string, header ...string) answer {
	s.t.Helper()
	return s.send(nil, "POST", app+refreshPath, body, append([]string{"Content-Type", "application/json"}, header...)...)
}

func (s *site) send(jar http.CookieJar, method, target, body string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for pair := range slices.Chunk(header, 2) {
		req.Header.Add(pair[0], pair[1])
	}
	client := &http.Client{Transport: s.transport, Jar: jar, Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return s.read(method+" "+req.URL.Path, resp)
}

// raw sends bytes as they are, and reads one answer. It reports false when the connection was torn before there was one.
func (s *site) raw(request string) (answer, bool) {
	s.t.Helper()
	plain, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := s.transport.TLSClientConfig.Clone()
	cfg.ServerName = "app.example.test"
	conn := tls.Client(plain, cfg)
	if err := errors.Join(conn.SetDeadline(time.Now().Add(time.Minute)), conn.HandshakeContext(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() { // a server may answer before it has read everything
		defer close(sent)
		_, _ = io.WriteString(conn, request)
	}()
	defer func() { _ = plain.Close(); <-sent }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{}, false
	}
	defer func() { _ = resp.Body.Close() }()
	return s.read("a raw request", resp), true
}

func (s *site) read(asked string, resp *http.Response) answer {
	s.t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{t: s.t, asked: asked, status: resp.StatusCode, header: resp.Header, cookies: resp.Cookies(), body: string(body)}
}

// answer is what came back.
type answer struct {
	t       *testing.T
	asked   string
	status  int
	header  http.Header
	cookies []*http.Cookie
	body    string
}

// want asserts a status and the whole body, or of an error its code and, after a space, its reason.
func (a answer) want(status int, body string) answer {
	a.t.Helper()
	got := a.body
	if coded := a.code(); coded != "" {
		got = coded
	}
	if a.status != status || got != body {
		a.t.Errorf("%s: got %d %.200q, want %d %q", a.asked, a.status, a.body, status, body)
	}
	return a
}

// code returns the code of an error, and after a space its reason. Errors have one form.
func (a answer) code() string {
	a.t.Helper()
	var coded struct{ Error, Reason string }
	if a.status < 400 || json.Unmarshal([]byte(a.body), &coded) != nil || coded.Error == "" {
		return ""
	}
	form := `{"error":"` + coded.Error + `"}` + "\n"
	if coded.Reason != "" {
		form = `{"error":"` + coded.Error + `","reason":"` + coded.Reason + `"}` + "\n"
	}
	if a.body != form || a.header.Get("Content-Type") != "application/json" {
		a.t.Errorf("%s: an error came as %s %q, want %q", a.asked, a.header.Get("Content-Type"), a.body, form)
	}
	return strings.TrimSuffix(coded.Error+" "+coded.Reason, " ")
}

// sets asserts which cookies are set, in order, and that none is cleared.
func (a answer) sets(names ...string) answer {
	a.t.Helper()
	return a.leaves(names, nil)
}

// clears asserts which cookies are cleared, in order, that none is set, and that the page is told.
func (a answer) clears(names ...string) answer {
	a.t.Helper()
	a.has("Id-Refresh-Token", "remove").has("Anti-Csrf").has("Cache-Control", "no-store").has("Access-Control-Expose-Headers", "id-refresh-token")
	for _, c := range a.cookies {
		if !c.Expires.Equal(time.Unix(0, 0)) || c.Value != "" {
			a.t.Errorf("%s: to clear a cookie it sent %s", a.asked, c.Raw)
		}
	}
	return a.leaves(nil, names)
}

func (a answer) leaves(set, cleared []string) answer {
	a.t.Helper()
	var gotSet, gotCleared []string
	for _, c := range a.cookies {
		if c.MaxAge < 0 {
			gotCleared = append(gotCleared, c.Name)
		} else {
			gotSet = append(gotSet, c.Name)
		}
	}
	if !slices.Equal(gotSet, set) || !slices.Equal(gotCleared, cleared) {
		a.t.Errorf("%s: set %v, cleared %v; want %v, %v", a.asked, gotSet, gotCleared, set, cleared)
	}
	return a
}

// has asserts the values of a header; none: it is not there.
func (a answer) has(name string, values ...string) answer {
	a.t.Helper()
	if got := a.header.Values(name); !slices.Equal(got, values) {
		a.t.Errorf("%s: %s is %q, want %q", a.asked, name, got, values)
	}
	return a
}

// quiet asserts that the client's tokens stay as they are: no cookie, and no header of a session.
func (a answer) quiet() answer {
	a.t.Helper()
	for _, name := range []string{
		"Set-Cookie", "Id-Refresh-Token", "Anti-Csrf",
		"X-Access-Token", "X-Access-Token-Expires-In", "X-Refresh-Token", "X-Refresh-Token-Expires-In",
	} {
		a.has(name)
	}
	return a
}
