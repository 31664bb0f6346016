package settings

import (
	"net/http"

	"github.com/watchword-dev/watchword/session/wire"
)

// ofHTTP are wire.Config's. They are for audit alone.
var ofHTTP = []setting{
	{
		name: "COOKIE_SECURE", form: "true|false", def: "true", field: "Cookies.Insecure",
		help: "Whether cookies go over TLS only.",
		set: func(s *Settings, v string) error {
			var secure bool
			err := flag(func(*Settings) *bool { return &secure })(s, v)
			s.Wire.Cookies.Insecure = !secure
			return err
		},
	},
	{
		name: "COOKIE_SAMESITE", form: "lax|strict|none", def: "lax", field: "Cookies.SameSite",
		help: "Which requests of other sites' pages carry the cookies.",
		set:  sameSite,
	},
	{
		name: "COOKIE_DOMAIN", form: "domain", field: "Cookies.Domain",
		help: "Domain of the cookies.",
		set:  text(func(s *Settings) *string { return &s.Wire.Cookies.Domain }),
	},
	{
		name: "COOKIE_PATH", form: "path", def: "/", field: "Cookies.Path",
		help: "Path of the access cookie.",
		set:  text(func(s *Settings) *string { return &s.Wire.Cookies.Path }),
	},
	{
		name: "COOKIE_PREFIX", form: "auto|none", def: string(wire.PrefixAuto), field: "Cookies.Prefix",
		help: "Whether names begin with __Host- or __Secure- where that is allowed.",
		set:  choice(func(s *Settings) *wire.Prefix { return &s.Wire.Cookies.Prefix }, wire.PrefixAuto, wire.PrefixNone),
	},
	{
		name: "ANTI_CSRF", form: "fetch-metadata|token|both|none", def: string(wire.AntiCSRFFetchMetadata), field: "AntiCSRF",
		help: "How a request that changes something proves that the application's own page sent it.",
		set: choice(func(s *Settings) *wire.AntiCSRF { return &s.Wire.AntiCSRF },
			wire.AntiCSRFFetchMetadata, wire.AntiCSRFToken, wire.AntiCSRFBoth, wire.AntiCSRFNone),
	},
	{
		name: "ALLOWED_ORIGINS", form: "origins", field: "AllowedOrigins",
		help: "Origins, separated by commas, whose pages may call with cookies.",
		set:  words(func(s *Settings) *[]string { return &s.Wire.AllowedOrigins }),
	},
}

var sameSites = map[string]http.SameSite{"lax": http.SameSiteLaxMode, "strict": http.SameSiteStrictMode, "none": http.SameSiteNoneMode}

func sameSite(s *Settings, v string) error {
	mode, ok := sameSites[v]
	if !ok {
		return errSameSite
	}
	s.Wire.Cookies.SameSite = mode
	return nil
}
