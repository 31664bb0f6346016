package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/lab"
	"github.com/watchword-dev/watchword/session"
)

const (
	refreshPath = "/api/session/refresh"
	copyPath    = refreshPath + "/lab/copy"
)

// labDemo is a demo whose lab is open, and a client that is logged in to it and watches.
func labDemo(t *testing.T, opts options) (*demo, *client, *watch) {
	t.Helper()
	opts.lab = true
	d := start(t, opts)
	c := d.client(t)
	c.login()
	return d, c, c.watch()
}

// copied has a thief copy the client's refresh token.
func (c *client) copied() (thief string) {
	c.t.Helper()
	a := c.do("POST", copyPath, "")
	c.want(a, 200, "")
	return field[string](c.t, a, "thief")
}

// send has a thief follow a strategy.
func (c *client) send(thief, strategy string) answer {
	c.t.Helper()
	return c.do("POST", "/api/lab/thief", fmt.Sprintf(`{"thief":%q,"strategy":%q}`, thief, strategy))
}

func (c *client) wantBody(a answer, body string) {
	c.t.Helper()
	if a.StatusCode != 200 || a.body != body+"\n" {
		c.t.Errorf("%s: got %d %s, want %s", a.Request.URL.Path, a.StatusCode, a.body, body)
	}
}

const caught = `{"status":401,"error":"token_theft","reason":"theft"}`

// TestLabShowsATheft follows the classic theft from the login to the end of the session: what was asked of the store, which tokens there
// were and who had them, and what the Manager told of it.
func TestLabShowsATheft(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	w.wantRequests("you POST /api/login 200 ok [Insert]")
	w.wantTokens("0 current x1 [you]", "")
	if thief := c.copied(); thief != "thief 1" {
		t.Errorf("got %q", thief)
	}
	w.wantTokens("0 current x1 [you thief 1]", "")

	d.clock.advance(11 * time.Second)
	minted := d.clock.Now()
	c.want(c.do("POST", refreshPath, ""), 200, "")
	w.wantTokens("0 current x1 [thief 1]; 1 pending x1 [you]", "0-minted-1 you")
	d.clock.advance(time.Second)
	confirmed := d.clock.Now()
	c.want(c.do("GET", "/api/me", ""), 200, "")
	c.want(c.do("GET", "/api/me", ""), 200, "")
	w.wantTokens("0 previous x1 [thief 1]; 1 current x1 confirmed [you]", "0-minted-1 you; 0-confirmed-1 you")

	d.clock.advance(11 * time.Second)
	stolen := d.clock.Now()
	c.wantBody(c.send("thief 1", "use"), caught)
	c.want(c.do("GET", "/api/me", ""), 401, "unauthorised: theft")
	w.wantRequests(
		"you POST /api/login 200 ok [Insert]",
		"you POST /api/session/refresh 200 ok [Get Mint]",
		"you GET /api/me 200 ok [Confirm]",
		"you GET /api/me 200 ok []",
		"thief 1 POST /api/session/refresh 401 token_theft [Get End] theft",
		"you GET /api/me 401 unauthorised [] theft",
	)
	w.untilEnd()
	w.wantTokens("0 previous x1 []; 1 current x1 confirmed []", "0-minted-1 you; 0-confirmed-1 you")

	l, first, second := w.lineage, w.lineage.Nodes[0], w.lineage.Nodes[1]
	for name, times := range map[string][2]*int64{
		"minted": {second.MintedAt, ms(minted)}, "handed out": {second.HandedAt, ms(minted)}, "confirmed": {second.ConfirmedAt, ms(confirmed)},
		"edge": {l.Edges[1].At, ms(confirmed)}, "rotated": {l.RotatedAt, ms(confirmed)}, "grace": {l.GraceUntil, ms(confirmed.Add(10 * time.Second))},
		"ended": {l.Ended.At, ms(stolen)}, "request": {w.requests[4].At, ms(stolen)}, "first": {first.HandedAt, first.MintedAt},
	} {
		if times[0] == nil || times[1] == nil || *times[0] != *times[1] {
			t.Errorf("%s: got %v, want %v", name, show(times[0]), show(times[1]))
		}
	}
	if l.Ended.Reason != "theft" || l.GraceMS != 10_000 || len(l.Access) != 0 || first.ConfirmedAt != nil || len(first.ID) != 8 || first.ID == second.ID {
		t.Errorf("got %+v", l)
	}
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); got != "created refreshed confirmed theft" {
		t.Errorf("got events %s", got)
	}
	if e := w.events[len(w.events)-1]; *e.Reason != "theft" || e.Theft.Kind != session.TheftReuse || e.Theft.Generations != 1 || e.Theft.SinceRotation != 11_000 ||
		e.Theft.Presenter.UserAgent != "Watchword lab, thief 1" || e.Theft.Device.UserAgent != "Go-http-client/1.1" || *e.At != stolen.UnixMilli() {
		t.Errorf("got %+v", e)
	}
}

