// Package page is the demo's built-in page: it walks through login, a protected call, a refresh, a replayed old token, the list of
// devices and a fresh proof of who the user is.
package page

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed static
var files embed.FS

// Paths are those of the page and of what it loads.
var Paths = []string{
	"/", "/agent.js", "/app.js", "/devices.js", "/drill.js", "/proof.js", "/reasons.js", "/session.js", "/verdict.js", "/style.css", "/icon.svg",
}

// Handler serves Paths.
func Handler() http.Handler {
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the directory is embedded
	}
	server := http.FileServerFS(static)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
