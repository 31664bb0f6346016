package flows_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/integration/program"
)

// Two processes on one database are one service: whatever one does, the other goes on with.
func TestTwoProcessesOneDatabase(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	a, b := start(t, dsn, "GRACE=0"), start(t, dsn, "GRACE=0")
	br := newBrowser(t)
	br.login(a, "alice")
	var me struct {
		UserID  string
		Payload struct{ Role string }
		Handle  string
	}
	if err := json.Unmarshal([]byte(br.me(b).body), &me); err != nil || me.UserID != "alice" || me.Payload.Role != "user" || me.Handle == "" {
		t.Errorf("GET /api/me: got %+v, %v", me, err)
	}
	if data := br.do(b, "GET", "/api/data", "").body; data != `{"visits":1}` {
		t.Errorf("GET /api/data: got %s", data)
	}
	br.want(br.do(a, "PUT", "/api/data", `{ "visits" : 2 }`), 200, "")
	if data := br.do(b, "GET", "/api/data", "").body; data != `{ "visits" : 2 }` {
		t.Errorf("GET /api/data after PUT: got %s", data)
	}
	for i, p := range []*process{b, a, b, a} {
		before := br.refreshToken(p)
		br.refresh(p)
		if br.refreshToken(p) == before {
			t.Errorf("refresh %d did not rotate", i)
		}
		if first := br.me([]*process{a, b}[i%2]); first.header.Get("Set-Cookie") == "" {
			t.Errorf("first use %d renewed nothing", i)
		}
		if second := br.me(p); second.header.Get("Set-Cookie") != "" {
			t.Errorf("second use %d set a cookie", i)
		}
	}
	br.want(br.do(b, "POST", "/api/logout", ""), 200, "")
	br.want(br.do(a, "GET", "/api/me", ""), 401, "unauthorised")
	br.want(br.do(a, "POST", refreshPath, ""), 401, "unauthorised")
}

func TestRestartBetweenTwoRequests(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	before := start(t, dsn)
	br := newBrowser(t)
	br.login(before, "alice")
	br.me(before)
	before.stop()
	after := start(t, dsn)
	br.me(after)
	br.refresh(after)
	br.me(after)
}

// The original's two ways to catch a thief, with grace off.
func TestTheft(t *testing.T) {
	t.Parallel()
	p := start(t, mysqltest.Database(t), "GRACE=0")
	for name, use := range map[string]func(*browser){
		"S1-R1-S2-R1": func(br *browser) { br.me(p) },
		"S1-R1-R2-R1": func(br *browser) { br.refresh(p) },
	} {
		br := newBrowser(t)
		br.login(p, "alice")
		stolen := br.refreshToken(p)
		br.refresh(p)
		use(br)
		caught := br.want(thief(t, p, stolen), 401, "token_theft")
		if caught.header.Get("Id-Refresh-Token") != "remove" || len(caught.header.Values("Set-Cookie")) != 3 {
			t.Errorf("%s: theft cleared %v", name, caught.header)
		}
		br.want(br.do(p, "POST", refreshPath, ""), 401, "unauthorised")
	}
}

func TestNoTheftWhenARefreshIsRepeated(t *testing.T) {
	t.Parallel()
	p := start(t, mysqltest.Database(t), "GRACE=0")
	br := newBrowser(t)
	br.login(p, "alice")
	lost := br.refreshToken(p)
	if a := thief(t, p, lost); a.status != 200 { // the first answer never reaches the browser
		t.Fatalf("first refresh: %d %s", a.status, a.body)
	}
	br.refresh(p)
	br.me(p)
	br.refresh(p)
}

// Within grace the same successor is handed out, by whichever process.
func TestCrossingRefreshesAgree(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	a, b := start(t, dsn, "GRACE=1s"), start(t, dsn, "GRACE=1s")
	br := newBrowser(t)
	br.login(a, "alice")
	old := br.refreshToken(a)
	time.Sleep(1100 * time.Millisecond) // the database's clock decides: a brand-new token is kept
	first := newBrowser(t).do(a, "POST", refreshPath, "", "Cookie", "sRefreshToken="+old)
	second := newBrowser(t).do(b, "POST", refreshPath, "", "Cookie", "sRefreshToken="+old)
	if x, y := cookie(first, "sRefreshToken"), cookie(second, "sRefreshToken"); x == "" || x != y {
		t.Error("two refreshes that crossed got different successors")
	}
}

