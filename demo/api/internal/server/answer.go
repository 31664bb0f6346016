package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// respond answers with a value as JSON.
func respond(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // every value is one of this package's own
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may be gone; there is nobody to tell
}

// fail answers with {"error":"<code>"}. It is for what has nothing to do with the client's session, and so touches no
// cookie; errors of sessions go to nethttp.Sessions.WriteError.
func fail(w http.ResponseWriter, status int, code string) {
	respond(w, status, struct {
		Error string `json:"error"`
	}{code})
}

// failUntil is fail for what may be tried again after a while.
func failUntil(w http.ResponseWriter, status int, code string, wait time.Duration) {
	seconds := int64((wait + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.FormatInt(max(seconds, 1), 10))
	fail(w, status, code)
}

// private keeps answers out of caches.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		// For pages of other origins; the session headers join the list by themselves.
		w.Header().Set("Access-Control-Expose-Headers", "etag, x-request-id")
		next.ServeHTTP(w, r)
	})
}
