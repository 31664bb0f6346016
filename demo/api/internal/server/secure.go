package server

import (
	"net/http"
	"strings"
)

// policies hold browsers to what the demo is: a site without a frame around it, which loads nothing from elsewhere, runs no script but its
// own files, and asks for none of the machine's sensors.
var policies = map[string]string{
	"Content-Security-Policy": "default-src 'self'; connect-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
	"Permissions-Policy": "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), " +
		"geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), " +
		"picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

// secure sets these headers, and keeps browsers on TLS that have come by it (RFC 6797: over anything else the header means nothing).
func (a *api) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, value := range policies {
			h.Set(name, value)
		}
		if r.TLS != nil || a.behindProxy(r) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// behindProxy reports whether a request comes from one of wire.Config.TrustedProxies: whether the contract would take its word for a client's
// address.
func (a *api) behindProxy(r *http.Request) bool {
	const anybody = "192.0.2.1" // of RFC 5737: nobody's
	return a.contract.Device(r.RemoteAddr, http.Header{"X-Forwarded-For": {anybody}}).Address == anybody
}