func ms(t time.Time) *int64 {
	n := t.UnixMilli()
	return &n
}

func show(n *int64) string {
	raw, _ := json.Marshal(n)
	return string(raw)
}

// TestLabShowsAThiefWhoIsFaster: then it is the owner who gives the theft away.
func TestLabShowsAThiefWhoIsFaster(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	thief := c.copied()
	d.clock.advance(11 * time.Second)
	c.wantBody(c.send(thief, "use"), `{"status":200}`)
	w.wantTokens("0 previous x1 [you]; 1 current x1 confirmed [thief 1]", "0-minted-1 thief 1; 0-confirmed-1 thief 1")
	w.until("both access tokens", func() bool {
		return len(w.lineage.Access) == 2 && w.lineage.Access[0].Holder == "you" && w.lineage.Access[1].Node == w.lineage.Nodes[1].ID
	})
	d.clock.advance(5 * time.Second) // a request that crosses: rule 3
	c.want(c.do("POST", refreshPath, ""), 200, "")
	w.wantTokens("0 previous x1 []; 1 current x1 confirmed [you thief 1]", "0-minted-1 thief 1; 0-confirmed-1 thief 1; 0-handed_out-1 you")
	d.clock.advance(11 * time.Second)
	c.want(c.do("POST", refreshPath, ""), 200, "")
	w.wantTokens("0 previous x1 []; 1 current x1 confirmed [thief 1]; 2 pending x1 [you]",
		"0-minted-1 thief 1; 0-confirmed-1 thief 1; 0-handed_out-1 you; 1-minted-2 you")
	c.want(c.do("GET", "/api/me", ""), 200, "")
	d.clock.advance(11 * time.Second)
	c.wantBody(c.send(thief, "refresh"), caught)
	w.untilEnd()
}

// TestToLookIsNotToTouch: requests to the lab do not confirm a token that is not known to have arrived.
func TestToLookIsNotToTouch(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	d.clock.advance(11 * time.Second)
	c.want(c.do("POST", refreshPath, ""), 200, "")
	thief := c.copied()
	c.watch()
	for _, a := range []answer{
		c.do("POST", "/api/lab/lose", ""), c.do("POST", "/api/lab/rotate", `{"purpose":"access"}`), c.do("POST", "/api/lab/outage", `{"on":false}`),
		c.do("POST", "/api/lab/thief", `{"thief":"thief 2","strategy":"use"}`),
	} {
		if len(a.Cookies()) != 0 {
			t.Errorf("%s touches cookies: %v", a.Request.URL.Path, a.Cookies())
		}
	}
	w.wantTokens("0 current x1 []; 1 pending x1 [you thief 1]", "0-minted-1 you")
	c.wantBody(c.send(thief, "refresh"), `{"status":200}`) // it is this that confirms
	w.wantTokens("0 previous x1 []; 1 current x1 confirmed [you thief 1]", "0-minted-1 you; 0-confirmed-1 thief 1")
	w.wantRequests("you POST /api/login 200 ok [Insert]", "you POST /api/session/refresh 200 ok [Get Mint]",
		"thief 1 POST /api/session/refresh 200 ok [Get Confirm]")
}

