// Package refreshtoken makes and reads refresh tokens:
//
//	base64url(version ‖ key id ‖ handle ‖ generation ‖ minted at ‖ secret ‖ MAC)
//
// The MAC lets a forged or corrupted token be refused before anybody asks the store, so that garbage can never raise a
// theft alarm. A first token's secret is random; a successor's is derived from its predecessor, so that it can be made
// again from it, and by nobody who does not hold it.
package refreshtoken

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	version = 1

	keyAt        = 1                // offset of the key id
	handleAt     = keyAt + 12       // of the handle
	generationAt = handleAt + 16    // of the generation, big-endian
	mintedAt     = generationAt + 4 // of the minting time, Unix microseconds, big-endian
	secretAt     = mintedAt + 8     // of the secret
	macAt        = secretAt + 32    // of the MAC
	rawLen       = macAt + 32

	// Len is the length of a token: no string of another length is one.
	Len = (rawLen*8 + 5) / 6
)

// encoding refuses non-zero padding bits, so that one token has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// KeyID names the key that authenticates a token.
type KeyID [12]byte

// Key holds the keys, one for each use, that are derived from the material of one signing key.
type Key struct {
	ID     KeyID
	mac    []byte
	derive []byte
	csrf   []byte
}

// NewKey derives a Key from at least 32 bytes of secret material.
func NewKey(id KeyID, material []byte) (*Key, error) {
	if len(material) < 32 {
		return nil, errors.New("refresh key material is shorter than 32 bytes")
	}
	k := &Key{ID: id}
	for _, part := range []struct {
		key   *[]byte
		label string
	}{
		{&k.mac, "watchword refresh token mac v1"},
		{&k.derive, "watchword refresh token successor v1"},
		{&k.csrf, "watchword anti-csrf token v1"},
	} {
		derived, err := hkdf.Expand(sha256.New, material, part.label, 32)
		if err != nil {
			return nil, fmt.Errorf("derive refresh keys: %w", err)
		}
		*part.key = derived
	}
	return k, nil
}

func sum(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// AntiCSRF returns the anti-CSRF token of a session: the same for as long as its refresh tokens are signed by this key,
// so that crossing responses cannot leave a client with halves of two.
func (k *Key) AntiCSRF(handle [16]byte) string {
	return base64.RawURLEncoding.EncodeToString(sum(k.csrf, handle[:])[:16])
}

// Token is a refresh token that this deployment minted. Never log it.
type Token struct {
	text       string
	handle     [16]byte
	generation uint32
	minted     int64
}

// String returns the token's text form.
func (t Token) String() string { return t.text }

// Handle returns the handle of the token's session.
func (t Token) Handle() [16]byte { return t.handle }

// Generation returns how many predecessors the token has in its session.
func (t Token) Generation() int { return int(t.generation) }

// MintedAt returns when the token was minted by the store's clock, to the microsecond; 1970 for the first token of a
// session, which is minted before the store is asked.
func (t Token) MintedAt() time.Time { return time.UnixMicro(t.minted).UTC() }

// Mark returns the SHA-256 of the token's text.
func (t Token) Mark() [32]byte { return sha256.Sum256([]byte(t.text)) }

// New mints the first token of a session.
func New(k *Key, handle [16]byte, random io.Reader) (Token, error) {
	return Independent(k, handle, 0, time.UnixMicro(0), random)
}

// Independent mints a token of a later generation that cannot be made from its predecessor.
func Independent(k *Key, handle [16]byte, generation int, at time.Time, random io.Reader) (Token, error) {
	var secret [32]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return Token{}, fmt.Errorf("read randomness: %w", err)
	}
	return seal(k, handle, uint32(generation), at.UnixMicro(), secret[:]), nil //nolint:gosec // counted from 0
}

// Successor mints the successor of t at a moment, or the same one again. The secret comes from own, the key that signed
// t; signer authenticates the successor.
func (t Token) Successor(own, signer *Key, at time.Time) Token {
	var moment [8]byte
	binary.BigEndian.PutUint64(moment[:], uint64(at.UnixMicro()))
	return seal(signer, t.handle, t.generation+1, at.UnixMicro(), sum(own.derive, []byte(t.text), moment[:]))
}

func seal(k *Key, handle [16]byte, generation uint32, minted int64, secret []byte) Token {
	var raw [rawLen]byte
	raw[0] = version
	copy(raw[keyAt:], k.ID[:])
	copy(raw[handleAt:], handle[:])
	binary.BigEndian.PutUint32(raw[generationAt:], generation)
	binary.BigEndian.PutUint64(raw[mintedAt:], uint64(minted)) //nolint:gosec // two's complement is what is meant
	copy(raw[secretAt:], secret)
	copy(raw[macAt:], sum(k.mac, raw[:macAt]))
	return Token{text: encoding.EncodeToString(raw[:]), handle: handle, generation: generation, minted: minted}
}

// Claimed returns the handle that a string names, if it has a token's form; else zero. Nobody vouches for it.
func Claimed(text string) (handle [16]byte) {
	var raw [rawLen]byte
	if n, err := encoding.Decode(raw[:], []byte(text[:min(len(text), Len)])); err == nil && n == rawLen {
		copy(handle[:], raw[handleAt:])
	}
	return handle
}

// ErrInvalid is the one answer to every string that is not a token of one of the keys.
var ErrInvalid = errors.New("invalid refresh token")

// Open authenticates a token and returns it with the key that signed it; keys finds a key by its id, or returns nil.
func Open(text string, keys func(KeyID) *Key) (Token, *Key, error) {
	if len(text) != Len {
		return Token{}, nil, ErrInvalid
	}
	var raw [rawLen]byte
	// The decoder skips line breaks: fewer bytes than rawLen come out then.
	if n, err := encoding.Decode(raw[:], []byte(text)); err != nil || n != rawLen || raw[0] != version {
		return Token{}, nil, ErrInvalid
	}
	k := keys(KeyID(raw[keyAt:handleAt]))
	if k == nil || !hmac.Equal(raw[macAt:], sum(k.mac, raw[:macAt])) {
		return Token{}, nil, ErrInvalid
	}
	return Token{
		text:       text,
		handle:     [16]byte(raw[handleAt:generationAt]),
		generation: binary.BigEndian.Uint32(raw[generationAt:]),
		minted:     int64(binary.BigEndian.Uint64(raw[mintedAt:])), //nolint:gosec // the inverse of seal
	}, k, nil
}
