package fibersession_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gofiber/fiber/v3"

	fibersession "github.com/watchword-dev/watchword/adapters/fiber"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// What a request costs: to verify the token alone, with what wire reads of a request of net/http, and with what it takes to
// translate fiber's.
func BenchmarkRequire(b *testing.B) {
	manager, err := session.New(b.Context(), memstore.New(nil), session.Config{})
	if err != nil {
		b.Fatal(err)
	}
	_, tokens, err := manager.Create(b.Context(), "alice", session.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	sessions, err := fibersession.New(manager, wire.Config{})
	if err != nil {
		b.Fatal(err)
	}
	server, err := wire.NewServer(manager, wire.Config{})
	if err != nil {
		b.Fatal(err)
	}
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "https://example.com/me?tab=1", http.NoBody)
	for name, value := range map[string]string{ // what a browser sends
		"Accept": "*/*", "Accept-Encoding": "gzip, deflate, br, zstd", "Accept-Language": "en-GB,en;q=0.9", "Cache-Control": "no-cache",
		"Cookie":  "theme=dark; " + access + "=" + tokens.AccessToken + "; " + id + "=" + tokens.ID,
		"Referer": "https://example.com/", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin",
		"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	} {
		request.Header.Set(name, value)
	}

	b.Run("Manager.Verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := manager.Verify(b.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("wire.Server.Verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := server.Verify(http.Header{}, request, wire.Requirements{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Require", func(b *testing.B) {
		b.ReportAllocs()
		app := fiber.New()
		app.Get("/me", func(c fiber.Ctx) error {
			for b.Loop() {
				c.SetContext(b.Context())
				if err := sessions.Require(c); c.Response().StatusCode() != fiber.StatusOK {
					b.Error(err)
				}
			}
			return nil
		})
		answer, err := app.Test(request, fiber.TestConfig{})
		if err != nil {
			b.Fatal(err)
		}
		_ = answer.Body.Close()
	})
}
