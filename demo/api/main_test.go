package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/config"
)

// output is written by the program and read by the test.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

const demoCredentials = `{"userId":"demo","password":"watchword-demo-login"}`

// program is a running demo.
type program struct {
	addr           string
	stdout, stderr output
	stop           context.CancelFunc
	code           chan int
}

var listening = regexp.MustCompile(`listening on http://(\S+)`)

func startProgram(t *testing.T, environ ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &program{stop: stop, code: make(chan int, 1)}
	t.Cleanup(stop)
	environ = append([]string{"WATCHWORD_ADDR=127.0.0.1:0"}, environ...)
	go func() { p.code <- run(ctx, nil, environ, &p.stdout, &p.stderr) }()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if match := listening.FindStringSubmatch(p.stdout.String()); match != nil {
			p.addr = match[1]
			return p
		}
	}
	t.Fatalf("the demo does not start: %s", p.stderr.String())
	return nil
}

// exit waits for the program's end.
func (p *program) exit(t *testing.T, want int) {
	t.Helper()
	select {
	case got := <-p.code:
		if got != want {
			t.Errorf("got exit code %d, want %d: %s", got, want, p.stderr.String())
		}
	case <-time.After(15 * time.Second):
		t.Error("the demo does not end")
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"--help"}, 0, config.Help(), ""},
		{[]string{"-h"}, 0, config.Help(), ""},
		{[]string{"--port", "80"}, 2, "", "flag provided but not defined: -port\n\n" + config.Help()},
		{[]string{"serve"}, 2, "", "unexpected argument: serve\n\n" + config.Help()},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), test.args, nil, &stdout, &stderr)
		if code != test.code || stdout.String() != test.stdout || stderr.String() != test.stderr {
			t.Errorf("%v: got %d, %q, %q", test.args, code, stdout.String(), stderr.String())
		}
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the parallel subtests
	free := "WATCHWORD_ADDR=127.0.0.1:0"
	for name, test := range map[string]struct {
		environ []string
		want    []string
	}{
		"value":    {[]string{free, "WATCHWORD_GRACE=ten"}, []string{"WATCHWORD_GRACE"}},
		"unknown":  {[]string{free, "WATCHWORD_COLOUR=red"}, []string{"WATCHWORD_COLOUR"}},
		"open":     {[]string{"WATCHWORD_ADDR=0.0.0.0:0", "WATCHWORD_DEMO_OPEN_LOGIN=1"}, []string{"WATCHWORD_DEMO_OPEN_LOGIN", "0.0.0.0:0"}},
		"lab":      {[]string{"WATCHWORD_ADDR=0.0.0.0:0", "WATCHWORD_DEMO_LAB=1"}, []string{"WATCHWORD_DEMO_LAB", "0.0.0.0:0"}},
		"web":      {[]string{free, "WATCHWORD_WEB=main_test.go"}, []string{"WATCHWORD_WEB", "main_test.go"}},
		"together": {[]string{free, "WATCHWORD_IDLE_LIFETIME=1m", "WATCHWORD_ACCESS_LIFETIME=2m"}, []string{"WATCHWORD_IDLE_LIFETIME", "WATCHWORD_ACCESS_LIFETIME"}},
		"feed":     {[]string{free, "WATCHWORD_FEED_INTERVAL=20s", "WATCHWORD_MAX_FEED_AGE=30s"}, []string{"WATCHWORD_MAX_FEED_AGE", "WATCHWORD_FEED_INTERVAL"}},
		"proxies":  {[]string{free, "WATCHWORD_TRUSTED_PROXIES=proxy.example"}, []string{"WATCHWORD_TRUSTED_PROXIES", "proxy.example"}},
		"cookies":  {[]string{free, "WATCHWORD_COOKIE_SAMESITE=none"}, []string{"WATCHWORD_COOKIE_SECURE"}},
		"port":     {[]string{"WATCHWORD_ADDR=" + taken.Addr().String()}, []string{"cannot listen on " + taken.Addr().String(), "WATCHWORD_ADDR"}},
		"metrics":  {[]string{free, "WATCHWORD_METRICS_ADDR=" + taken.Addr().String()}, []string{"cannot listen on " + taken.Addr().String(), "WATCHWORD_METRICS_ADDR"}},
		"database": {[]string{free, "WATCHWORD_MYSQL_DSN=app:hunter2@tcp(127.0.0.1:1)/things"}, []string{"127.0.0.1:1", "things", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a start that does not fail would serve
			defer cancel()
			var stdout, stderr output
			code := run(ctx, nil, test.environ, &stdout, &stderr)
			if code != 1 || stdout.String() != "" {
				t.Errorf("got exit code %d, output %q", code, stdout.String())
			}
			for _, want := range test.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("got %q, want %q in it", stderr.String(), want)
				}
			}
			if strings.Contains(stderr.String(), "hunter2") {
				t.Errorf("the password is shown: %q", stderr.String())
			}
		})
	}
}