// TestLose: an answer that is lost does no harm, and the lab shows why.
func TestLose(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	thief := c.copied()
	d.clock.advance(11 * time.Second)
	c.wantBody(c.do("POST", "/api/lab/lose", ""), "{}")
	w.until("that the next answer will be lost", func() bool { return w.state.LoseNext })
	c.wantBody(c.send(thief, "refresh"), `{"status":200}`) // not a thief's
	c.want(c.do("GET", "/api/me", ""), 200, "")            // nor that of another request
	if _, err := c.try("POST", refreshPath, ""); err == nil {
		t.Error("the answer has arrived")
	}
	w.wantTokens("0 current x1 [you]; 1 pending x2 [thief 1]", "0-minted-1 thief 1; 0-handed_out-1 you")
	w.until("that nothing will be lost", func() bool { return !w.state.LoseNext })
	c.want(c.do("POST", refreshPath, ""), 200, "")
	w.wantTokens("0 current x1 []; 1 pending x3 [you thief 1]", "0-minted-1 thief 1; 0-handed_out-1 you; 0-handed_out-1 you")
	w.wantRequests(
		"you POST /api/login 200 ok [Insert]",
		"thief 1 POST /api/session/refresh 200 ok [Get Mint]",
		"you GET /api/me 200 ok []",
		"you POST /api/session/refresh 0 ok [Get HandOut] lost",
		"you POST /api/session/refresh 200 ok [Get HandOut]",
	)
	if log := d.log.String(); strings.Count(log, `"cut":true`) != 1 || strings.Contains(log, "panicked") {
		t.Errorf("got log %s", log)
	}
}

// TestShadow: a thief who stays one ahead uses nothing, and stops with the session.
func TestShadow(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	thief := c.copied()
	d.clock.advance(11 * time.Second)
	c.wantBody(c.send(thief, "shadow"), `{"status":202}`)
	w.until("ten refreshes", func() bool { return len(w.requests) == 11 })
	w.until("that the thief is back", func() bool {
		return len(w.state.Thieves) == 1 && !w.state.Thieves[0].Active && *w.state.Thieves[0].Strategy == "shadow"
	})
	for _, r := range w.requests[1:] {
		if r.Client != "thief 1" || r.Path != refreshPath || r.Status != 200 {
			t.Errorf("got %+v", r)
		}
	}
}

func TestThievesStopWithTheirSession(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{labs: slowThieves})
	thief, waiting := c.copied(), c.copied()
	c.wantBody(c.send(thief, "shadow"), `{"status":202}`)
	c.wantBody(c.send(waiting, "wait"), `{"status":202}`)
	c.want(c.send(thief, "refresh"), 409, "thief_busy")
	w.until("both thieves", func() bool {
		return len(w.state.Thieves) == 2 && w.state.Thieves[0].Active && w.state.Thieves[1].Active
	})
	c.want(c.do("POST", "/api/logout", ""), 200, "")
	w.until("that they have stopped", func() bool { return !w.state.Thieves[0].Active && !w.state.Thieves[1].Active })
	w.untilEnd()
	if w.lineage.Ended == nil || w.lineage.Ended.Reason != "logout" {
		t.Errorf("got %+v", w.lineage.Ended)
	}
	d.lab.Close() // waits for those that are still at it
}

// slowThieves makes thieves whose pauses no test sees the end of.
func slowThieves(cfg *lab.Config) { cfg.Pace, cfg.Grace = time.Hour, time.Hour }

func TestWait(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{labs: func(cfg *lab.Config) { cfg.Grace = 0 }})
	thief := c.copied()
	d.clock.advance(11 * time.Second)
	c.want(c.do("POST", refreshPath, ""), 200, "")
	c.want(c.do("GET", "/api/me", ""), 200, "")
	d.clock.advance(11 * time.Second)
	c.wantBody(c.send(thief, "wait"), `{"status":202}`)
	w.untilEnd()
	w.wantRequests(
		"you POST /api/login 200 ok [Insert]", "you POST /api/session/refresh 200 ok [Get Mint]", "you GET /api/me 200 ok [Confirm]",
		"thief 1 POST /api/session/refresh 401 token_theft [Get End] theft",
	)
}

