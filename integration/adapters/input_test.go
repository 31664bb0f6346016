package adapters_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// badInput is what no client should send.
var badInput = cases{
	"cookies":            badCookies,
	"many cookies":       manyCookies,
	"quoted cookies":     quotedCookies,
	"a megabyte":         megabyte,
	"headers":            badHeaders,
	"bytes":              badBytes,
	"bodies":             badBodies,
	"a body of any size": chunkedBody,
	"logins":             badLogins,
}

// hostile is a site under such input, and a browser that goes on with its business.
type hostile struct {
	*site
	innocent *browser
}

func newHostile(t *testing.T, mount mounter, cfg wire.Config) hostile {
	t.Helper()
	h := hostile{site: open(t, mount, cfg, session.Config{})}
	h.innocent = h.browser()
	h.innocent.login("alice")
	h.store.reset(nil)
	return h
}

// refused asserts that a request was refused: as the adapter does it, with one of the codes, or as the framework does it by itself.
func (h hostile) refused(got answer, what string, codes ...string) {
	h.t.Helper()
	switch code := got.code(); {
	case code != "" && !slices.Contains(codes, code), code == "" && !slices.Contains([]int{400, 413, 414, 431}, got.status):
		h.t.Errorf("%s, %.100q: got %d %.100s, want one of %q", got.asked, what, got.status, got.body, codes)
	}
	if code := got.code(); code == "invalid_request" && got.status != 400 || strings.HasPrefix(code, "unauthorised") && got.status != 401 {
		h.t.Errorf("%s, %.100q: %s came with %d", got.asked, what, code, got.status)
	}
	if got.code() != "unauthorised" {
		got.quiet()
	}
	if asked := h.store.asked(); len(asked) != 0 {
		h.t.Fatalf("%s, %.100q: the store was asked for %v", got.asked, what, asked)
	}
}

// serves asserts that the server goes on.
func (h hostile) serves() {
	h.t.Helper()
	h.innocent.do("GET", "/me").want(200, "alice").quiet()
	h.noAlarm()
}

func badCookies(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{})
	token := h.innocent.cookie(refresh)
	for _, value := range []string{
		"", "garbage", `"`, `""`, token + ".", token[1:], "." + token, " " + token + "x", token + "%00", strings.ToUpper(token), token + token,
		"\xff\xfe", "ä", "\u0000a", "a b", "a,b", `a\b`, "=", "==", strings.Repeat("A", 3000), h.innocent.cookie(access), h.innocent.cookie(id), "{}", "null",
	} {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' }) {
			continue // see badBytes
		}
		h.refused(h.call("POST", refreshPath, "Cookie", refresh+"="+value), value, "unauthorised")
		if value == "" || value == h.innocent.cookie(access) {
			continue
		}
		for _, path := range []string{"/me", "/maybe", "/fresh", "/admin"} {
			h.refused(h.call("GET", path, "Cookie", id+"=1; "+access+"="+value), value, "try_refresh")
		}
		for _, path := range []string{"/prove", "/logout"} {
			h.refused(h.call("POST", path, "Cookie", id+"=1; "+access+"="+value), value, "try_refresh")
		}
	}
	for _, header := range []string{
		refresh, ";", ";;; ; ;", "=", "=" + token, "; =x;", refresh + " =" + token, strings.ToLower(refresh) + "=" + token, "x" + refresh + "=" + token, "\xff=\xff",
		"=" + refresh + "=" + token, // without a name, by which a neighbouring host could pass the prefix
	} {
		h.refused(h.call("POST", refreshPath, "Cookie", header), header, "unauthorised")
	}
	h.serves()
}

// A token is what stands in the cookie, as it stands there.
func quotedCookies(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{})
	quoted := func(name string) string { return name + `="` + h.innocent.cookie(name) + `"` }
	h.refused(h.call("POST", refreshPath, "Cookie", quoted(refresh)), "quotes", "unauthorised")
	h.refused(h.call("GET", "/me", "Cookie", id+"=1; "+quoted(access)), "quotes", "try_refresh")
	h.serves()
}

