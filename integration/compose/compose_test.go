// Package compose_test runs docker-compose.yml as it is: two processes of the demo on one MySQL, behind its proxy.
package compose_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDemo is one test, since to bring everything up takes a while. Its parts run one after the other, and leave everything running.
func TestDemo(t *testing.T) {
	t.Parallel()
	p := up(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *project)
	}{
		{"confined", testConfined},
		{"both answer", testBothAnswer},
		{"a page stays with one", testPageStays},
		{"the client's address and origin", testClient},
		{"refreshed by one, revoked by the other", testRevoked},
		{"streams are not held back", testStream},
		{"without one process", testWithoutProcess},
		{"without the database", testWithoutDatabase},
		{"the lab works", testLab},
		{"in a browser", testBrowser},
		{"stops well", testStops},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, p) }) { //nolint:paralleltest // each breaks what the others need
			break
		}
	}
}

// testConfined asks the engine, not the file, what the containers may do.
func testConfined(t *testing.T, p *project) {
	containers := p.containers(t)
	if got := fmt.Sprint(slices.Sorted(maps.Keys(containers))); got != "[api1 api2 mysql web]" {
		t.Errorf("services: got %s", got)
	}
	for service, c := range containers {
		host := c.HostConfig
		if !host.ReadonlyRootfs || host.Privileged || len(host.CapAdd) > 0 || !slices.Equal(host.CapDrop, []string{"ALL"}) ||
			!slices.Equal(host.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s may do too much: %+v", service, host)
		}
		if user, _, _ := strings.Cut(c.Config.User, ":"); user == "" || user == "0" || user == "root" {
			t.Errorf("%s runs as %q", service, c.Config.User)
		}
		if c.State.Health.Status != "healthy" {
			t.Errorf("%s is %q", service, c.State.Health.Status)
		}
		want := map[string][]binding{}
		if service == "web" {
			want["8080/tcp"] = []binding{{"127.0.0.1", p.port}}
		}
		if len(host.PortBindings)+len(want) > 0 && !reflect.DeepEqual(host.PortBindings, want) {
			t.Errorf("%s publishes %v, want %v", service, host.PortBindings, want)
		}
	}
}

// replicas sends a request several times, and returns who has answered.
func replicas(t *testing.T, b *browser, times int) []string {
	t.Helper()
	var seen []string
	for range times {
		if a := b.want(t, "GET", "/api/me", ""); !slices.Contains(seen, a.replica) {
			seen = append(seen, a.replica)
		}
	}
	slices.Sort(seen)
	return seen
}

func testBothAnswer(t *testing.T, p *project) {
	b := newBrowser(t, p, "")
	var demo struct {
		Store string
		Lab   bool
		Login struct{ UserID, Password string }
	}
	if a := b.want(t, "GET", "/api/demo", ""); json.Unmarshal([]byte(a.body), &demo) != nil || demo.Store != "mysql" || !demo.Lab {
		t.Fatalf("the demo: got %v", a)
	}
	b.want(t, "POST", "/api/login", account{demo.Login.UserID, demo.Login.Password}.body())
	if seen := replicas(t, b, 6); fmt.Sprint(seen) != "[api1 api2]" {
		t.Errorf("got answers from %v, want both processes", seen)
	}
	b.want(t, "POST", refreshPath, "")
	if seen := replicas(t, b, 6); fmt.Sprint(seen) != "[api1 api2]" {
		t.Errorf("after a refresh: got answers from %v, want both processes", seen)
	}
	b.want(t, "POST", "/api/logout", "")
	for range 2 {
		if a := b.do(t, "GET", "/api/me", ""); a.status != http.StatusUnauthorized {
			t.Errorf("after the logout: got %v", a)
		}
	}
}

// testPageStays: who has served the page goes on to answer it, the next page is the other one's, and nothing else gets a cookie for that.
func testPageStays(t *testing.T, p *project) {
	var served []string
	for range 2 {
		b, user := newBrowser(t, p, ""), newAccount()
		page := b.do(t, "GET", "/", "", "Accept", "text/html,*/*")
		if page.status != http.StatusOK || !strings.Contains(page.header.Get("Content-Type"), "text/html") {
			t.Fatalf("the page: got %v", page)
		}
		served = append(served, page.replica)
		b.want(t, "POST", "/api/register", user.body())
		if seen := replicas(t, b, 4); fmt.Sprint(seen) != fmt.Sprint([]string{page.replica}) {
			t.Errorf("a page of %s: got answers from %v", page.replica, seen)
		}
	}
	if served[0] == served[1] {
		t.Errorf("two pages were both given %s", served[0])
	}
	if a := newBrowser(t, p, "").want(t, "GET", "/api/demo", ""); a.header.Get("Set-Cookie") != "" {
		t.Errorf("not a page: got cookie %q", a.header.Get("Set-Cookie"))
	}
}