func TestLabOutage(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	const on = `{"on":true,"seconds":120}`
	d.client(t).want(d.client(t).do("POST", "/api/lab/outage", on), 401, "unauthorised")
	for _, body := range []string{`{"on":true,"seconds":0}`, `{"on":true,"seconds":121}`, `{"on":true,"seconds":-1}`, `{"on":true,"seconds":9223372036854775807}`, `{"on":1}`} {
		c.want(c.do("POST", "/api/lab/outage", body), 400, "invalid_request")
	}
	a := c.do("POST", "/api/lab/outage", on)
	until := d.clock.Now().Add(2 * time.Minute).UnixMilli()
	c.wantBody(a, fmt.Sprintf(`{"until":%d}`, until))
	w.until("the outage", func() bool { return w.state.OutageUntil != nil && *w.state.OutageUntil == until })
	refused := c.do("POST", refreshPath, "")
	c.want(refused, 503, "unavailable")
	if len(refused.Cookies()) != 0 || refused.Header.Get("Retry-After") == "" {
		t.Errorf("got headers %v", refused.Header)
	}
	c.want(c.do("POST", "/api/login", demoCredentials), 503, "unavailable")
	c.want(c.do("POST", "/api/logout", ""), 503, "unavailable")
	c.want(c.do("GET", "/api/me", ""), 200, "")
	if a := c.do("GET", "/healthz", ""); !strings.Contains(a.body, `"status":"degraded","store":"unavailable"`) {
		t.Errorf("got %s", a.body)
	}
	c.watch() // a stream begins without the store as well

	c.wantBody(d.client(t).do("POST", "/api/lab/outage", `{"on":false}`), `{"until":null}`) // by anybody
	w.until("the end of the outage", func() bool { return w.state.OutageUntil == nil })
	c.want(c.do("POST", refreshPath, ""), 200, "")
	if a := c.do("GET", "/healthz", ""); !strings.Contains(a.body, `"status":"ok","store":"ok"`) {
		t.Errorf("got %s", a.body)
	}
	w.wantRequests(
		"you POST /api/login 200 ok [Insert]",
		"you POST /api/session/refresh 503 unavailable [Get]",
		"you POST /api/login 503 unavailable [Insert Insert]",
		"you POST /api/logout 503 unavailable [Get]",
		"you GET /api/me 200 ok []",
		"you POST /api/session/refresh 200 ok [Get]",
	)

	c.want(c.do("POST", "/api/lab/outage", `{"on":true,"seconds":1}`), 200, "")
	w.until("the outage", func() bool { return w.state.OutageUntil != nil })
	w.until("its end, by itself", func() bool { return w.state.OutageUntil == nil })
}

func TestLabRevokes(t *testing.T) {
	t.Parallel()
	_, c, w := labDemo(t, options{})
	c.wantBody(c.do("POST", "/api/lab/revoke", ""), "{}")
	c.want(c.do("GET", "/api/me", ""), 401, "unauthorised: revoked")
	w.untilEnd()
	if w.lineage.Ended == nil || w.lineage.Ended.Reason != "revoked" {
		t.Errorf("got %+v", w.lineage.Ended)
	}
	w.wantRequests("you POST /api/login 200 ok [Insert]", "you GET /api/me 401 unauthorised [] revoked")
	if last := w.events[len(w.events)-1]; last.Kind != session.EventEnded || *last.Reason != session.ReasonRevoked {
		t.Errorf("got %+v", last)
	}
	c.want(c.do("POST", "/api/lab/revoke", ""), 401, "unauthorised")
}

func TestLabRotatesKeys(t *testing.T) {
	t.Parallel()
	d, c, w := labDemo(t, options{})
	for _, body := range []string{`{}`, `{"purpose":"all"}`, `{"purpose":"access","compromised":"yes"}`} {
		c.want(c.do("POST", "/api/lab/rotate", body), 400, "invalid_request")
	}
	c.wantBody(c.do("POST", "/api/lab/rotate", `{"purpose":"access"}`), "{}")
	w.until("the new key", func() bool {
		last := w.events[len(w.events)-1]
		return last.Kind == session.EventKeyRotated && *last.Purpose == session.PurposeAccess && len(*last.Key) == 16
	})
	c.want(c.do("GET", "/api/me", ""), 200, "") // nobody notices
	c.wantBody(c.do("POST", "/api/lab/rotate", `{"purpose":"access","compromised":true}`), "{}")
	c.want(c.do("GET", "/api/me", ""), 401, "try_refresh")
	c.want(c.do("POST", refreshPath, ""), 200, "")
	c.want(c.do("GET", "/api/me", ""), 200, "")

	d.clock.advance(time.Second)
	c.wantBody(c.do("POST", "/api/lab/rotate", `{"purpose":"refresh","compromised":true}`), "{}")
	c.want(c.do("POST", refreshPath, ""), 401, "unauthorised: key_compromised")
	w.untilEnd()
	if w.lineage.Ended == nil || w.lineage.Ended.Reason != "key_compromised" {
		t.Errorf("got %+v", w.lineage.Ended)
	}
}