// TestSilentDatabase: a server that accepts connections and says nothing does not hold the start for ever.
func TestSilentDatabase(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	var stdout, stderr output
	started := time.Now()
	code := run(t.Context(), nil, []string{
		"WATCHWORD_ADDR=127.0.0.1:0", "WATCHWORD_MYSQL_DSN=app:hunter2@tcp(" + silent.Addr().String() + ")/things?readTimeout=1m",
	}, &stdout, &stderr)
	if took := time.Since(started); code != 1 || took > startTimeout+2*time.Second {
		t.Errorf("got exit code %d after %v", code, took)
	}
	if text := stderr.String(); !strings.Contains(text, silent.Addr().String()) || !strings.Contains(text, "things") || strings.Contains(text, "hunter2") {
		t.Errorf("got %q", text)
	}
}

func TestServesAndStops(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "WATCHWORD_CLEANUP_INTERVAL=1ms")
	for what, text := range map[string]string{"announced": p.stdout.String(), "in --help": config.Help()} {
		if !strings.Contains(text, demoLogin.UserID) || !strings.Contains(text, demoLogin.Password) {
			t.Errorf("the login is not %s: %q", what, text)
		}
	}
	if !strings.Contains(p.stderr.String(), `{"level":"info","addr":"127.0.0.1:`) {
		t.Errorf("got log %q", p.stderr.String())
	}
	status, cookies := post(t, p.addr, "/api/login", demoCredentials)
	if status != 200 {
		t.Errorf("login: got %d", status)
	}
	for _, cookie := range cookies {
		if cookie.Secure {
			t.Errorf("cookie %s is Secure on a loopback address", cookie.Name)
		}
	}
	p.stop()
	p.exit(t, 0)
	if !strings.Contains(p.stderr.String(), `"message":"stopped"`) {
		t.Errorf("got log %q", p.stderr.String())
	}
}

// TestSettingsReachTheSessions: what package config has read is what the demo does.
func TestSettingsReachTheSessions(t *testing.T) {
	t.Parallel()
	p := startProgram(t,
		"WATCHWORD_MAX_SESSIONS=1", "WATCHWORD_TRUSTED_PROXIES=127.0.0.0/8", "WATCHWORD_DEVICES=coarse", "WATCHWORD_REVOCATION=strict")
	first := visitor{t: t, addr: p.addr}
	if a := first.do("POST", "/api/login", demoCredentials); a.status != 200 {
		t.Fatalf("login: got %d %s", a.status, a.body)
	}
	second := visitor{t: t, addr: p.addr}
	if a := second.do("POST", "/api/login", demoCredentials, "X-Forwarded-For", "203.0.113.9"); a.status != 200 {
		t.Fatalf("login: got %d %s", a.status, a.body)
	}
	if a := first.do("GET", "/api/me", ""); a.status != 401 || a.body != `{"error":"unauthorised","reason":"session_limit"}`+"\n" {
		t.Errorf("a session too many: got %d %s", a.status, a.body)
	}
	if a := second.do("GET", "/api/sessions", ""); !strings.Contains(a.body, `"address":"203.0.113.0/24"`) || strings.Contains(a.body, "127.0.0") {
		t.Errorf("the device behind a proxy: got %s", a.body)
	}
	if a := second.do("GET", "/healthz", ""); a.status != 200 || !strings.Contains(a.body, `"mode":"strict"`) {
		t.Errorf("health: got %d %s", a.status, a.body)
	}
	p.stop()
	p.exit(t, 0)
	for _, want := range []string{`"kind":"created"`, `"reason":"session_limit"`} {
		if log := p.stderr.String(); !strings.Contains(log, want) {
			t.Errorf("%s is not in the log: %s", want, log)
		}
	}
	if log := p.stderr.String(); strings.Contains(log, "203.0.113") {
		t.Errorf("a client's address is in the log: %s", log)
	}
}

// TestCleansUp: expired sessions get their ending without anybody asking for them.
func TestCleansUp(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "WATCHWORD_CLEANUP_INTERVAL=10ms", "WATCHWORD_IDLE_LIFETIME=1100ms", "WATCHWORD_ACCESS_LIFETIME=1s")
	if status, _ := post(t, p.addr, "/api/login", demoCredentials); status != 200 {
		t.Fatalf("login: got %d", status)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(p.stderr.String(), `"reason":"idle","time":`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the session is not cleaned up: %s", p.stderr.String())
		}
	}
	p.stop()
	p.exit(t, 0)
}