func cookie(a answer, name string) string {
	for _, line := range a.header.Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Altered, foreign, expired and algorithm-less tokens get one and the same answer.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	p, foreign := start(t, dsn, "ACCESS_LIFETIME=2s"), start(t, mysqltest.Database(t))
	br, other := newBrowser(t), newBrowser(t)
	br.login(p, "alice")
	other.login(foreign, "alice")
	access := br.cookies(p, "/")["sAccessToken"]
	refresh := br.refreshToken(p)
	parts := strings.Split(access, ".")
	segment := base64.RawURLEncoding.EncodeToString
	var claims map[string]any
	if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || json.Unmarshal(raw, &claims) != nil {
		t.Fatalf("the access token is no JWT: %s", access)
	}
	claims["sub"] = "root"
	forged, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"altered":   access[:len(access)-3] + "AAA",
		"promoted":  parts[0] + "." + segment(forged) + "." + parts[2],
		"alg none":  segment([]byte(`{"alg":"none","typ":"watchword-access+jwt"}`)) + "." + segment(forged) + ".",
		"foreign":   other.cookies(foreign, "/")["sAccessToken"],
		"truncated": access[:40],
		"refresh":   refresh,
		"oversized": strings.Repeat("A", 9<<10),
		"garbage":   "garbage",
	}
	time.Sleep(2200 * time.Millisecond) // access lifetimes are spread by a twentieth
	bad["expired"] = access
	var seen []string
	for name, token := range bad {
		a := newBrowser(t).do(p, "GET", "/api/me", "", "Cookie", "sIdRefreshToken=1; sAccessToken="+token)
		if a.status != 401 || a.code() != "try_refresh" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("access token %s: got %d %s, cookies %q", name, a.status, a.body, a.header.Values("Set-Cookie"))
		}
		seen = append(seen, a.body)
	}
	if slices.Sort(seen); seen[0] != seen[len(seen)-1] {
		t.Errorf("bad tokens can be told apart: %q", seen)
	}
	for name, token := range map[string]string{
		"altered": refresh[:len(refresh)-3] + "AAA", "foreign": other.refreshToken(foreign), "access": access, "garbage": "garbage",
	} {
		if a := thief(t, p, token); a.status != 401 || a.code() != "unauthorised" {
			t.Errorf("refresh token %s: got %d %s", name, a.status, a.body)
		}
	}
	br.refresh(p) // none of it did any harm
	br.me(p)
}

func TestSessionsAndRevocation(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	a, b := start(t, dsn), start(t, dsn)
	phone, laptop, mallory := newBrowser(t), newBrowser(t), newBrowser(t)
	phone.login(a, "alice")
	laptop.login(b, "alice")
	mallory.login(a, "mallory")
	type list struct {
		Sessions []struct {
			Handle  string
			Current bool
		}
	}
	var sessions list
	if err := json.Unmarshal([]byte(laptop.do(a, "GET", "/api/sessions", "").body), &sessions); err != nil || len(sessions.Sessions) != 2 {
		t.Fatalf("GET /api/sessions: got %+v, %v", sessions, err)
	}
	var other string
	for _, s := range sessions.Sessions {
		if !s.Current {
			other = s.Handle
		}
	}
	mallory.want(mallory.do(b, "DELETE", "/api/sessions/"+other, ""), 404, "not_found")
	for _, handle := range []string{"x", "00000000-0000-7000-8000-000000000000", strings.ToUpper(other)} {
		laptop.want(laptop.do(b, "DELETE", "/api/sessions/"+handle, ""), 404, "not_found")
	}
	phone.refresh(b)
	if got := laptop.do(b, "DELETE", "/api/sessions/"+other, ""); got.status/100 != 2 {
		t.Errorf("DELETE: got %d %s", got.status, got.body)
	}
	phone.want(phone.do(a, "POST", refreshPath, ""), 401, "unauthorised")
	laptop.refresh(a)

	phone.login(a, "alice")
	cleared := laptop.want(laptop.do(b, "POST", "/api/logout-all", ""), 200, "")
	if cleared.header.Get("Id-Refresh-Token") != "remove" {
		t.Errorf("logout-all cleared no cookies: %v", cleared.header)
	}
	phone.want(phone.do(b, "POST", refreshPath, ""), 401, "unauthorised")
	laptop.want(laptop.do(b, "POST", refreshPath, ""), 401, "unauthorised")
	mallory.refresh(b)
}

// Front ends of the original's time expect 440.
func TestStatusesOfTheOriginal(t *testing.T) {
	t.Parallel()
	p := start(t, mysqltest.Database(t), "GRACE=0", "ACCESS_LIFETIME=1s", "ANTI_CSRF=token",
		"STATUS_TRY_REFRESH=440", "STATUS_UNAUTHORISED=440", "STATUS_THEFT=440")
	br := newBrowser(t)
	br.want(br.do(p, "GET", "/api/me", ""), 440, "unauthorised")
	login := br.login(p, "alice")
	if id := login.header.Get("Id-Refresh-Token"); len(strings.Split(id, ";")) != 2 || len(strings.Split(id, ";")[1]) != 13 || br.antiCSRF == "" {
		t.Errorf("login headers: %v", login.header)
	}
	stolen := br.refreshToken(p)
	token := br.antiCSRF
	br.antiCSRF = "wrong"
	br.want(br.do(p, "PUT", "/api/data", "1"), 403, "anti_csrf")
	br.antiCSRF = token
	br.want(br.do(p, "PUT", "/api/data", "1"), 200, "")
	time.Sleep(1100 * time.Millisecond)
	br.want(br.do(p, "GET", "/api/me", ""), 440, "try_refresh")
	br.refresh(p)
	br.me(p)
	if caught := thief(t, p, stolen); caught.status != 440 || caught.code() != "token_theft" {
		t.Errorf("theft: got %d %s", caught.status, caught.body)
	}
}

