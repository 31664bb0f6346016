package session

import (
	"encoding/base64"
	"fmt"
	"io"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// Algorithm is how access tokens are signed (RFC 7518, section 3.1, and RFC 8037).
type Algorithm string

// The algorithms. Services that hold the public half of an asymmetric key verify without being able to sign.
const (
	HS256 Algorithm = accesstoken.HS256 // HMAC with SHA-256. The default
	HS512 Algorithm = accesstoken.HS512 // HMAC with SHA-512
	EdDSA Algorithm = accesstoken.EdDSA // Ed25519
	ES256 Algorithm = accesstoken.ES256 // ECDSA with P-256 and SHA-256
	RS256 Algorithm = accesstoken.RS256 // RSASSA-PKCS1-v1_5 with 2048 bits and SHA-256
)

// refreshAlgorithm names what refresh tokens are made with: HMAC-SHA-256 under keys derived by HKDF-SHA-256.
const refreshAlgorithm = "HKDF-HS256"

// GenerateKey makes a key for a KeySource, or for the store: its id, material and public half. Sequence and ActivatesAt
// are the caller's to set. The algorithm counts for PurposeAccess alone; random is crypto/rand.Reader but in tests.
func GenerateKey(purpose KeyPurpose, algorithm Algorithm, random io.Reader) (Key, error) {
	var id refreshtoken.KeyID
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return Key{}, fmt.Errorf("generate %s key: read randomness: %w", purpose, err)
	}
	key := Key{ID: base64.RawURLEncoding.EncodeToString(id[:]), Purpose: purpose}
	var err error
	switch purpose {
	case PurposeAccess:
		key.Algorithm = string(algorithm)
		key.Material, key.Public, err = accesstoken.Generate(key.Algorithm, random)
	case PurposeRefresh:
		key.Algorithm = refreshAlgorithm
		key.Material = make([]byte, 32)
		_, err = io.ReadFull(random, key.Material)
	default:
		err = fmt.Errorf("unknown purpose %q", purpose)
	}
	if err != nil {
		return Key{}, fmt.Errorf("generate %s key: %w", purpose, err)
	}
	return key, nil
}

// parseKeyID reads a key's id, of which there is one form only: whatever else a token names is none of ours.
func parseKeyID(s string) (refreshtoken.KeyID, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(s) != 16 || len(raw) != 12 {
		return refreshtoken.KeyID{}, fmt.Errorf("signing key %q: its id is not 16 characters of base64url", s)
	}
	return refreshtoken.KeyID(raw), nil
}