func testClient(t *testing.T, p *project) {
	b, user := newBrowser(t, p, "api1"), newAccount()
	if a := b.do(t, "POST", "/api/register", newAccount().body(), "Origin", "http://evil.example"); a.status != http.StatusForbidden {
		t.Errorf("another site's page: got %v", a)
	}
	if a := b.do(t, "GET", "/healthz", "", "Host", "evil.example"); a.status != http.StatusMisdirectedRequest {
		t.Errorf("another name: got %v", a)
	}
	a := b.do(t, "POST", "/api/register", user.body(), "X-Forwarded-For", "203.0.113.9", "Forwarded", "for=203.0.113.9")
	if a.status != http.StatusOK {
		t.Fatalf("register: got %v", a)
	}
	a = b.want(t, "GET", "/api/sessions", "")
	if strings.Contains(a.body, "203.0.113.9") || strings.Contains(a.body, `"address":"127.`) || !strings.Contains(a.body, `"address":"`) {
		t.Errorf("the address of the client: got %s, want neither what it says itself nor the proxy's", a.body)
	}
	big := strings.Repeat("x", 40<<10)
	if a := b.do(t, "GET", "/api/me", "", "X-Big", big); a.status != http.StatusOK {
		t.Errorf("a header of 40 KiB: got %v", a)
	}
}

