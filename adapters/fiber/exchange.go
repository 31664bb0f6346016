package fibersession

import (
	"bytes"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v3"
)

// exchange is a request and the headers of its response as net/http has them, which is what wire.Server reads and writes.
//
// All its strings are copies. fasthttp uses the memory of its own ones for another request as soon as the handler has returned, and
// sessions, events and refreshes that several requests share live on.
type exchange struct {
	c       fiber.Ctx
	request *http.Request // without its body; see takeBody
	header  http.Header   // of the response, for wire.Server to change
	before  http.Header   // what it was
}

// begin copies a request, and what earlier handlers have set of the response's headers. They are all there: wire.Server adds to
// some, replaces some, and takes others off.
func begin(c fiber.Ctx) exchange {
	target := string(c.Request().Header.RequestURI())
	u, err := url.ParseRequestURI(target)
	if err != nil { // net/http would have refused the request; its path, taken literally, is none that AntiCSRFBypass lets through
		u = &url.URL{Path: target}
	}
	request := &http.Request{
		Method:     c.Method(), // as fiber routes it: a middleware may have overridden it
		Host:       string(c.Request().Host()),
		URL:        u,
		RemoteAddr: c.RequestCtx().RemoteAddr().String(),
		Header:     copiedRequest(c),
		Body:       http.NoBody,
	}
	before := copied(c.Response().Header.All())
	return exchange{c: c, request: request.WithContext(c.Context()), header: before.Clone(), before: before}
}

// copiedRequest returns the headers of a request. Its cookies are taken from the lines as they came. fasthttp's own Cookie line gives
// a cookie without a name, "=__Host-x=y", the name __Host-x, under which no neighbouring host could have set it, and takes off
// quotes and blanks.
func copiedRequest(c fiber.Ctx) http.Header {
	h := copied(c.Request().Header.All())
	h.Del("Cookie")
	for name, value := range c.Request().Header.AllInOrder() {
		if name := string(name); http.CanonicalHeaderKey(name) == "Cookie" {
			h.Add("Cookie", string(value))
		}
	}
	return h
}

// copied returns header lines under their canonical names, which they may not have with fiber.Config.DisableHeaderNormalizing.
func copied(lines iter.Seq2[[]byte, []byte]) http.Header {
	h := http.Header{}
	for name, value := range lines {
		h.Add(string(name), string(value))
	}
	return h
}

// takeBody gives the request its body. Only a refresh looks at it, and does so before it returns: it is no copy. For any other
// request this would be a waste, since fasthttp puts an upload that it has parsed together again.
func (x exchange) takeBody() {
	in := x.c.Request()
	body, length := in.BodyStream(), in.Header.ContentLength()
	if body == nil { // it was read already
		raw := in.Body()
		body, length = bytes.NewReader(raw), len(raw)
	}
	x.request.Body, x.request.ContentLength = io.NopCloser(body), int64(length)
}

// end brings what has changed of the response's headers into fiber's, and leaves the others alone: some are not there yet, but
// have a default, which to set would make final.
func (x exchange) end() {
	out := &x.c.Response().Header
	changed := func(name string) bool { return !slices.Equal(x.header[name], x.before[name]) }
	var stale []string // as they are spelt
	for name := range out.All() {
		if name := string(name); changed(http.CanonicalHeaderKey(name)) {
			stale = append(stale, name)
		}
	}
	for _, name := range stale {
		out.Del(name)
	}
	for name, lines := range x.header {
		if changed(name) {
			for _, line := range lines {
				out.Add(name, line) // several cookies of one name, at different paths, stay several
			}
		}
	}
}
