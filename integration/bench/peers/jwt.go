package peers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/watchword-dev/watchword/integration/bench/env"
)

// Claims are those of our access tokens, as a user of golang-jwt would declare them.
type Claims struct {
	jwt.RegisteredClaims
	Session     string          `json:"sid,omitempty"`
	StoreTime   int64           `json:"sat,omitempty"`
	AuthTime    int64           `json:"auth_time,omitempty"`
	RefreshMark string          `json:"rt,omitempty"`
	Unconfirmed bool            `json:"unc,omitempty"`
	AntiCSRF    string          `json:"csrf,omitempty"`
	Payload     json.RawMessage `json:"payload,omitempty"`
}

type claimsKey struct{}

// jwt is the middleware that everybody writes by hand: a cookie, ParseWithClaims, the claims in the request's context.
func (*Set) jwt(ctx context.Context, _ *env.Env) (Peer, error) {
	p := Peer{Name: JWT, About: "`ParseWithClaims` of a cookie in a handwritten middleware, HS256, our claims"}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	key := func(*jwt.Token) (any, error) { return secret, nil }

	next := answer(func(r *http.Request) string {
		claims, _ := r.Context().Value(claimsKey{}).(*Claims)
		return claims.Subject
	})
	p.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("token")
		if err != nil {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		claims := &Claims{}
		if _, err := parser.ParseWithClaims(cookie.Value, claims, key); err != nil {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims)))
	})

	now := time.Now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: userID, IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
		},
		Session: "0199c82c-c000-73c5-8b91-b19d9b2d5ec9", StoreTime: now.UnixMilli(), AuthTime: now.Unix(),
		RefreshMark: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Payload: json.RawMessage(`{"role":"user"}`),
	}).SignedString(secret)
	if err != nil {
		return p, err
	}
	p.Cookies, err = cookies(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "token", Value: token, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	}))
	return p, err
}
