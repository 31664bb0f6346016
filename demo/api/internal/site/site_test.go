package site

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// build makes a directory as the front end's build leaves it, beside files that are nobody's business.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "dist")
	for name, text := range map[string]string{
		"../secret.txt": "secret", "index.html": "<!doctype html>the page", "icon.svg": "<svg/>", "assets/app-1a2b3c.js": "0123456789",
		"assets/font-4d.woff2": "font", "assets/raw": "raw", ".env": "secret", ".git/config": "secret", "assets/.hidden.js": "secret",
		"sub/page.html": "another page",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"linked.txt": "../secret.txt", "assets/up": "../..", "alias.svg": "icon.svg"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, dir string) *Site {
	t.Helper()
	s, err := Open(dir, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// get asks for a path as it stands in a URL; headers come in pairs.
func get(t *testing.T, s *Site, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	t.Parallel()
	s := open(t, build(t))
	const page, fresh, forever = "<!doctype html>the page", "no-cache", "public, max-age=31536000, immutable"
	for path, want := range map[string]struct{ body, kind, cache string }{
		"/":                     {page, "text/html; charset=utf-8", fresh},
		"/index.html":           {page, "text/html; charset=utf-8", fresh},
		"/account":              {page, "text/html; charset=utf-8", fresh},
		"/lab":                  {page, "text/html; charset=utf-8", fresh},
		"/devices/one/two":      {page, "text/html; charset=utf-8", fresh},
		"/sub":                  {page, "text/html; charset=utf-8", fresh}, // a directory is no file
		"/icon.svg":             {"<svg/>", "image/svg+xml", fresh},
		"/alias.svg":            {"<svg/>", "image/svg+xml", fresh},
		"/assets/app-1a2b3c.js": {"0123456789", "text/javascript; charset=utf-8", forever},
		"/assets/font-4d.woff2": {"font", "font/woff2", forever},
		"/assets/raw":           {"raw", "application/octet-stream", forever},
	} {
		w := get(t, s, http.MethodGet, path)
		h := w.Header()
		if w.Code != http.StatusOK || w.Body.String() != want.body || h.Get("Content-Type") != want.kind || h.Get("Cache-Control") != want.cache {
			t.Errorf("%s: got %d %q, %v", path, w.Code, w.Body, h)
		}
		if again := get(t, s, http.MethodGet, path, "If-None-Match", h.Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: asked again, got %d", path, again.Code)
		}
		if head := get(t, s, http.MethodHead, path); head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Content-Length") != h.Get("Content-Length") {
			t.Errorf("HEAD %s: got %d, %v", path, head.Code, head.Header())
		}
	}
	part := get(t, s, http.MethodGet, "/assets/app-1a2b3c.js", "Range", "bytes=2-4")
	if part.Code != http.StatusPartialContent || part.Body.String() != "234" || part.Header().Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("a range: got %d %q %v", part.Code, part.Body, part.Header())
	}
}

// TestNothingElseIsServed: what is not there, what is hidden, and what lies outside.
func TestNothingElseIsServed(t *testing.T) {
	t.Parallel()
	s := open(t, build(t))
	for _, path := range []string{
		"/assets/app-old.js", "/assets/gone", "/assets/", "/assets", "/nothing.php", "/a/b.js", "/icon.svg/", "//icon.svg",
		"/.env", "/.git/config", "/.git", "/assets/.hidden.js", "/a/.b/c", "/...",
		"/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt",
		"/..\\secret.txt", "/..%5csecret.txt", "/%00", "/index.html%00.js", "/%ff", "/linked.txt", "/assets/up/secret.txt",
	} {
		w := get(t, s, http.MethodGet, path)
		if path == "/assets" { // a page of the front end's, for all that the server knows
			continue
		}
		if w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: got %d %q", path, w.Code, w.Body)
		}
	}
}

func TestWithoutABuild(t *testing.T) {
	t.Parallel()
	empty, file := t.TempDir(), filepath.Join(build(t), "index.html")
	for _, dir := range []string{empty, filepath.Join(empty, "missing"), filepath.Join(file, "missing")} {
		s := open(t, dir)
		w := get(t, s, http.MethodGet, "/")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "make demo") || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		for _, inline := range []string{"<style", "style=", "<script"} {
			if strings.Contains(w.Body.String(), inline) {
				t.Errorf("the page has %s, which its policy refuses", inline)
			}
		}
		for _, path := range []string{"/account", "/icon.svg", "/.env"} {
			if w := get(t, s, http.MethodGet, path); w.Code != http.StatusNotFound {
				t.Errorf("%s: got %d", path, w.Code)
			}
		}
	}
	if _, err := Open(file, http.NotFoundHandler()); err == nil {
		t.Error("a file was taken for a directory")
	}
}

// TestRebuild: a new build is served without a restart.
func TestRebuild(t *testing.T) {
	t.Parallel()
	dir := build(t)
	s := open(t, dir)
	first := get(t, s, http.MethodGet, "/").Header().Get("ETag")
	if err := os.Remove(filepath.Join(dir, "index.html")); err != nil {
		t.Fatal(err)
	}
	if w := get(t, s, http.MethodGet, "/"); !strings.Contains(w.Body.String(), "make demo") {
		t.Errorf("between two builds: got %d %s", w.Code, w.Body)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<!doctype html>new page"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := get(t, s, http.MethodGet, "/", "If-None-Match", first); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "new page") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
