package session_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// sealingKey seals the seeds of FuzzKeys.
var sealingKey = session.EncryptionKey{Version: 7, Secret: []byte(strings.Repeat("k", 32))}

// sealedBefore is what sealingKey has made of the material of fixedKeys' first key. Sealing it again would give something else.
const sealedBefore = "d3dzZWFsZWQAAf7/AAAAB8DmPY0sxNcl3VW+3mrAbWBFiYTihMekz9vUMN8zBcVza3atKY8s1OuUGR4kd9rbBxV/vnpSWmeyUa4qZg=="

// FuzzKeys has the store hold a signing key of any kind. It is refused, or signs what it verifies and never leaves the process; with sealing
// on it is what was sealed for this very key, byte for byte.
func FuzzKeys(f *testing.F) {
	fixed := fixedKeys(f)
	refresh, opened := fixed[len(fixed)-1], fixed[0]
	sealed, err := base64.StdEncoding.DecodeString(sealedBefore)
	if err != nil {
		f.Fatal(err)
	}
	for _, key := range fixed {
		f.Add(key.ID, string(key.Purpose), key.Algorithm, key.Material, sealingKey.Secret, false)
	}
	f.Fuzz(func(t *testing.T, id, purpose, algorithm string, material, secret []byte, seals bool) {
		encryption, err := session.NewKeyEncryption(session.EncryptionKey{Version: sealingKey.Version, Secret: secret})
		if (err == nil) != (len(secret) == 32) || err != nil && !errors.Is(err, session.ErrInvalidConfig) {
			t.Fatalf("a key-encryption key of %d bytes: got %v", len(secret), err)
		}
		if err != nil {
			return
		}
		clock := newClock()
		store := memstore.New(clock.Now)
		key := session.Key{ID: id, Purpose: session.KeyPurpose(purpose), Algorithm: algorithm, Sequence: 1, Material: material, ActivatesAt: clock.Now()}
		known := key
		stored := []session.Key{key}
		if key.Purpose != refresh.Purpose && !seals { // else New makes one, or has this one
			stored = append(stored, refresh)
		}
		for _, k := range stored {
			if err := store.InsertKey(t.Context(), k); err != nil && !errors.Is(err, session.ErrDuplicate) {
				t.Fatal(err)
			}
		}
		cfg := session.Config{Clock: clock.Now, Revocation: session.RevocationOff}
		if seals {
			cfg.KeyEncryption = encryption
		}
		m, err := session.New(t.Context(), store, cfg)
		if err != nil {
			for _, s := range [][]byte{material, secret} {
				if !strings.Contains(id+" "+purpose+" "+algorithm, string(s)) { // else it is no secret, but what the key is called
					tellsNothing(t, err, s)
				}
			}
			return
		}
		if seals {
			if !bytes.Equal(material, sealed) || !bytes.Equal(secret, sealingKey.Secret) || id != opened.ID || key.Purpose != opened.Purpose || algorithm != opened.Algorithm {
				t.Fatalf("key %q of %q is opened although it was not sealed", id, algorithm)
			}
			known = opened
		}
		created, tokens, err := m.Create(t.Context(), "alice", session.CreateOptions{})
		if err != nil {
			t.Fatalf("the key is taken, and cannot be used: %v", err)
		}
		verified, err := m.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{})
		if err != nil || verified.Handle() != created.Handle() {
			t.Fatalf("the key does not verify what it has signed: %v", err)
		}
		clock.advance(time.Minute)
		if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); err != nil {
			t.Fatalf("the key does not open what it has sealed: %v", err)
		}
		set, err := json.Marshal(m.JWKS(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		if secret := base64.RawURLEncoding.EncodeToString(known.Material); bytes.Contains(set, []byte(secret)) && len(known.Material) > 8 {
			t.Fatalf("the public keys hold the secret: %s", set)
		}
		v, err := session.NewVerifier(t.Context(), session.VerifierConfig{Keys: m.JWKS(t.Context()), Clock: clock.Now})
		if public := strings.Contains(string(set), id); public != (err == nil) {
			t.Fatalf("a Verifier of %s: got %v", set, err)
		}
		if err == nil {
			if _, err := v.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
				t.Fatalf("the public half does not verify: %v", err)
			}
		}
	})
}

// tellsNothing asserts that an error shows no secret.
func tellsNothing(t *testing.T, err error, secrets ...[]byte) {
	t.Helper()
	for _, secret := range secrets {
		for _, form := range []string{
			string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
		} {
			if len(secret) > 24 && strings.Contains(err.Error(), form) { // longer than an id, which may be told
				t.Fatalf("the error shows a secret: %v", err)
			}
		}
	}
}
