package wire

import "net/http"

// RequestHeaders returns the request headers that the contract's front ends send across origins, for users of a CORS
// package of their own.
func RequestHeaders() []string {
	return []string{
		"content-type", "anti-csrf", "supertokens-sdk-name", "supertokens-sdk-version",
		"authorization", "session-transport", "x-refresh-token",
	}
}

// CORS answers a request's Origin (Fetch standard, "CORS protocol"): it writes the headers that let a page of an allowed
// origin call with cookies, and reports whether the request is a preflight, which is answered with 204 and goes no
// further. A request of another origin gets no such header, so that its browser refuses it.
func (c *Contract) CORS(method string, request, response http.Header) (preflight bool) {
	response.Add("Vary", "Origin")
	origin := request.Get("Origin")
	preflight = method == http.MethodOptions && origin != "" && request.Get("Access-Control-Request-Method") != ""
	if !c.origins[origin] {
		return preflight
	}
	response.Set("Access-Control-Allow-Origin", origin)
	response.Set("Access-Control-Allow-Credentials", "true")
	if preflight {
		response.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
		response.Set("Access-Control-Allow-Headers", c.headers)
		response.Set("Access-Control-Max-Age", "600")
	}
	return preflight
}
