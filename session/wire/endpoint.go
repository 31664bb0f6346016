package wire

import "net/http"

// RefreshEndpoint answers a request to the refresh endpoint, which is POST at Contract.RefreshPath: it writes the headers and
// returns the status and the body.
func (s *Server) RefreshEndpoint(h http.Header, r *http.Request) (status int, body string) {
	return s.post(h, r, func() error {
		_, err := s.Refresh(h, r)
		return err
	})
}

// LogoutEndpoint answers a request to the logout endpoint, which is POST at any path within Cookies.Path.
func (s *Server) LogoutEndpoint(h http.Header, r *http.Request) (status int, body string) {
	return s.post(h, r, func() error { return s.Logout(h, r) })
}

// MethodNotAllowed writes the headers of the answer to a method that an endpoint does not have, and returns its status and body.
func MethodNotAllowed(h http.Header, allow string) (status int, body string) {
	h.Set("Allow", allow)
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	noStore(h)
	return http.StatusMethodNotAllowed, `{"error":"method_not_allowed"}` + "\n"
}

func (s *Server) post(h http.Header, r *http.Request, f func() error) (status int, body string) {
	if r.Method != http.MethodPost {
		return MethodNotAllowed(h, http.MethodPost)
	}
	if err := f(); err != nil {
		failure, body := s.Fail(h, r, err)
		return failure.Status, body
	}
	h.Set("Content-Type", "application/json")
	return http.StatusOK, TokenBody(h)
}