// User ids are told apart byte by byte, all the way.
func TestUsersAreTheirBytes(t *testing.T) {
	t.Parallel()
	p := start(t, mysqltest.Database(t))
	ids := []string{"Case", "case", "c\u00e4se", "ca\u0308se", "case ", " case", "\U0001F511", strings.Repeat("\U0001F511", 128)}
	browsers := map[string]*browser{}
	for _, id := range ids {
		browsers[id] = newBrowser(t)
		browsers[id].login(p, id)
	}
	for i, id := range ids {
		browsers[id].want(browsers[id].do(p, "POST", "/api/logout-all", ""), 200, "")
		for _, left := range ids[i+1:] {
			var me struct{ UserID string }
			browsers[left].refresh(p)
			if err := json.Unmarshal([]byte(browsers[left].me(p).body), &me); err != nil || me.UserID != left {
				t.Errorf("after the end of %q, %q is %q, %v", id, left, me.UserID, err)
			}
		}
	}
}

// Accounts are kept in the same database: what one process has registered, the other one lets in, and nobody else.
func TestRegistration(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	a, b := start(t, dsn), start(t, dsn)
	credentials := func(user, password string) string { return fmt.Sprintf(`{"userId":%q,"password":%q}`, user, password) }
	br := newBrowser(t)
	for _, user := range []string{"ann", "Ann", "ann ", "\u00e4nn"} {
		br.want(br.do(a, "POST", "/api/register", credentials(user, "the password of "+user)), 200, "")
		br.want(br.do(b, "POST", "/api/register", credentials(user, "another password")), 409, "user_exists")
		br.want(br.do(b, "POST", "/api/login", credentials(user, "another password")), 401, "invalid_credentials")
		br.want(br.do(b, "POST", "/api/login", credentials(user, "the password of "+user)), 200, "")
		br.me(a)
	}
	br.want(br.do(b, "POST", "/api/login", credentials("ANN", "the password of ann")), 401, "invalid_credentials")
}

// A database that cannot be reached ends the start with a sentence that names it, and not its password.
func TestUnreachableDatabaseAtStart(t *testing.T) {
	t.Parallel()
	cmd := program.Demo(t, "WATCHWORD_ADDR="+program.FreeAddress(t), "WATCHWORD_MYSQL_DSN=app:hunter2@tcp(127.0.0.1:1)/shop")
	log, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); err == nil || code != 1 {
		t.Errorf("exit code %d, %v; want 1", code, err)
	}
	if text := string(log); !strings.Contains(text, "127.0.0.1:1") || !strings.Contains(text, "shop") || strings.Contains(text, "hunter2") {
		t.Errorf("it says: %s", text)
	}
}

// I8: garbage leaves no line above debug in the log, and no secret is ever in it.
func TestI8GarbageLeavesNoTrace(t *testing.T) {
	t.Parallel()
	p := start(t, mysqltest.Database(t))
	br := newBrowser(t)
	br.want(br.do(p, "POST", "/api/register", `{"userId":"alice","password":"correct horse battery"}`), 200, "")
	br.refresh(p)
	br.want(br.do(p, "POST", "/api/login", `{"userId":"alice","password":"wrong horse battery"}`), 401, "invalid_credentials")
	secrets := []string{"horse", br.refreshToken(p), br.cookies(p, "/")["sAccessToken"]}
	for i := range 200 {
		a := thief(t, p, strings.Repeat("A", i))
		b := newBrowser(t).do(p, "GET", "/api/data", "", "Cookie", "sIdRefreshToken=1; sAccessToken="+strings.Repeat("A", i))
		if a.status != 401 || b.status != 401 {
			t.Fatalf("garbage got %d and %d", a.status, b.status)
		}
	}
	p.stop()
	for line := range strings.SplitSeq(p.Log.String(), "\n") {
		var entry struct {
			Level  string
			Route  string
			Status int
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level != "debug" && entry.Status == 401 && entry.Route != "/api/login" {
			t.Errorf("garbage is logged at level %s: %s", entry.Level, line)
			break
		}
		for _, secret := range secrets {
			if strings.Contains(line, secret) {
				t.Errorf("a secret is in the log: %.200s…", line)
			}
		}
	}
}
