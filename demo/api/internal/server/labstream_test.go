package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/lab"
	"github.com/watchword-dev/watchword/session"
)

// TestStreamOutlivesTheServersLimits: a stream has no end, and the server gives requests one. Its heartbeats go on.
func TestStreamOutlivesTheServersLimits(t *testing.T) {
	t.Parallel()
	d := start(t, options{lab: true})
	limited := httptest.NewUnstartedServer(d.Config.Handler)
	limited.Config.ReadTimeout, limited.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	limited.Start()
	t.Cleanup(func() { d.lab.Close(); limited.Close() })
	d.URL = limited.URL
	c := d.client(t)
	c.login()
	w := c.watch()
	time.Sleep(400 * time.Millisecond)
	select {
	case <-w.ended:
		t.Error("the stream has ended")
	default:
	}
	w.until("heartbeats", func() bool { return strings.Count(w.text.String(), "\n:\n") >= 5 })
	d.lab.Close()
	w.untilEnd()
	if a := c.do("HEAD", "/api/lab/stream", ""); a.StatusCode != 200 || a.body != "" {
		t.Errorf("HEAD: got %d %q", a.StatusCode, a.body)
	}
}

// TestStreamsTellOfTheirSessionOnly, and say who has done what to it.
func TestStreamsTellOfTheirSessionOnly(t *testing.T) {
	t.Parallel()
	d := start(t, options{lab: true})
	c, second, other := d.client(t), d.client(t), d.client(t)
	handle := field[string](t, c.register("ann"), "handle")
	second.want(second.do("POST", "/api/login", `{"userId":"ann","password":"password of ann"}`), 200, "")
	other.register("other")
	w, elsewhere := c.watch(), other.watch()
	c.want(c.do("GET", "/api/data", ""), 200, "")
	c.want(c.do("GET", "/api/data", "", "User-Agent", "curl/8"), 200, "")                        // with copied cookies
	c.want(c.do("GET", "/api/me", "", "User-Agent", "curl/8", "Lab-Client", "guessed"), 200, "") // which is nobody's
	second.want(second.do("PATCH", "/api/sessions/"+handle, `{"label":"x"}`), 200, "")           // from another session of the user
	second.want(second.do("POST", "/api/logout-others", ""), 200, "")                            // which ends this one
	other.want(other.do("GET", "/api/me", "", "Cookie", "sAccessToken="+strings.Repeat("A", 500)), 200, "")
	w.untilEnd()
	w.wantRequests(
		"you POST /api/register 200 ok [Insert]",
		"you GET /api/data 200 ok [Data]",
		"other GET /api/data 200 ok [Data]",
		"other GET /api/me 200 ok []",
		"other PATCH /api/sessions/{handle} 200 ok [Get SetLabel]",
		"other POST /api/logout-others 200 ok [EndUser Endings]",
	)
	if w.lineage.Ended == nil || w.lineage.Ended.Reason != "revoked_by_user" {
		t.Errorf("got %+v", w.lineage.Ended)
	}
	elsewhere.wantRequests("you POST /api/register 200 ok [Insert]", "you GET /api/me 200 ok []")
	if text := elsewhere.text.String(); strings.Contains(text, handle) || strings.Contains(text, "ann") {
		t.Errorf("it tells of somebody else: %s", text)
	}
}

// TestASecondLoginTakesThePlaceOfTheFirst in the browser's jar.
func TestASecondLoginTakesThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	_, c, w := labDemo(t, options{})
	c.login()
	w.wantTokens("0 current x1 []", "")
	second := c.watch()
	second.wantTokens("0 current x1 [you]", "")
	second.wantRequests("you POST /api/login 200 ok [Insert]")
	w.wantRequests("you POST /api/login 200 ok [Insert]", "you POST /api/login 200 ok [Insert]")
}

