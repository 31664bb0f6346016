package wire

import (
	"net/http"
	"strings"
)

// maxCandidates is how many cookies of one name are looked at. A jar can hold several, left by former domains and paths.
const maxCandidates = 8

// Request is what a request carries of a session.
type Request struct {
	Access   []string // access tokens, in the order of the Cookie header; none of them is checked yet
	Refresh  []string // refresh tokens, likewise
	HasID    bool     // the id cookie is there; without it there is no session
	AntiCSRF string   // the anti-csrf header
}

// Read takes the tokens from a request's headers, in one pass over its cookies.
func (c *Contract) Read(h http.Header) Request {
	req := Request{AntiCSRF: h.Get(antiCSRFHeader)}
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if !ok || value == "" {
				continue
			}
			switch name {
			case c.access.Name:
				collect(&req.Access, value)
			case c.refresh.Name:
				collect(&req.Refresh, value)
			case c.id.Name:
				req.HasID = true
			}
		}
	}
	return req
}

func collect(list *[]string, value string) {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	if len(*list) < maxCandidates {
		*list = append(*list, value)
	}
}

// Unsafe reports whether a method may change something, and so needs the anti-CSRF check (RFC 9110, section 9.2.1).
func Unsafe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}
