package fibersession_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"

	fibersession "github.com/watchword-dev/watchword/adapters/fiber"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// wired is a connection whose client has sent all that it will ever send.
type wired struct {
	io.Reader
	bytes.Buffer
}

func (c *wired) Read(p []byte) (int, error)       { return c.Reader.Read(p) }
func (c *wired) Write(p []byte) (int, error)      { return c.Buffer.Write(p) }
func (*wired) Close() error                       { return nil }
func (*wired) LocalAddr() net.Addr                { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 80} }
func (*wired) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
func (*wired) SetDeadline(time.Time) error        { return nil }
func (*wired) SetReadDeadline(t time.Time) error  { return nil }
func (*wired) SetWriteDeadline(t time.Time) error { return nil }

// counted counts the calls of its store by its clock, which every method reads, but for looks at the keys.
type counted struct {
	*memstore.Store
	asked *int
}

func (s counted) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	before := *s.asked
	defer func() { *s.asked = before }()
	return s.Store.Keys(ctx)
}

// deployment is an application that has given out the tokens of one session, in each process the same ones.
type deployment struct {
	app    *fiber.App
	server *wire.Server // of the same sessions, for net/http
	tokens session.Tokens
	asked  *int
}

func newDeployment(t testing.TB) deployment {
	t.Helper()
	d := deployment{asked: new(int)}
	now := time.UnixMilli(1_760_000_000_000)
	store := counted{memstore.New(func() time.Time { *d.asked++; return now }), d.asked}
	manager, err := session.New(t.Context(), store, session.Config{
		AccessJitter: session.NoJitter, // the corpus holds tokens
		Clock:        func() time.Time { return now }, Random: rand.NewChaCha8([32]byte{}), Revocation: session.RevocationStrict,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, d.tokens, err = manager.Create(t.Context(), "alice", session.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	cfg := wire.Config{AntiCSRFBypass: []string{"POST /bypass/{x}"}, AllowedOrigins: []string{"https://page.example"}}
	sessions, err := fibersession.New(manager, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if d.server, err = wire.NewServer(manager, cfg); err != nil {
		t.Fatal(err)
	}
	d.app = fiber.New(fiber.Config{ReadBufferSize: 16 << 10, BodyLimit: 16 << 10})
	d.app.Use(sessions.CORS)
	d.app.Post("/api/session/refresh", sessions.RefreshHandler())
	d.app.Post("/logout", sessions.LogoutHandler())
	d.app.Use(sessions.Require)
	d.app.Use(func(c fiber.Ctx) error { return c.SendString("alice's") })
	d.app.Handler() // starts it
	*d.asked = 0
	return d
}

// serve has fasthttp's server read a connection to its end, and returns what it has answered.
func (d deployment) serve(t *testing.T, raw []byte) (answers []answer) {
	t.Helper()
	conn := &wired{Reader: bytes.NewReader(raw)}
	_ = d.app.Server().ServeConn(conn) // it could not be read to its end
	from := bufio.NewReader(&conn.Buffer)
	for {
		response, err := http.ReadResponse(from, nil)
		if err != nil {
			// What follows an answer to a HEAD cannot be told from the body that its length announces.
			if err != io.EOF && err != io.ErrUnexpectedEOF && !bytes.Contains(raw, []byte("HEAD")) { //nolint:errorlint // as bufio returns it
				t.Fatalf("after %d answers it sent what is none: %v", len(answers), err)
			}
			return answers
		}
		body, _ := io.ReadAll(response.Body) // to a HEAD there is none, whatever its length says
		_ = response.Body.Close()
		answers = append(answers, answer{response, string(body)})
	}
}

var (
	refusal = regexp.MustCompile(`^\{"error":"[a-z_]+"(,"reason":"[a-z_]+")?\}\n$`)
	ours    = regexp.MustCompile(`^(Set-Cookie|Id-Refresh-Token|Anti-Csrf|X-(Access|Refresh)-Token(-Expires-In)?|Access-Control-[A-Za-z-]+|Cache-Control|` +
		`Content-(Type|Length)|X-Content-Type-Options|Vary|Date|Server|Connection|Allow|Retry-After)$`)
)

// FuzzTranslation sends any bytes over a connection. Nothing but a good token opens a session or has the store asked; what net/http reads and
// package wire refuses is refused here, too; and a response has no header but those of the contract.
func FuzzTranslation(f *testing.F) {
	f.Add([]byte("GET /me HTTP/1.1\r\nHost: app.example\r\n\r\n"))
	d := newDeployment(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if *d.asked > 0 {
			d = newDeployment(t)
		}
		answers := d.serve(t, raw)
		good := bytes.Contains(raw, []byte(d.tokens.AccessToken)) || bytes.Contains(raw, []byte(d.tokens.RefreshToken)) ||
			bytes.Contains(raw, []byte(`refresh_token`)) && bytes.ContainsAny(raw, `\`) // a token may be spelt with escapes
		if !good && *d.asked > 0 {
			t.Fatalf("the store was asked %d times", *d.asked)
		}
		for _, a := range answers {
			if a.body == "alice's" && (!good || a.StatusCode != http.StatusOK) {
				t.Fatalf("without a token it got %d %q", a.StatusCode, a.body)
			}
			if strings.HasPrefix(a.body, "{") && a.StatusCode != http.StatusOK && !refusal.MatchString(a.body) {
				t.Fatalf("got %d %q", a.StatusCode, a.body)
			}
			for name, values := range a.Header {
				if !ours.MatchString(name) || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
					t.Fatalf("it answered with the header %q: %q", name, values)
				}
			}
			for _, line := range a.Header["Set-Cookie"] {
				if cookie, err := http.ParseSetCookie(line); err != nil || len(cookie.Unparsed) != 0 || !strings.Contains(cookie.Name, "Token") {
					t.Fatalf("it sent the cookie %q: %v", line, err)
				}
			}
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil || len(answers) == 0 || answers[0].body != "alice's" {
			return
		}
		r.RemoteAddr = "192.0.2.1:1"
		twin := newDeployment(t)
		if _, err := twin.server.Verify(http.Header{}, r.WithContext(t.Context()), wire.Requirements{}); err != nil {
			t.Fatalf("%s %s is let in, although wire says %v of %q", r.Method, r.URL, err, r.Header)
		}
	})
}
