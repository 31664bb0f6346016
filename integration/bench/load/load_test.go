package load

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Every Do is one request, as it was given, and one whole answer.
func TestClientSendsAndReads(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	site, err := Serve(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		switch {
		case r.Header.Get("Cookie") != "a=b":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/long":
			w.(http.Flusher).Flush() // so that the answer has no Content-Length
		default:
			_, _ = io.WriteString(w, strings.Repeat("x", int(served.Load())))
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := site.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	for _, test := range []struct {
		path, cookie string
		times        int
		want         string // of the complaint; empty: none
	}{
		{"me", "a=b", 100, ""},
		{"me", "a=c", 1, "401"},
		{"long", "a=b", 1, "Content-Length"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, site.URL()+test.path, http.NoBody)
		r.Header.Set("Cookie", test.cookie)
		client, err := site.Dial(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		before := served.Load()
		for n := range test.times {
			err := client.Do()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("/%s with %s, request %d: got %v, want %q", test.path, test.cookie, n, err, test.want)
			}
		}
		if got := int(served.Load() - before); got != test.times {
			t.Errorf("/%s: the site served %d requests, want %d", test.path, got, test.times)
		}
		_ = client.Close()
	}
}
