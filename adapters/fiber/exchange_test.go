package fibersession_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v3"

	fibersession "github.com/watchword-dev/watchword/adapters/fiber"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// fasthttp uses a request's memory again for the next one. Whatever is kept must be a copy, whether fiber makes copies or not.
func TestCopies(t *testing.T) {
	t.Parallel()
	for _, immutable := range []bool{false, true} {
		t.Run(fmt.Sprint("Immutable ", immutable), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, fiber.Config{Immutable: immutable}, wire.Config{})
			var kept sync.Map // sessions by user
			s.Get("/me", s.sessions.Require, func(c fiber.Ctx) error {
				found, _ := fibersession.FromContext(c)
				kept.Store(strings.Clone(c.Get("X-User")), found)
				return c.SendStatus(fiber.StatusOK)
			})
			s.serve("tcp", "127.0.0.1:0")
			const workers, users = 4, 30
			var wg sync.WaitGroup
			for worker := range workers {
				wg.Go(func() {
					for i := range users {
						user := fmt.Sprintf("user-%d-%02d", worker, i) // all of one length: they fit into each other's memory
						header := []string{"User-Agent", "agent of " + user, "X-User", user}
						target := "/login?user=" + user + "&label=" + user
						if i%2 == 0 {
							target += "&agent=agent%20of%20" + user
						}
						cookies := s.do("POST", target, 200, "{}", header...).cookies()
						var both sync.WaitGroup
						for range 2 { // one of which may be answered with what the other one gets
							both.Go(func() { s.do("POST", s.sessions.RefreshPath(), 200, "{}", append(header, "Cookie", cookies)...) })
						}
						both.Wait()
						s.do("GET", "/me", 200, "OK", append(header, "Cookie", cookies)...)
						s.do("GET", "/me?user="+user, 401, "", header...)
					}
				})
			}
			wg.Wait()
			s.do("POST", "/login?user=last-user&label=other-one", 200, "{}", "User-Agent", "agent of somebody else")

			for worker := range workers {
				for i := range users {
					user := fmt.Sprintf("user-%d-%02d", worker, i)
					infos, err := s.sessions.Manager().Sessions(t.Context(), user, session.Page{})
					if err != nil || len(infos) != 1 {
						t.Fatalf("sessions of %s: %v, %v", user, infos, err)
					}
					got := infos[0]
					if got.UserID != user || got.Label != user || got.Device.UserAgent != "agent of "+user {
						t.Errorf("%s is kept as %+v", user, got)
					}
					if found, ok := kept.Load(user); !ok || found.(*session.Session).UserID() != user {
						t.Errorf("%s: the handler's session is of %v", user, found)
					}
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.failed) != workers*users {
				t.Errorf("%d failures, want %d", len(s.failed), workers*users)
			}
			for _, r := range s.failed {
				user := r.URL.Query().Get("user")
				if r.Method != "GET" || r.URL.Path != "/me" || r.Host != "app.example" || r.UserAgent() != "agent of "+user || r.Header.Get("X-User") != user {
					t.Errorf("a request of %s is kept as %s %s %s %v", user, r.Method, r.Host, r.URL, r.Header)
				}
			}
			for _, e := range s.events {
				if e.UserID != "last-user" && e.Device.UserAgent != "" && e.Device.UserAgent != "agent of "+e.UserID {
					t.Errorf("an event is kept as %+v", e)
				}
			}
		})
	}
}

// Header names have no case, and a list may come in several lines.
func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	for _, raw := range []bool{false, true} {
		t.Run(fmt.Sprint("DisableHeaderNormalizing ", raw), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, fiber.Config{DisableHeaderNormalizing: raw}, wire.Config{TrustedProxies: []string{"127.0.0.0/8", "10.0.0.0/8"}})
			s.All("/me", s.sessions.Require, who)
			s.serve("tcp", "127.0.0.1:0")
			login := s.do("POST", "/login?user=alice", 200, "{", "user-agent", "A browser",
				"x-forwarded-for", "6.6.6.6, 203.0.113.9", "x-forwarded-for", "10.0.0.1", "session-transport", "header")
			infos, err := s.sessions.Manager().Sessions(t.Context(), "alice", session.Page{})
			if want := (session.Device{UserAgent: "A browser", Address: "203.0.113.9"}); err != nil || len(infos) != 1 || infos[0].Device != want {
				t.Errorf("sessions: %+v, %v; want one of %+v", infos, err, want)
			}
			s.do("GET", "/me", 200, "alice", "authorization", "Bearer "+login.Header.Get("X-Access-Token"))
			s.do("GET", "/me", 400, "", "session-transport", "header", "session-transport", "cookie")

			pairs := strings.Split(s.do("POST", "/login?user=alice", 200, "{}").cookies(), "; ")
			s.do("GET", "/me", 200, "alice", "cookie", "theme=dark", "cookie", pairs[0], "cookie", pairs[2])
			s.do("GET", "/me", 200, "alice", "cookie", access+"=garbage", "cookie", pairs[0], "cookie", pairs[2])
			s.do("GET", "/me", 401, `{"error":"try_refresh"}`, "cookie", "="+pairs[0]+"; "+pairs[2]) // it has no name
			s.do("POST", "/me", 403, `{"error":"anti_csrf"}`, "cookie", pairs[0]+"; "+pairs[2], "origin", "https://other.example")
			s.do("POST", "/me", 200, "alice", "cookie", pairs[0]+"; "+pairs[2], "origin", "https://app.example")
			s.do("GET", "/me", 403, `{"error":"anti_csrf"}`, "cookie", pairs[0]+"; "+pairs[2], "origin", "https://other.example", "upgrade", "websocket")
		})
	}
}

