package verify

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/watchword-dev/watchword/integration/bench/peers"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// issuer is a deployment whose keys are known here, so that golang-jwt can be given them.
type issuer struct {
	algorithm session.Algorithm
	cfg       session.Config
	access    session.Key
	key       any // what golang-jwt verifies with
}

func newIssuer(algorithm session.Algorithm, cfg session.Config) (*issuer, error) {
	i := &issuer{algorithm: algorithm, cfg: cfg}
	var err error
	if i.access, err = session.GenerateKey(session.PurposeAccess, algorithm, rand.Reader); err != nil {
		return nil, err
	}
	refresh, err := session.GenerateKey(session.PurposeRefresh, "", rand.Reader)
	if err != nil {
		return nil, err
	}
	past := time.Now().Add(-time.Hour)
	i.access.Sequence, i.access.ActivatesAt = 1, past
	refresh.Sequence, refresh.ActivatesAt = 1, past
	i.cfg.Algorithm, i.cfg.KeySource = algorithm, session.StaticKeys(i.access, refresh)
	i.key = i.access.Material
	if i.access.Public != nil {
		if i.key, err = x509.ParsePKIXPublicKey(i.access.Public); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// manager makes one that has seen no token yet. None of these sessions is in its store: Verify does not ask.
func (i *issuer) manager(ctx context.Context) (*session.Manager, error) {
	return session.New(ctx, memstore.New(nil), i.cfg)
}

// tokens starts n sessions and returns their access tokens.
func (i *issuer) tokens(ctx context.Context, n int) ([]string, error) {
	manager, err := i.manager(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]string, n)
	for at := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		_, tokens, err := manager.Create(ctx, fmt.Sprintf("user-%d", at), session.CreateOptions{Payload: map[string]string{"role": "user"}})
		if err != nil {
			return nil, err
		}
		all[at] = tokens.AccessToken
	}
	return all, nil
}

var errOtherKey = errors.New("signed with another key")

// golangJWT verifies with golang-jwt alone: the same claims, in a struct, and the same checks, as far as it has them.
func (i *issuer) golangJWT() func(token string) error {
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{string(i.algorithm)}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(),
	}
	if i.cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(i.cfg.Issuer))
	}
	if i.cfg.Audience != "" {
		options = append(options, jwt.WithAudience(i.cfg.Audience))
	}
	parser := jwt.NewParser(options...)
	find := func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != i.access.ID || t.Header["typ"] != "watchword-access+jwt" {
			return nil, errOtherKey
		}
		return i.key, nil
	}
	return func(token string) error {
		_, err := parser.ParseWithClaims(token, &peers.Claims{}, find)
		return err
	}
}
