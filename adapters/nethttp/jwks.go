package nethttp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// JWKSHandler serves the public keys of access tokens (RFC 7517), for services that verify them with session.NewVerifier
// or any JWT library: GET, at a path of your choice, such as /.well-known/jwks.json. Caches may keep them for half of
// session.Config.KeyPropagation. With a symmetric algorithm the set is empty.
func JWKSHandler(manager *session.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			status, body := wire.MethodNotAllowed(w.Header(), "GET, HEAD")
			write(w, r, status, body)
			return
		}
		set := manager.JWKS(r.Context())
		body, err := json.Marshal(set)
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		sum := sha256.Sum256(body)
		etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
		h := w.Header()
		h.Set("Content-Type", "application/jwk-set+json")
		h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(set.MaxAge.Seconds())))
		h.Set("ETag", etag)
		h.Set("X-Content-Type-Options", "nosniff")
		if matches(r.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(body) // the client may be gone; there is nobody to tell
	})
}

// matches evaluates If-None-Match (RFC 9110, section 13.1.2).
func matches(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		if c := strings.TrimSpace(candidate); c == "*" || strings.TrimPrefix(c, "W/") == etag {
			return true
		}
	}
	return false
}