// What others have set of the response stays, and what the session has to say is added to it.
func TestResponseHeaders(t *testing.T) {
	t.Parallel()
	for _, raw := range []bool{false, true} {
		t.Run(fmt.Sprint("DisableHeaderNormalizing ", raw), func(t *testing.T) {
			t.Parallel()
			cfg := wire.Config{
				AllowedOrigins: []string{"https://other.example"},
				Cookies:        wire.Cookies{Prefix: wire.PrefixNone}, Former: []wire.Cookies{{Prefix: wire.PrefixNone, Path: "/old"}},
			}
			s := newSite(t, fiber.Config{DisableHeaderNormalizing: raw}, cfg, func(c fiber.Ctx) error {
				c.Cookie(&fiber.Cookie{Name: "theme", Value: "dark"})
				c.Response().Header.Add("Set-Cookie", "shop=1; Path=/a")
				c.Response().Header.Add("Set-Cookie", "shop=2; Path=/b")
				c.Response().Header.Add("access-control-expose-headers", "X-App")
				c.Response().Header.Add("vary", "Accept")
				c.Response().Header.Add("eTag", `"1"`)
				c.Set("Content-Encoding", "x-app")
				return c.Next()
			})
			s.Get("/me", s.sessions.Require, func(c fiber.Ctx) error {
				c.Cookie(&fiber.Cookie{Name: "seen", Value: "now"})
				return who(c)
			})
			s.Get("/away", s.sessions.Require, func(c fiber.Ctx) error { return s.sessions.WriteError(c, session.ErrUnavailable) })
			s.serve("tcp", "127.0.0.1:0")
			cookies := s.renewing()

			got := s.do("GET", "/away", 503, `{"error":"unavailable"}`, "Cookie", cookies, "Origin", "https://other.example")
			s.setCookies(got, "theme/", "shop/a", "shop/b") // the renewed token is withdrawn
			for _, name := range []string{"Etag", "Content-Encoding"} {
				if got.Header.Get(name) != "" {
					t.Errorf("%s: got %q, want none: it was for another answer", name, got.Header.Get(name))
				}
			}
			got = s.do("GET", "/me", 200, "alice", "Cookie", cookies, "Origin", "https://other.example")
			s.setCookies(got, "theme/", "shop/a", "shop/b", "sAccessToken/old", "sAccessToken/", "seen/")
			for name, want := range map[string][]string{
				"Access-Control-Expose-Headers": {"X-App"}, "Etag": {`"1"`}, "Content-Encoding": {"x-app"}, "Cache-Control": {"no-store"},
				"Content-Type": {"text/plain; charset=utf-8"}, "Access-Control-Allow-Origin": {"https://other.example"},
			} {
				if !slices.Equal(got.Header.Values(name), want) {
					t.Errorf("%s: got %q, want %q", name, got.Header.Values(name), want)
				}
			}
			if vary := strings.Join(got.Header.Values("Vary"), ", "); vary != "Accept, Origin" {
				t.Errorf("Vary: got %q", vary)
			}
			got = s.do("POST", s.sessions.RefreshPath(), 401, "", "Cookie", "sRefreshToken=garbage")
			if want := "X-App, id-refresh-token"; got.Header.Get("Access-Control-Expose-Headers") != want || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("headers: got %v, want the exposed ones to be %q", got.Header, want)
			}
		})
	}
}

// stalled is a body that does not go on until the context ends.
type stalled struct{ context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.Done()
	return 0, io.EOF
}