// TestRefreshesAtOnce: with forty of them the recorder keeps count, and what it shows hangs together.
func TestRefreshesAtOnce(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	c.copied()
	d.clock.advance(11 * time.Second)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for _, request := range []struct{ method, path string }{{"POST", refreshPath}, {"GET", "/api/me"}} {
				r, err := http.NewRequestWithContext(t.Context(), request.method, d.URL+request.path, http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				response, err := c.http.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	wg.Wait()
	w.until("all requests", func() bool { return len(w.requests) == 41 })
	w.mu.Lock()
	defer w.mu.Unlock()
	nodes := map[string]lab.Node{}
	for _, n := range w.lineage.Nodes {
		nodes[n.ID] = n
	}
	if len(nodes) != 2 || w.lineage.Nodes[1].Class != "current" || fmt.Sprint(w.lineage.Nodes[1].Holders, w.lineage.Nodes[0].Holders) != "[you] [thief 1]" {
		t.Errorf("got %+v", w.lineage.Nodes)
	}
	confirms := 0
	for _, r := range w.requests {
		confirms += strings.Count(strings.Join(r.Statements, " "), "Confirm")
	}
	if confirms == 0 {
		t.Error("nobody has confirmed")
	}
}

// TestEndingsOfOthersAreSeen: what another process has ended is found out from the feed.
func TestEndingsOfOthersAreSeen(t *testing.T) {
	t.Parallel()
	var store session.Store
	d := start(t, options{lab: true, store: func(s session.Store) session.Store { store = s; return s }})
	c := d.client(t)
	handle := must(session.ParseHandle(field[string](t, c.login(), "handle")))
	w := c.watch()
	if ended, err := store.End(t.Context(), handle, session.End{ID: 1, Reason: session.ReasonRevoked, Fed: true}); !ended || err != nil {
		t.Fatal(ended, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go d.manager.Run(ctx)
	w.until("the end", func() bool { return w.lineage.Ended != nil })
	w.untilEnd()
	if w.lineage.Ended.Reason != "revoked" {
		t.Errorf("got %+v", w.lineage.Ended)
	}
}

// TestLabInTheStrictMode: a successor is confirmed by the refresh that replaces it.
func TestLabInTheStrictMode(t *testing.T) {
	t.Parallel()
	_, c, w := labDemo(t, options{session: session.Config{Grace: session.NoGrace}})
	c.want(c.do("POST", refreshPath, ""), 200, "")
	w.wantTokens("0 current x1 []; 1 pending x1 [you]", "0-minted-1 you")
	c.want(c.do("POST", refreshPath, ""), 200, "")
	w.wantTokens("0 previous x1 []; 1 current x1 confirmed []; 2 pending x1 [you]", "0-minted-1 you; 0-confirmed-1 you; 1-minted-2 you")
	w.wantRequests("you POST /api/login 200 ok [Insert]", "you POST /api/session/refresh 200 ok [Get Mint]", "you POST /api/session/refresh 200 ok [Get Confirm]")
	if w.lineage.GraceMS != 0 || w.lineage.GraceUntil != nil || w.lineage.RotatedAt == nil {
		t.Errorf("got %+v", w.lineage)
	}
}

// TestReplacedSuccessors: one that nobody has used for a grace is replaced, and stale.
func TestReplacedSuccessors(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	thief := c.copied()
	d.clock.advance(11 * time.Second)
	c.want(c.do("POST", refreshPath, ""), 200, "")
	d.clock.advance(11 * time.Second)
	c.wantBody(c.send(thief, "refresh"), `{"status":200}`)
	w.wantTokens("0 current x1 []; 1 stale x1 [you]; 1' pending x1 [thief 1]", "0-minted-1 you; 0-minted-1' thief 1")
	c.want(c.do("GET", "/api/me", ""), 401, "try_refresh")
	c.want(c.do("POST", refreshPath, ""), 401, "token_theft: theft") // which is one: nobody else could have asked for another
	w.untilEnd()
}

// TestLabOfAClientOfHeaders shows the same for one that has no cookies, and nobody steals from it.
func TestLabOfAClientOfHeaders(t *testing.T) {
	t.Parallel()
	d := start(t, options{lab: true})
	c := d.client(t)
	login := c.do("POST", "/api/login", demoCredentials, "Session-Transport", "header")
	c.want(login, 200, "")
	bearer := []string{"Authorization", "Bearer " + login.Header.Get("X-Access-Token")}
	w := c.watch(bearer...)
	w.wantTokens("0 current x1 [you]", "")
	d.clock.advance(11 * time.Second)
	c.want(c.do("POST", refreshPath, "", "X-Refresh-Token", login.Header.Get("X-Refresh-Token")), 200, "")
	w.wantTokens("0 current x1 []; 1 pending x1 [you]", "0-minted-1 you")
	c.want(c.do("POST", copyPath, "", bearer...), 409, "no_refresh_token")
	w.wantRequests("you POST /api/login 200 ok [Insert]", "you POST /api/session/refresh 200 ok [Get Mint]")
	w.until("its access token", func() bool { return len(w.lineage.Access) == 1 && w.lineage.Access[0].Node == w.lineage.Nodes[1].ID })
}
