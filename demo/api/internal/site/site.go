// Package site serves the demo's front end from the directory that it was built into. What it serves changes with that directory; nothing
// outside of it is ever read.
package site

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
)

// unbuilt is what there is to see without a front end.
//
//go:embed unbuilt.html
var unbuilt string

const (
	index  = "index.html"
	assets = "assets/" // what is below it has a hash of its content in its name
)

// types are those that Go does not know by itself on every system: browsers are told not to guess (X-Content-Type-Options).
var types = map[string]string{
	".ico": "image/x-icon", ".map": "application/json", ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
	".woff2": "font/woff2",
}

// Site is a http.Handler for GET and HEAD. Make one with Open.
type Site struct {
	root     *os.Root // nil: there was no such directory
	notFound http.Handler
}

// Open makes a Site of a directory, which is there or not. notFound answers requests for files that it does not have.
func Open(dir string, notFound http.Handler) (*Site, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		// It is there but is no directory, or may not be read: not what was meant.
		if _, missing := os.Stat(dir); missing == nil || errors.Is(missing, fs.ErrPermission) {
			return nil, err
		}
	}
	return &Site{root: root, notFound: notFound}, nil
}

// Close gives the directory back.
func (s *Site) Close() error {
	if s.root == nil {
		return nil
	}
	return s.root.Close()
}

// ServeHTTP implements http.Handler. A path that names no file is one of the front end's own pages, and gets index.html; one that should be a
// file, by where it is or by a dot in its name, does not exist.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = index
	}
	switch {
	case !servable(name):
		s.notFound.ServeHTTP(w, r)
	case s.file(w, r, name):
	case strings.HasPrefix(name, assets), strings.Contains(path.Base(name), ".") && name != index:
		s.notFound.ServeHTTP(w, r)
	case s.file(w, r, index):
	case name == index:
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, unbuilt) // the client may be gone; there is nobody to tell
	default:
		s.notFound.ServeHTTP(w, r)
	}
}

// servable reports whether a name is one that a built file may have: nothing goes up, and nothing is hidden.
func servable(name string) bool {
	for element := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(element, ".") {
			return false
		}
	}
	return fs.ValidPath(name) && !strings.ContainsAny(name, "\\\x00")
}

// file answers with a file, and reports false, without an answer, if there is none of this name. The root does not follow links out of it.
func (s *Site) file(w http.ResponseWriter, r *http.Request, name string) bool {
	if s.root == nil {
		return false
	}
	file, err := s.root.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // it was only read from
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	extension := path.Ext(name)
	kind := types[extension]
	if kind == "" {
		kind = mime.TypeByExtension(extension)
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, assets) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, info.ModTime(), file)
	return true
}
