package adapters_test

import (
	"cmp"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// places are where browsers keep the cookies of a configuration: access, refresh and id. They are worked out here, from the
// documentation, and not asked of the product.
func places(c wire.Cookies) [3]http.Cookie {
	path, refreshAt := cmp.Or(c.Path, "/"), cmp.Or(c.RefreshPath, refreshPath)
	name := func(plain, path string) string {
		switch {
		case c.Insecure || c.Prefix == wire.PrefixNone:
			return plain
		case path == "/" && c.Domain == "":
			return "__Host-" + plain
		default:
			return "__Secure-" + plain
		}
	}
	at := func(name, path string) http.Cookie {
		return http.Cookie{Name: name, Path: path, Domain: c.Domain, Secure: !c.Insecure, MaxAge: 1 << 20}
	}
	return [3]http.Cookie{
		at(name(cmp.Or(c.AccessName, "sAccessToken"), path), path),
		at(name(cmp.Or(c.RefreshName, "sRefreshToken"), refreshAt), refreshAt),
		at(cmp.Or(c.IDName, "sIdRefreshToken"), "/"),
	}
}

// plant puts tokens into the browser, where a configuration has them. Empty ones are left out.
func (b *browser) plant(c wire.Cookies, t session.Tokens) {
	b.t.Helper()
	for i, value := range []string{t.AccessToken, t.RefreshToken, t.ID} {
		if cookie := places(c)[i]; value != "" {
			cookie.Value = value
			b.jar.SetCookies(b.url("/"), []*http.Cookie{&cookie})
		}
	}
}

// shown returns the cookies that the browser shows to a path, of the kinds given: 0 access, 1 refresh, 2 id. Each is a name and a
// value.
func (b *browser) shown(path string, kind int, configs ...wire.Cookies) []string {
	b.t.Helper()
	var shown []string
	for _, c := range b.jar.Cookies(b.url(path)) {
		if slices.ContainsFunc(configs, func(cfg wire.Cookies) bool { return places(cfg)[kind].Name == c.Name }) {
			shown = append(shown, c.Name+"="+c.Value)
		}
	}
	slices.Sort(shown)
	return shown
}

// holds asserts that the browser holds the three cookies of a configuration at their places, or none at all, and no other: it looks
// from each host and path.
func (b *browser) holds(c wire.Cookies, some bool) {
	b.t.Helper()
	empty, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	model := &browser{t: b.t, jar: jar{empty, b.t}, origin: b.origin}
	if some {
		model.plant(c, session.Tokens{AccessToken: "A", RefreshToken: "R", ID: "I"})
	}
	names := func(of *browser, u *url.URL) (names []string) {
		for _, c := range of.jar.Cookies(u) {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		return names
	}
	for _, host := range []string{"app.example.test", "old.example.test", "example.test", "deep.app.example.test"} {
		for _, path := range []string{"/", "/me", "/api", "/api/x", "/api/session", "/api/session/x", refreshPath, refreshPath + "/x", "/refresh"} {
			u := &url.URL{Scheme: "https", Host: host, Path: path}
			if got, want := names(b, u), names(model, u); !slices.Equal(got, want) {
				b.t.Errorf("the browser shows %s %v, want %v", u, got, want)
			}
		}
	}
}