func testRevoked(t *testing.T, p *project) {
	one, user := registered(t, p, "api1")
	two := newBrowser(t, p, "api2")
	handle := two.want(t, "POST", "/api/login", user.body()).field("handle")
	two.want(t, "POST", refreshPath, "")
	if a := two.want(t, "GET", "/api/me", ""); a.replica != "api2" {
		t.Fatalf("got an answer from %s, want api2", a.replica)
	}
	a := one.want(t, "DELETE", "/api/sessions/"+handle, "")
	if a.replica != "api1" {
		t.Fatalf("got an answer from %s, want api1", a.replica)
	}
	ended := time.Now()
	for {
		a := two.do(t, "GET", "/api/me", "")
		took := time.Since(ended)
		if a.replica != "api2" {
			t.Fatalf("got an answer from %s, want api2", a.replica)
		}
		if a.status == http.StatusUnauthorized {
			t.Logf("refused after %v", took.Round(time.Millisecond))
			if got := a.field("reason"); got != "revoked_by_user" {
				t.Errorf("got reason %q", got)
			}
			break
		}
		if a.status != http.StatusOK || took > 2*time.Second {
			t.Fatalf("%v after the end of the session: got %v", took, a)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if a := two.do(t, "POST", refreshPath, ""); a.status != http.StatusUnauthorized {
		t.Errorf("a refresh: got %v", a)
	}
	one.want(t, "GET", "/api/me", "")
}

func testStream(t *testing.T, p *project) {
	b, _ := registered(t, p, "api2")
	began := time.Now()
	events := b.listen(t, "/api/lab/stream")
	if e := await(t, events, "snapshot", "lineage"); e.at.Sub(began) > 2*time.Second {
		t.Errorf("the first event came after %v", e.at.Sub(began))
	}
	began = time.Now()
	b.want(t, "GET", "/api/me", "")
	if e := await(t, events, "request", "/api/me"); e.at.Sub(began) > 2*time.Second {
		t.Errorf("an event came after %v", e.at.Sub(began))
	}
}

// testLab loses an answer, and robs the session, all of it in one process.
func testLab(t *testing.T, p *project) {
	const grace = 10 * time.Second // the default
	b, _ := registered(t, p, "api1")
	time.Sleep(grace) // until then a refresh gives the same token again
	events := b.listen(t, "/api/lab/stream")
	thief := b.want(t, "POST", refreshPath+"/lab/copy", "").field("thief")

	b.want(t, "POST", "/api/lab/lose", "")
	began := time.Now()
	if a, err := b.try(t.Context(), "POST", refreshPath, ""); err == nil {
		t.Errorf("a lost answer: got %v", a)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a lost answer: the client waited for %v", took)
	}
	await(t, events, "request", `"lost":true`)
	b.want(t, "POST", refreshPath, "")
	if seen := replicas(t, b, 4); fmt.Sprint(seen) != "[api1]" {
		t.Errorf("after a lost answer: got answers from %v, want api1 alone", seen)
	}

	a := b.do(t, "POST", "/api/lab/thief", fmt.Sprintf(`{"thief":%q,"strategy":"wait"}`, thief))
	if a.status/100 != 2 {
		t.Fatalf("the thief: got %v", a)
	}
	await(t, events, "event", `"reason":"theft"`)
	ended(t, events)
	if a := b.do(t, "GET", "/api/me", ""); a.status != http.StatusUnauthorized || a.field("reason") != "theft" {
		t.Errorf("the owner: got %v", a)
	}
}

// testWithoutProcess: a browser goes on without a logout when its process is killed, and returns to it.
func testWithoutProcess(t *testing.T, p *project) {
	b, _ := registered(t, p, "api1")
	p.compose(t, "kill", "api1")
	for _, call := range []struct{ method, path, body string }{
		{"GET", "/api/me", ""},
		{"PUT", "/api/data", `{"visits":2}`},
		{"POST", refreshPath, ""},
		{"GET", "/api/me", ""},
		{"GET", "/healthz", ""},
	} {
		if a := b.want(t, call.method, call.path, call.body); a.replica != "api2" {
			t.Errorf("%s %s: got an answer from %s, want api2", call.method, call.path, a.replica)
		}
	}
	p.compose(t, "up", "--detach", "--no-build", "--wait", "api1")
	if a := b.want(t, "GET", "/api/me", ""); a.replica != "api1" {
		t.Errorf("got an answer from %s, want api1, which is back", a.replica)
	}
}

// testWithoutDatabase: verification goes on, a refresh is refused for now, and nobody is logged out.
func testWithoutDatabase(t *testing.T, p *project) {
	b, _ := registered(t, p, "")
	b.want(t, "POST", refreshPath, "")
	replicas(t, b, 4) // the new tokens are used: what is left to do needs no database
	p.compose(t, "stop", "mysql")
	if seen := replicas(t, b, 6); fmt.Sprint(seen) != "[api1 api2]" {
		t.Errorf("got answers from %v, want both processes", seen)
	}
	for range 2 {
		a := b.do(t, "POST", refreshPath, "")
		if a.status != http.StatusServiceUnavailable || a.field("error") != "unavailable" || a.header.Get("Retry-After") == "" {
			t.Errorf("a refresh: got %v with Retry-After %q", a, a.header.Get("Retry-After"))
		}
		if cookies := a.header.Values("Set-Cookie"); len(cookies) > 0 {
			t.Errorf("a refresh touched the cookies: %q", cookies)
		}
		if a.took > 10*time.Second {
			t.Errorf("a refresh took %v", a.took)
		}
	}
	if a := b.want(t, "GET", "/healthz", ""); a.field("status") != "degraded" {
		t.Errorf("health: got %v", a)
	}
	p.compose(t, "start", "mysql")
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		a := b.do(t, "POST", refreshPath, "")
		if a.status == http.StatusOK {
			t.Logf("refreshed %v after MySQL was started", time.Since(began).Round(time.Millisecond))
			break
		}
		if a.status != http.StatusServiceUnavailable || time.Since(began) > time.Minute {
			t.Fatalf("a refresh %v after MySQL was started: got %v", time.Since(began), a)
		}
	}
	if seen := replicas(t, b, 6); fmt.Sprint(seen) != "[api1 api2]" {
		t.Errorf("got answers from %v, want both processes", seen)
	}
}

// testStops: the processes end by themselves when they are asked to, before they are killed.
func testStops(t *testing.T, p *project) {
	b, _ := registered(t, p, "api1")
	events := b.listen(t, "/api/lab/stream") // which would go on for ever
	began := time.Now()
	p.compose(t, "stop")
	ended(t, events)
	t.Logf("stopped in %v", time.Since(began).Round(time.Millisecond))
	for service, c := range p.containers(t) {
		if c.State.ExitCode != 0 {
			t.Errorf("%s ended with %d", service, c.State.ExitCode)
		}
	}
}