func manyCookies(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{Former: []wire.Cookies{{Prefix: wire.PrefixNone}}})
	for _, name := range []string{access, refresh, id, "sAccessToken", "sRefreshToken"} {
		for _, n := range []int{9, 50} {
			header := strings.Repeat(name+"=x; ", n)
			for _, path := range posts {
				h.refused(h.call("POST", path, "Cookie", header), header, "invalid_request")
			}
			h.refused(h.call("GET", "/me", "Cookie", header), header, "invalid_request")
		}
	}
	// Together they are too many of a kind, too.
	both := strings.Repeat("sRefreshToken=x; ", 5) + strings.Repeat(refresh+"=x; ", 4)
	h.refused(h.call("POST", refreshPath, "Cookie", both), both, "invalid_request")
	// A good one among as much garbage as there may be.
	garbage := strings.Repeat(refresh+"=x; ", 7)
	h.call("POST", refreshPath, "Cookie", garbage+h.innocent.header(refresh, id)).want(200, "{}\n")
	h.call("GET", "/me", "Cookie", strings.Repeat(access+"=x; ", 7)+h.innocent.header(access, id)).want(200, "alice")
	h.serves()
}

func megabyte(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{})
	for _, header := range []string{
		"Cookie: " + strings.Repeat("a=b; ", 13_110), // just over what the contract reads
		"Cookie: " + strings.Repeat("a=b; ", 1<<20/5),
		"Cookie: " + refresh + "=" + strings.Repeat("A", 1<<20),
		"Authorization: Bearer " + strings.Repeat("A", 1<<20),
		"X-Refresh-Token: " + strings.Repeat("A", 1<<20),
		"Session-Transport: " + strings.Repeat("A", 1<<20),
	} {
		got, ok := h.raw("POST " + refreshPath + " HTTP/1.1\r\nHost: app.example.test\r\nContent-Length: 0\r\n" + header + "\r\n\r\n")
		if ok { // else the server has hung up, which is an answer as well
			code := "invalid_request"
			if strings.HasPrefix(header, "Authorization") || strings.HasPrefix(header, "X-") {
				code = "unauthorised" // there is no limit but the server's
			}
			h.refused(got, header, code)
		}
		h.serves()
	}
	h.refused(h.call("POST", refreshPath, "Cookie", strings.Repeat("a=b; ", 13_100)), "as much as the contract reads", "unauthorised")
}

func badHeaders(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{})
	shown, token := h.innocent.header(access, id), h.innocent.cookie(access)
	for _, value := range []string{
		"Bearer", "Bearer ", "Bearer x", "Bearer " + token + " " + token, "Bearer " + token + ",", "Bearer\u00a0" + token + "x", "Bearer \xff",
		"Bearer " + strings.Repeat("A", 3000), "Bearer ..", "bEARER =", "Bearer " + token[:len(token)-1], "Bearer \"" + token + `"`,
	} {
		h.refused(h.call("GET", "/me", "Authorization", value), value, "try_refresh", "unauthorised")
	}
	for _, value := range []string{"", " ", "x", "\xff", strings.Repeat("A", 3000), h.innocent.cookie(refresh) + "x", `"` + h.innocent.cookie(refresh) + `"`, "null"} {
		h.refused(h.call("POST", refreshPath, refreshHeader, value), value, "unauthorised")
	}
	for _, value := range []string{"\xff", strings.Repeat("header", 500), "header;", "héader", "[]"} {
		h.refused(h.call("GET", "/me", "Session-Transport", value, "Cookie", shown), value, "invalid_request")
	}
	for _, value := range []string{"\xff", strings.Repeat("x", 3000), "javascript:", "https://", "//", "https://app.example.test@evil.example", "https://[::1", "%"} {
		h.refused(h.call("POST", "/me", "Origin", value, "Cookie", shown), value, "anti_csrf")
		h.refused(h.call("POST", "/login?user=mallory", "Sec-Fetch-Site", value), value, "anti_csrf")
		h.refused(h.call("GET", "/me", "Upgrade", "websocket", "Connection", "Upgrade", "Origin", value, "Cookie", shown), value, "anti_csrf")
	}
	h.serves()
}

// badBytes are requests that no client library sends.
func badBytes(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{})
	for _, header := range []string{
		"Cookie: " + refresh + "=\x00", "Cookie: " + refresh + "=a\x01b", "Cookie: " + refresh + "=\x7f", "Cookie: \x00", "Cookie\x00: a=b",
		"Authorization: Bearer \x00", "X-Refresh-Token: \x00", "Session-Transport: \x00", "Session-Transport:\theader\t\r\nX-Refresh-Token:\tx\t",
		"Cookie: " + refresh + "=x\r\n folded", "Cookie:\r\nCookie:", "Origin: \x00", "Content-Length: 1\r\nContent-Length: 2", "Transfer-Encoding: x",
		"Authorization: Bearer a\r\nAuthorization: Bearer b", "X-Refresh-Token: a\r\nX-Refresh-Token: b", "Session-Transport: header\r\nSession-Transport: header",
	} {
		got, ok := h.raw("POST " + refreshPath + " HTTP/1.1\r\nHost: app.example.test\r\nContent-Length: 0\r\n" + header + "\r\n\r\n")
		if !ok || got.status == 501 { // for Transfer-Encoding
			continue
		}
		h.refused(got, header, "invalid_request", "unauthorised", "anti_csrf")
	}
	h.serves()
}

