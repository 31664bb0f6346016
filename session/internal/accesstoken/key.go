package accesstoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/golang-jwt/jwt/v5"
)

// The signature algorithms (RFC 7518, section 3.1, and RFC 8037).
const (
	HS256 = "HS256"
	HS512 = "HS512"
	EdDSA = "EdDSA"
	ES256 = "ES256"
	RS256 = "RS256"
)

// algorithms are all of them, with their methods and, where they sign with a shared secret, its length.
var algorithms = map[string]struct {
	method jwt.SigningMethod
	secret int
}{
	HS256: {jwt.SigningMethodHS256, 32},
	HS512: {jwt.SigningMethodHS512, 64},
	EdDSA: {jwt.SigningMethodEdDSA, 0},
	ES256: {jwt.SigningMethodES256, 0},
	RS256: {jwt.SigningMethodRS256, 0},
}

const rsaBits = 2048

// Supported reports whether there is such an algorithm here.
func Supported(algorithm string) bool {
	_, ok := algorithms[algorithm]
	return ok
}

// Key signs and verifies with one algorithm only.
type Key struct {
	kid     string
	method  jwt.SigningMethod
	signing any // nil: verifies only
	verify  any
	header  string // base64url of the JOSE header, the same for all tokens of the key
}

// Generate makes the material of a new key: a secret, or a private key as PKCS #8, and then its public half as PKIX.
func Generate(algorithm string, random io.Reader) (material, public []byte, err error) {
	a, ok := algorithms[algorithm]
	if !ok {
		return nil, nil, fmt.Errorf("unknown signature algorithm %q", algorithm)
	}
	if a.secret > 0 {
		material = make([]byte, a.secret)
		_, err = io.ReadFull(random, material)
		return material, nil, err
	}
	var private crypto.Signer
	switch algorithm { // these draw their randomness themselves
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	}
	if err != nil {
		return nil, nil, err
	}
	if material, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return nil, nil, err
	}
	public, err = x509.MarshalPKIXPublicKey(private.Public())
	return material, public, err
}

// NewKey makes a key that signs. kid may hold no character that JSON escapes. The errors say nothing of the material.
func NewKey(kid, algorithm string, material []byte) (*Key, error) {
	a, ok := algorithms[algorithm]
	if !ok {
		return nil, fmt.Errorf("unknown signature algorithm %q", algorithm)
	}
	if a.secret > 0 {
		if len(material) < a.secret {
			return nil, fmt.Errorf("%s key material is shorter than %d bytes", algorithm, a.secret)
		}
		return newKey(kid, a.method, material, material), nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		return nil, fmt.Errorf("%s key material is not a private key in PKCS #8", algorithm)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s key material is of another kind", algorithm)
	}
	key, err := NewPublicKey(kid, algorithm, private.Public())
	if err != nil {
		return nil, err
	}
	key.signing = private
	return key, nil
}

// NewPublicKey makes a key that verifies only. The algorithm must be asymmetric, and the key of its kind.
func NewPublicKey(kid, algorithm string, public crypto.PublicKey) (*Key, error) {
	fits := false
	switch k := public.(type) {
	case ed25519.PublicKey:
		fits = algorithm == EdDSA
	case *ecdsa.PublicKey:
		fits = algorithm == ES256 && k.Curve == elliptic.P256()
	case *rsa.PublicKey:
		fits = algorithm == RS256 && k.N.BitLen() >= rsaBits
	}
	if !fits {
		return nil, fmt.Errorf("not a public key for %q, or too short a one", algorithm)
	}
	return newKey(kid, algorithms[algorithm].method, nil, public), nil
}

func newKey(kid string, method jwt.SigningMethod, signing, verify any) *Key {
	return &Key{kid: kid, method: method, signing: signing, verify: verify, header: header(kid, method.Alg())}
}

func header(kid, algorithm string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":%q}`, algorithm, kid, Type))
}

// Header returns the first segment of every token of the key. A token with another one is not of this key, which pins
// alg, kid and typ at once and leaves no room for crit, jwk or jku.
func (k *Key) Header() string { return k.header }

// Public returns the public half, or nil if the key is a shared secret.
func (k *Key) Public() crypto.PublicKey {
	if _, secret := k.verify.([]byte); secret {
		return nil
	}
	return k.verify
}

// signed reports whether a signature, in base64url, is this key's of a text.
func (k *Key) signed(text, signature string) bool {
	raw, err := strict.DecodeString(signature)
	return err == nil && k.method.Verify(text, raw, k.verify) == nil
}

// ID returns the key's kid.
func (k *Key) ID() string { return k.kid }

// Algorithm returns the key's alg.
func (k *Key) Algorithm() string { return k.method.Alg() }

// maxHeader limits the length of a first segment that is read, in bytes: some 200 of JSON.
const maxHeader = 270

var errHeader = errors.New("not a header of this package's")

// ParseHeader returns the kid in a token's first segment, if it is one that a key of this package would write, and of an
// algorithm that is known.
func ParseHeader(segment string) (kid string, err error) {
	if len(segment) > maxHeader {
		return "", errHeader
	}
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return "", errHeader
	}
	var h struct{ Alg, Kid string }
	if err := json.Unmarshal(raw, &h); err != nil || !Supported(h.Alg) || header(h.Kid, h.Alg) != segment {
		return "", errHeader
	}
	return h.Kid, nil
}
