package peers

import (
	"context"
	"net/http"
	"time"

	"github.com/go-pkgz/auth/v2"
	"github.com/go-pkgz/auth/v2/avatar"
	"github.com/go-pkgz/auth/v2/provider"
	"github.com/go-pkgz/auth/v2/token"
	"github.com/golang-jwt/jwt/v5"

	"github.com/watchword-dev/watchword/integration/bench/env"
)

// pkgz is go-pkgz/auth's middleware of JWTs in cookies. Its check of a header against cross-site requests is off, since it is ours to
// show that such checks cost little, and not its.
func (*Set) pkgz(ctx context.Context, _ *env.Env) (Peer, error) {
	p := Peer{Name: Pkgz, About: "`Middleware().Auth` with a cookie, XSRF check off"}
	service := auth.NewService(auth.Opts{
		SecretReader:  token.SecretFunc(func(string) (string, error) { return "a secret of 32 bytes for HS256 ..", nil }),
		TokenDuration: time.Hour, CookieDuration: 24 * time.Hour, SecureCookies: true, DisableXSRF: true,
		Issuer: "bench", URL: "https://app.example", AvatarStore: avatar.NewNoOp(),
	})
	service.AddDirectProvider("local", provider.CredCheckerFunc(func(string, string) (bool, error) { return false, nil }))

	middleware := service.Middleware()
	p.Handler = middleware.Auth(answer(func(r *http.Request) string { return token.MustGetUserInfo(r).Name }))
	var err error
	p.Cookies, err = cookies(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := service.TokenService().Set(w, token.Claims{
			User:             &token.User{ID: "local_" + userID, Name: userID, Attributes: map[string]any{"role": "user"}},
			RegisteredClaims: jwt.RegisteredClaims{Audience: jwt.ClaimStrings{"bench"}, ID: "0199c82c"},
			AuthProvider:     &token.AuthProvider{Name: "local"},
		}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	return p, err
}