// TestGracefulShutdown stops the demo while it reads a request, which gets its answer nevertheless.
func TestGracefulShutdown(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := demoCredentials
	_, _ = fmt.Fprintf(conn, "POST /api/login HTTP/1.1\r\nHost: demo\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10])
	time.Sleep(100 * time.Millisecond) // the request has begun
	p.stop()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		other, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.addr)
		if err != nil {
			break // nobody new is let in
		}
		_ = other.Close()
		if time.Now().After(deadline) {
			t.Fatal("the demo goes on listening")
		}
	}
	_, _ = io.WriteString(conn, body[10:])
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the request was cut off: %v", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("got %s", response.Status)
	}
	p.exit(t, 0)
}

// TestShutdownWithOpenStreams: answers that have no end, and thieves who have time, do not hold it up.
func TestShutdownWithOpenStreams(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "WATCHWORD_DEMO_LAB=1")
	if out := p.stdout.String(); !strings.Contains(out, "the lab is open") {
		t.Errorf("it is not announced: %q", out)
	}
	v := visitor{t: t, addr: p.addr}
	if a := v.do("POST", "/api/login", demoCredentials); a.status != 200 {
		t.Fatalf("login: got %d %s", a.status, a.body)
	}
	streams := make([]*bufio.Reader, 3)
	for i := range streams {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.addr+"/api/lab/stream", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for _, cookie := range v.cookies {
			r.AddCookie(cookie)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		streams[i] = bufio.NewReader(response.Body)
		if line, err := streams[i].ReadString('\n'); line != "event: snapshot\n" || err != nil {
			t.Errorf("stream %d: got %q, %v", i, line, err)
		}
	}
	for _, call := range [][2]string{
		{"/api/session/refresh/lab/copy", ""}, {"/api/lab/thief", `{"thief":"thief 1","strategy":"wait"}`}, {"/api/lab/outage", `{"on":true}`},
	} {
		if a := v.do("POST", call[0], call[1]); a.status != 200 {
			t.Errorf("%s: got %d %s", call[0], a.status, a.body)
		}
	}
	began := time.Now()
	p.stop()
	p.exit(t, 0)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the end took %v", took)
	}
	for i, stream := range streams {
		if _, err := io.Copy(io.Discard, stream); err != nil {
			t.Errorf("stream %d was cut off: %v", i, err)
		}
	}
}

// TestThiefWithSecureCookies: browsers take them from this machine without TLS, and so does the thief.
func TestThiefWithSecureCookies(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "WATCHWORD_DEMO_LAB=1", "WATCHWORD_COOKIE_SECURE=1")
	v := visitor{t: t, addr: p.addr}
	v.do("POST", "/api/login", demoCredentials)
	if a := v.do("POST", "/api/session/refresh/lab/copy", ""); a.body != `{"thief":"thief 1"}`+"\n" {
		t.Errorf("copy: got %d %s", a.status, a.body)
	}
	if a := v.do("POST", "/api/lab/thief", `{"thief":"thief 1","strategy":"use"}`); a.body != `{"status":200}`+"\n" {
		t.Errorf("use: got %d %s", a.status, a.body)
	}
	p.stop()
	p.exit(t, 0)
}

func TestSecureCookiesByAddress(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "WATCHWORD_COOKIE_SECURE=1", "WATCHWORD_DEMO_OPEN_LOGIN=1")
	_, cookies := post(t, p.addr, "/api/login", `{"userId":"anybody","password":"watchword"}`)
	var names []string
	for _, cookie := range cookies {
		names = append(names, cookie.Name)
	}
	if want := "[__Host-sAccessToken __Secure-sRefreshToken sIdRefreshToken]"; fmt.Sprint(names) != want {
		t.Errorf("got cookies %v, want %s", names, want)
	}
	p.stop()
	p.exit(t, 0)
}

// reply is an answer that has been read.
type reply struct {
	status  int
	body    string
	cookies []*http.Cookie
}

// visitor is a client that sends back the cookies of its last login.
type visitor struct {
	t       *testing.T
	addr    string
	cookies []*http.Cookie
}

// do sends a request; headers come in pairs.
func (v *visitor) do(method, path, body string, headers ...string) reply {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, "http://"+v.addr+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for _, cookie := range v.cookies {
		r.AddCookie(cookie)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if path == "/api/login" {
		v.cookies = response.Cookies()
	}
	return reply{response.StatusCode, string(text), response.Cookies()}
}

func post(t *testing.T, addr, path, body string) (status int, cookies []*http.Cookie) {
	t.Helper()
	v := visitor{t: t, addr: addr}
	a := v.do(http.MethodPost, path, body)
	return a.status, a.cookies
}
