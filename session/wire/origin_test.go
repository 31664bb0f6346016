package wire_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// A framework that does not tell the host leaves none that an origin could be the same as, "null" included.
func TestOriginsWithoutAHost(t *testing.T) {
	t.Parallel()
	server, _, _ := deployment(t, wire.Config{TrustedOrigins: []string{"https://login.example.com"}})
	for origin, refused := range map[string]bool{
		"": false, "null": true, "https://app.example.com": true, "https://": true, "https://login.example.com": false,
	} {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: http.Header{}}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		_, err := server.Verify(http.Header{}, r.WithContext(t.Context()), wire.Requirements{})
		if errors.Is(err, session.ErrAntiCSRF) != refused || err == nil {
			t.Errorf("Origin %q: got %v, want it refused for its origin: %t", origin, err, refused)
		}
	}
}