// A native client may send its refresh token in the body, however fiber takes bodies in.
func TestBody(t *testing.T) {
	t.Parallel()
	for _, streamed := range []bool{false, true} {
		t.Run(fmt.Sprint("StreamRequestBody ", streamed), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, fiber.Config{StreamRequestBody: streamed}, wire.Config{})
			s.Get("/renew", func(c fiber.Ctx) error {
				_, err := s.sessions.Refresh(c)
				return s.sessions.WriteError(c, err)
			})
			s.serve("tcp", "127.0.0.1:0")
			native := []string{"Session-Transport", "header", "Connection", "close"} // fasthttp takes what is unread for another request
			json := append(native, "Content-Type", "application/json")
			token := s.do("POST", "/login?user=alice", 200, `{"access_token":`, native...).Header.Get("X-Refresh-Token")
			body := `{"refresh_token":"` + token + `"}`
			for _, test := range []struct {
				name   string
				body   io.Reader
				lines  []string
				status int
			}{
				{"of known length", strings.NewReader(body), json, 200},
				{"in chunks", io.MultiReader(strings.NewReader(body)), json, 200},
				{"none", nil, json, 401},
				{"empty", strings.NewReader("{}"), json, 401},
				{"another type", strings.NewReader(body), append(native, "Content-Type", "text/plain"), 400},
				{"no JSON", strings.NewReader(body[1:]), json, 400},
				{"too long", strings.NewReader(body + strings.Repeat(" ", 4<<10)), json, 400},
				{"too long, in chunks", io.MultiReader(strings.NewReader(body + strings.Repeat(" ", 4<<10))), json, 400},
				{"none of ours", strings.NewReader("--x\r\n\r\n--x--\r\n"), append(native, "Content-Type", "multipart/form-data; boundary=x"), 400},
			} {
				t.Log(test.name)
				s.send("POST", s.sessions.RefreshPath(), test.body, test.status, "{", test.lines...)
			}
			s.do("GET", "/renew", 401, "{", native...)
			if streamed { // no more is read of a body than is needed
				endless := io.MultiReader(strings.NewReader(body+strings.Repeat(" ", 4<<10)), stalled{t.Context()})
				s.send("POST", s.sessions.RefreshPath(), endless, 400, "{", json...)
			}
		})
	}
}

// Who calls over a Unix socket has no address to show, and what a client says of itself is believed only of proxies that wire.Config
// names, whatever fiber believes.
func TestAddresses(t *testing.T) {
	t.Parallel()
	trusting := fiber.Config{TrustProxy: true, TrustProxyConfig: fiber.TrustProxyConfig{Loopback: true}, ProxyHeader: fiber.HeaderXForwardedFor}
	for network, test := range map[string]struct{ address, want string }{
		"tcp": {"127.0.0.1:0", "127.0.0.1"}, "unix": {filepath.Join(t.TempDir(), "socket"), ""},
	} {
		s := newSite(t, trusting, wire.Config{}).serve(network, test.address)
		s.do("POST", "/login?user=alice", 200, "{}", "X-Forwarded-For", "6.6.6.6")
		infos, err := s.sessions.Manager().Sessions(t.Context(), "alice", session.Page{})
		if err != nil || len(infos) != 1 || infos[0].Device.Address != test.want {
			t.Errorf("%s: got %+v, %v, want the address %q", network, infos, err, test.want)
		}
		// Nor does another host's name let its pages in.
		s.do("POST", "/login?user=alice", 403, "", "Origin", "https://other.example", "X-Forwarded-Host", "other.example")
	}
}

// What fiber routes elsewhere is not what any page may send.
func TestBypass(t *testing.T) {
	t.Parallel()
	cfg := wire.Config{AntiCSRFBypass: []string{"POST /{$}", "POST /saml/{tenant}"}}
	s := newSite(t, fiber.Config{}, cfg, func(c fiber.Ctx) error {
		c.Method(c.Query("_method", c.Method()))
		return c.Next()
	})
	s.Delete("/me", s.sessions.Require, who)
	s.Post("/*", func(c fiber.Ctx) error {
		if _, err := s.sessions.Create(c, "alice", session.CreateOptions{}); err != nil {
			return s.sessions.WriteError(c, err)
		}
		return nil
	})
	s.serve("tcp", "127.0.0.1:0")
	for target, status := range map[string]int{
		"/": 200, "/?x=%zz": 200, "/saml/a%20b": 200, "/%73aml/a": 200, "/saml/a/b": 403, "/%zz": 403, "/saml%zz": 403, "/a/..%2Fsaml/a": 403,
	} {
		s.do("POST", target, status, "", "Origin", "https://other.example")
	}
	s.do("GET", "/me?_method=DELETE", 403, "", "Origin", "https://other.example")
	if !slices.ContainsFunc(s.failed, func(r *http.Request) bool { return r.URL.Path == "/%zz" }) {
		t.Error("OnFailure was not told which path is none")
	}
}
