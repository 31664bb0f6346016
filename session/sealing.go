package session

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// KeyEncryption seals signing keys for the store, so that a copy of the database is of no use without it. Implement it for
// a key management service; NewKeyEncryption makes one of keys that the process holds.
//
// Associated data is bound to what is sealed: Open must fail with any other.
type KeyEncryption interface {
	Seal(ctx context.Context, material, associated []byte) (sealed []byte, err error)
	Open(ctx context.Context, sealed, associated []byte) (material []byte, err error)
	// Outdated reports whether what was sealed is to be sealed anew, since its key is to be dropped.
	Outdated(sealed []byte) bool
}

// EncryptionKey is a key-encryption key of 256 bits.
type EncryptionKey struct {
	Version uint32 // names the key; never used for another one
	Secret  []byte // 32 bytes
}

// NewKeyEncryption seals with AES-256-GCM under the first key, and opens what any of them has sealed. To replace a key:
// deploy the new one as a second, then as the first, wait until Manager.Run has sealed everything anew, which takes a
// Config.KeyPollInterval, and drop the old one.
func NewKeyEncryption(primary EncryptionKey, others ...EncryptionKey) (KeyEncryption, error) {
	e := &aesEncryption{primary: primary.Version, keys: map[uint32]cipher.AEAD{}}
	for _, k := range append([]EncryptionKey{primary}, others...) {
		if len(k.Secret) != 32 {
			return nil, fmt.Errorf("%w: EncryptionKey %d has %d bytes: it must have 32", ErrInvalidConfig, k.Version, len(k.Secret))
		}
		if e.keys[k.Version] != nil {
			return nil, fmt.Errorf("%w: EncryptionKey %d is given twice", ErrInvalidConfig, k.Version)
		}
		block, err := aes.NewCipher(k.Secret)
		if err != nil {
			return nil, fmt.Errorf("%w: EncryptionKey %d cannot be used", ErrInvalidConfig, k.Version)
		}
		if e.keys[k.Version], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("%w: EncryptionKey %d cannot be used", ErrInvalidConfig, k.Version)
		}
	}
	return e, nil
}

// aesEncryption seals as version (4 bytes) ‖ nonce (12) ‖ ciphertext and tag.
type aesEncryption struct {
	primary uint32
	keys    map[uint32]cipher.AEAD
}

const sealedNonce, sealedText = 4, 4 + 12

// Seal implements KeyEncryption.
func (e *aesEncryption) Seal(_ context.Context, material, associated []byte) ([]byte, error) {
	sealed := make([]byte, sealedText, sealedText+len(material)+16)
	binary.BigEndian.PutUint32(sealed, e.primary)
	if _, err := rand.Read(sealed[sealedNonce:]); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return e.keys[e.primary].Seal(sealed, sealed[sealedNonce:], material, associated), nil
}

// Open implements KeyEncryption.
func (e *aesEncryption) Open(_ context.Context, sealed, associated []byte) ([]byte, error) {
	if len(sealed) < sealedText {
		return nil, errors.New("it is cut short")
	}
	version := binary.BigEndian.Uint32(sealed)
	key := e.keys[version]
	if key == nil {
		return nil, fmt.Errorf("it is sealed with key-encryption key %d, which is not configured", version)
	}
	material, err := key.Open(nil, sealed[sealedNonce:sealedText], sealed[sealedText:], associated)
	if err != nil {
		return nil, fmt.Errorf("key-encryption key %d does not open it: another key has that version, or the row was altered", version)
	}
	return material, nil
}

// Outdated implements KeyEncryption.
func (e *aesEncryption) Outdated(sealed []byte) bool {
	return len(sealed) < sealedText || binary.BigEndian.Uint32(sealed) != e.primary
}

// sealedMark begins the material of a sealed key in the store. A secret begins like that by chance once in 2^96 keys.
var sealedMark = []byte("wwsealed\x00\x01\xfe\xff")

// sealAAD binds sealed material to what the row says of the key.
func sealAAD(k Key) []byte {
	return fmt.Appendf(nil, "watchword signing key\x00%s\x00%s\x00%s", k.ID, k.Purpose, k.Algorithm)
}

// seal returns the key as the store is to hold it.
func (c Config) seal(ctx context.Context, k Key) (Key, error) {
	if c.KeyEncryption == nil {
		return k, nil
	}
	sealed, err := c.KeyEncryption.Seal(ctx, k.Material, sealAAD(k))
	if err != nil {
		return Key{}, fmt.Errorf("seal signing key %q: %w", k.ID, err)
	}
	k.Material = append(bytes.Clone(sealedMark), sealed...)
	return k, nil
}

// errSealed is a start with the wrong key-encryption key.
var errSealed = fmt.Errorf("%w: KeyEncryption does not open the signing keys in the store", ErrInvalidConfig)

// open returns the key with its material as it is used.
func (c Config) open(ctx context.Context, k Key) (Key, error) {
	sealed, isSealed := bytes.CutPrefix(k.Material, sealedMark)
	switch {
	case isSealed && c.KeyEncryption == nil:
		return Key{}, fmt.Errorf("%w: key %q in the store is sealed: set KeyEncryption to the key-encryption key that it was sealed with", errSealed, k.ID)
	case !isSealed && c.KeyEncryption != nil && !c.AcceptUnsealedKeys:
		return Key{}, fmt.Errorf("%w: key %q in the store is not sealed: set AcceptUnsealedKeys until Run has sealed it", errSealed, k.ID)
	case !isSealed:
		return k, nil
	}
	material, err := c.KeyEncryption.Open(ctx, sealed, sealAAD(k))
	if err != nil {
		return Key{}, fmt.Errorf("%w: key %q: %w", errSealed, k.ID, err)
	}
	k.Material = material
	return k, nil
}

// outdated reports whether a key of the store is to be sealed anew.
func (c Config) outdated(k Key) bool {
	sealed, isSealed := bytes.CutPrefix(k.Material, sealedMark)
	return c.KeyEncryption != nil && (!isSealed || c.KeyEncryption.Outdated(sealed))
}
