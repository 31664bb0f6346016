package session

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// JWKS is a set of public keys (RFC 7517, section 5), as encoding/json writes it.
type JWKS struct {
	Keys []JWK `json:"keys"`
	// MaxAge is how long the set may be kept: half of Config.KeyPropagation, so that nobody misses a key that has been
	// published before it signs.
	MaxAge time.Duration `json:"-"`
}

// JWK is one public key (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2).
type JWK struct {
	KeyType   string `json:"kty"`
	KeyID     string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
}

// JWKS returns the public halves of the keys that verify access tokens now, and of those that are published but do not
// sign yet. Shared secrets are never in it.
func (m *Manager) JWKS(ctx context.Context) JWKS {
	m.keys.keepUp(ctx)
	set := JWKS{Keys: []JWK{}, MaxAge: m.cfg.KeyPropagation / 2}
	now := m.keys.now()
	for _, k := range m.keys.ring.Load().accessSigners {
		if public := k.key.Public(); public != nil && k.good(now) {
			set.Keys = append(set.Keys, newJWK(k.key, public))
		}
	}
	return set
}

var jwkEncoding = base64.RawURLEncoding.Strict()

func newJWK(key *accesstoken.Key, public crypto.PublicKey) JWK {
	jwk := JWK{KeyID: key.ID(), Use: "sig", Algorithm: key.Algorithm()}
	switch p := public.(type) {
	case ed25519.PublicKey:
		jwk.KeyType, jwk.Curve, jwk.X = "OKP", "Ed25519", jwkEncoding.EncodeToString(p)
	case *ecdsa.PublicKey:
		if point, err := p.Bytes(); err == nil { // 4 ‖ x ‖ y, of 32 bytes each
			jwk.KeyType, jwk.Curve = "EC", "P-256"
			jwk.X, jwk.Y = jwkEncoding.EncodeToString(point[1:33]), jwkEncoding.EncodeToString(point[33:])
		}
	case *rsa.PublicKey:
		jwk.KeyType = "RSA"
		jwk.N = jwkEncoding.EncodeToString(p.N.Bytes())
		jwk.E = jwkEncoding.EncodeToString(big.NewInt(int64(p.E)).Bytes())
	}
	return jwk
}

var errJWK = errors.New("not a public key of a kind that signs access tokens")

// key reads a public key. The error says nothing of its content.
func (j JWK) key() (*accesstoken.Key, error) {
	if _, err := parseKeyID(j.KeyID); err != nil {
		return nil, err
	}
	part := func(s string, size int) []byte {
		raw, err := jwkEncoding.DecodeString(s)
		if err != nil || size > 0 && len(raw) != size {
			return nil
		}
		return raw
	}
	var public crypto.PublicKey
	switch {
	case j.KeyType == "OKP" && j.Curve == "Ed25519":
		x := part(j.X, ed25519.PublicKeySize)
		if x == nil {
			return nil, errJWK
		}
		public = ed25519.PublicKey(x)
	case j.KeyType == "EC" && j.Curve == "P-256":
		x, y := part(j.X, 32), part(j.Y, 32)
		if x == nil || y == nil {
			return nil, errJWK
		}
		point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil, errJWK
		}
		public = point
	case j.KeyType == "RSA":
		n, e := part(j.N, 0), part(j.E, 0)
		if len(n) == 0 || len(n) > 1024 || len(e) == 0 || len(e) > 4 {
			return nil, errJWK
		}
		exponent := new(big.Int).SetBytes(e).Int64()
		if exponent < 3 || exponent%2 == 0 || exponent > 1<<31-1 {
			return nil, errJWK
		}
		public = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}
	default:
		return nil, errJWK
	}
	key, err := accesstoken.NewPublicKey(j.KeyID, j.Algorithm, public)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", j.KeyID, err)
	}
	return key, nil
}
