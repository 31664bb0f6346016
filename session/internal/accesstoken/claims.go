package accesstoken

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// golang-jwt asks its claims for these. Parse switches the library's own validation off, so they only have to be true.

func date(t time.Time) *jwt.NumericDate { return jwt.NewNumericDate(t) }

// GetExpirationTime implements jwt.Claims.
func (p *parsed) GetExpirationTime() (*jwt.NumericDate, error) {
	return date(time.UnixMilli(int64(p.ExpiresAt))), nil
}

// GetIssuedAt implements jwt.Claims.
func (p *parsed) GetIssuedAt() (*jwt.NumericDate, error) { return date(time.Unix(p.IssuedAt, 0)), nil }

// GetNotBefore implements jwt.Claims.
func (p *parsed) GetNotBefore() (*jwt.NumericDate, error) {
	return date(time.Unix(p.NotBefore, 0)), nil
}

// GetIssuer implements jwt.Claims.
func (p *parsed) GetIssuer() (string, error) { return p.Issuer, nil }

// GetSubject implements jwt.Claims.
func (p *parsed) GetSubject() (string, error) { return p.Subject, nil }

// GetAudience implements jwt.Claims.
func (p *parsed) GetAudience() (jwt.ClaimStrings, error) {
	if p.Audience == "" {
		return nil, nil
	}
	return jwt.ClaimStrings{p.Audience}, nil
}