func badBodies(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{})
	c := h.nativeLogin("alice")
	h.store.reset(nil)
	good := `{"refresh_token":"` + c.refresh + `"}`
	send := func(contentType, body string) answer {
		t.Helper()
		header := []string{"Session-Transport", "header"}
		if contentType != "" {
			header = append(header, "Content-Type", contentType)
		}
		return h.send(nil, "POST", app+refreshPath, body, header...)
	}
	for _, contentType := range []string{
		"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "application/json+x", "application",
		"text/json", "application/json, text/plain", "application/json; charset", "\xff", "*/*",
	} {
		h.refused(send(contentType, good), contentType, "invalid_request")
	}
	utf16 := "\xff\xfe" + strings.Join(strings.Split(good, ""), "\x00") + "\x00"
	for _, body := range []string{
		`{"refresh_token":1}`, `{"refresh_token":true}`, `{"refresh_token":["` + c.refresh + `"]}`, `{"refresh_token":` + good + `}`, "[" + good + "]",
		`"` + c.refresh + `"`, c.refresh, "1", "true", good + "x", good + good, good + "\x00", good[:len(good)-1], " ", "{", "\xff", "\ufeff" + good, utf16,
		"\x1f\x8b\x08\x00", "refresh_token=" + c.refresh, strings.Repeat(`{"refresh_token":`, 200), strings.Repeat("[", 4000), "{'refresh_token':'x'}",
		`{"refresh_token":"` + c.refresh + `",}`, good + "/*x*/", strings.Repeat(" ", 4096) + good, good + strings.Repeat(" ", 4096), `{"x":"` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		h.refused(send("application/json", body), body, "invalid_request")
	}
	for _, body := range []string{"", "null", "{}", `{"refresh_token":""}`, `{"refresh_token":null}`, `{"token":"` + c.refresh + `"}`, `{"refresh_token":"` + c.refresh + `x"}`, `{"refresh_token":"\u0000"}`, "{\"refresh_token\":\"\xff\"}"} {
		h.refused(send("application/json", body), body, "unauthorised")
	}
	// A browser's body is not looked at.
	h.refused(h.post(good, "Cookie", id+"=1"), good, "unauthorised")
	h.full(c, send("application/json", good))
	h.serves()
}

// full asserts that the client's token was not used up.
func (h hostile) full(c *client, got answer) {
	h.t.Helper()
	c.takes(got)
	if got.status != 200 {
		h.t.Errorf("a good token got %d %s", got.status, got.body)
	}
}

// A client may not know how long its body is going to be.
func chunkedBody(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{})
	c := h.nativeLogin("alice")
	good := `{"refresh_token":"` + c.refresh + `"}`
	send := func(body string) (answer, bool) {
		const size = "0123456789abcdef"
		var chunks strings.Builder
		for rest := body; rest != ""; {
			n := min(len(rest), 15)
			chunks.WriteString(size[n:n+1] + "\r\n" + rest[:n] + "\r\n")
			rest = rest[n:]
		}
		return h.raw("POST " + refreshPath + " HTTP/1.1\r\nHost: app.example.test\r\nSession-Transport: header\r\nContent-Type: application/json\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n" + chunks.String() + "0\r\n\r\n")
	}
	h.store.reset(nil)
	for _, body := range []string{good + strings.Repeat(" ", 5000), good + "x"} {
		if got, ok := send(body); ok {
			h.refused(got, body, "invalid_request")
		}
	}
	got, ok := send(good)
	if !ok {
		t.Fatal("no answer")
	}
	h.full(c, got)
	h.serves()
}

func badLogins(t *testing.T, mount mounter) {
	h := newHostile(t, mount, wire.Config{})
	for _, user := range []string{"", "%ff", strings.Repeat("x", 129)} {
		h.refused(h.call("POST", "/login?user="+user), user, "invalid_request")
	}
	h.call("POST", "/login?user=alice&payload=%ff%00", "User-Agent", "\xff\xfe"+strings.Repeat("x", 2000), "X-Forwarded-For", strings.Repeat(",", 500)).want(200, "{}\n").sets(everything...)
	h.serves()
}
