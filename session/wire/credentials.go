package wire

import (
	"fmt"
	"net/http"
	"strings"
)

// Limits of what is read of a request.
const (
	maxCookies    = 64 << 10 // bytes of its Cookie header; servers give up at a similar size
	maxCandidates = 8        // cookies of one kind. A jar can hold several, left by former names, domains and paths
)

// Credentials are what a request carries of a session. None of it is checked yet.
type Credentials struct {
	Transport Transport // TransportCookie or TransportHeader
	Access    []string  // access tokens, in the order of the Cookie header
	Refresh   []string  // refresh tokens, likewise
	HasID     bool      // the id cookie is there; without it a browser has no session
	AntiCSRF  string    // the anti-csrf header

	count [kinds]int  // how many cookies there are of each kind
	stray [kinds]bool // there are several, or one has a former name: the response is to leave one
}

// Read takes the tokens from a request's headers, in one pass over its cookies. The error matches ErrInvalidRequest.
func (c *Contract) Read(h http.Header) (Credentials, error) {
	transport, err := c.transport(h)
	if err != nil {
		return Credentials{}, err
	}
	cred := Credentials{Transport: transport}
	if c.cfg.Transport != TransportHeader {
		if err := c.readCookies(&cred, h["Cookie"]); err != nil {
			return Credentials{}, err
		}
	}
	if transport == TransportHeader {
		if cred.count[accessCookie]+cred.count[refreshCookie] > 0 {
			return Credentials{}, fmt.Errorf("%w: tokens in cookies and in headers", ErrInvalidRequest)
		}
		if err := readHeaders(&cred, h); err != nil {
			return Credentials{}, err
		}
		return cred, nil
	}
	if len(h[antiCSRFHeader]) > 0 {
		cred.AntiCSRF = h[antiCSRFHeader][0]
	}
	return cred, nil
}

// transport finds out which one a request has.
func (c *Contract) transport(h http.Header) (Transport, error) {
	named := h[transportHeader]
	if len(named) > 1 {
		return "", fmt.Errorf("%w: several transports", ErrInvalidRequest)
	}
	transport := c.cfg.Transport
	if transport == TransportAny {
		transport = TransportCookie
		if _, bearer := bearerToken(h); bearer || len(h[refreshHeader]) > 0 {
			transport = TransportHeader
		}
	}
	if len(named) == 0 {
		return transport, nil
	}
	switch t := Transport(named[0]); {
	case t != TransportCookie && t != TransportHeader:
		return "", fmt.Errorf("%w: an unknown transport", ErrInvalidRequest)
	case t == transport, c.cfg.Transport == TransportAny && t == TransportHeader:
		return t, nil
	case c.cfg.Transport != TransportAny:
		return "", fmt.Errorf("%w: a transport that is not configured", ErrInvalidRequest)
	default:
		return "", fmt.Errorf("%w: tokens in headers, and cookies as the transport", ErrInvalidRequest)
	}
}

func (c *Contract) readCookies(cred *Credentials, lines []string) error {
	size := 0
	for _, line := range lines {
		if size += len(line); size > maxCookies {
			return fmt.Errorf("%w: a Cookie header of more than %d bytes", ErrInvalidRequest, maxCookies)
		}
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if !ok || value == "" {
				continue
			}
			for i := range c.names {
				if known := &c.names[i]; known.name == name {
					if !cred.collect(known, value) {
						return fmt.Errorf("%w: more than %d cookies of one kind", ErrInvalidRequest, maxCandidates)
					}
					break
				}
			}
		}
	}
	return nil
}

// collect takes a cookie, and reports whether there are not too many of its kind.
func (cred *Credentials) collect(known *cookieName, value string) bool {
	cred.count[known.kind]++
	if known.former || cred.count[known.kind] > 1 {
		cred.stray[known.kind] = true
	}
	switch known.kind {
	case accessCookie:
		cred.Access = append(cred.Access, value)
	case refreshCookie:
		cred.Refresh = append(cred.Refresh, value)
	case idCookie:
		cred.HasID = true
	case kinds:
	}
	return cred.count[known.kind] <= maxCandidates
}

// hasCookies reports whether the client is a browser that believes in a session.
func (cred Credentials) hasCookies() bool { return cred.count != [kinds]int{} }

func readHeaders(cred *Credentials, h http.Header) error {
	if len(h["Authorization"]) > 1 || len(h[refreshHeader]) > 1 {
		return fmt.Errorf("%w: several tokens", ErrInvalidRequest)
	}
	if token, ok := bearerToken(h); ok {
		cred.Access = []string{token}
	}
	if len(h[refreshHeader]) == 1 {
		cred.Refresh = h[refreshHeader]
	}
	cred.HasID = true // only cookies can be lost one by one
	return nil
}

// bearerToken reads Authorization (RFC 6750, section 2.1). Other schemes are none of ours.
func bearerToken(h http.Header) (string, bool) {
	for _, value := range h["Authorization"] {
		scheme, token, _ := strings.Cut(value, " ")
		if strings.EqualFold(scheme, "Bearer") {
			return strings.Trim(token, " "), true
		}
	}
	return "", false
}
