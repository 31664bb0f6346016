package session_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// fixedKeys are keys for seeds that are files: the material of the asymmetric ones is made anew by each process, and
// their seeds are headers and forgeries.
func fixedKeys() []session.Key {
	keys := []session.Key{
		{ID: "hs256AAAAAAAAAAA", Purpose: session.PurposeAccess, Algorithm: "HS256", Material: []byte(strings.Repeat("2", 32))},
		{ID: "hs512AAAAAAAAAAA", Purpose: session.PurposeAccess, Algorithm: "HS512", Material: []byte(strings.Repeat("5", 64))},
	}
	for i, algorithm := range []session.Algorithm{session.EdDSA, session.ES256, session.RS256} {
		key := keysOf()[algorithm][0]
		key.ID = []string{"eddsaAAAAAAAAAAA", "es256AAAAAAAAAAA", "rs256AAAAAAAAAAA"}[i]
		keys = append(keys, key)
	}
	for i := range keys {
		keys[i].Sequence, keys[i].ActivatesAt = i+1, newClock().Now()
	}
	return append(keys, session.Key{
		ID: "refreshAAAAAAAAA", Purpose: session.PurposeRefresh, Sequence: 1, Algorithm: "HKDF-HS256", Material: []byte(strings.Repeat("r", 32)),
	})
}

func fixedConfig(keys []session.Key) session.Config {
	return session.Config{Issuer: "us", Audience: "api", Clock: newClock().Now, KeySource: session.StaticKeys(keys...)}
}

// FuzzVerify: what passes is exactly a token that was signed, byte for byte.
func FuzzVerify(f *testing.F) {
	keys := fixedKeys()
	m, err := session.New(f.Context(), memstore.New(newClock().Now), fixedConfig(keys))
	if err != nil {
		f.Fatal(err)
	}
	v, err := session.NewVerifier(f.Context(), session.VerifierConfig{Keys: m.JWKS(f.Context()), Issuer: "us", Audience: "api", Clock: newClock().Now})
	if err != nil {
		f.Fatal(err)
	}
	signed := map[string]bool{}
	for _, key := range keys[:len(algorithms)] {
		token := handSigned(f, key, headerOf(key.Algorithm, key.ID), goodClaims)
		signed[token] = true
		f.Add(token)
		f.Add(token[:len(token)-1])
		f.Add(handSigned(f, key, headerOf("none", key.ID), goodClaims))
		for _, other := range keys[:len(algorithms)] {
			f.Add(handSigned(f, key, headerOf(other.Algorithm, key.ID), strings.Replace(goodClaims, "1760000900", "1e400", 1)))
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := m.Verify(t.Context(), token, session.VerifyOptions{})
		if err == nil && !signed[token] {
			t.Errorf("%q passes", token)
		}
		if err != nil && err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("%q: got %v, want ErrTryRefresh itself", token, err)
		}
		if _, public := v.Verify(t.Context(), token, session.VerifyOptions{}); public == nil && err != nil {
			t.Errorf("%q passes the Verifier, and not the Manager", token)
		}
	})
}

// FuzzJWKS: no key set makes a Verifier panic, or accept what no private key has signed.
func FuzzJWKS(f *testing.F) {
	keys := fixedKeys()
	m, err := session.New(f.Context(), memstore.New(newClock().Now), fixedConfig(keys))
	if err != nil {
		f.Fatal(err)
	}
	good := m.JWKS(f.Context())
	set, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set)
	public := map[string]session.JWK{}
	for _, jwk := range good.Keys {
		public[jwk.KeyID] = jwk
		one, err := json.Marshal(session.JWKS{Keys: []session.JWK{jwk}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(one)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var set session.JWKS
		if json.Unmarshal(raw, &set) != nil {
			return
		}
		v, err := session.NewVerifier(t.Context(), session.VerifierConfig{Keys: set, Issuer: "us", Audience: "api", Clock: newClock().Now})
		if err != nil {
			if !errors.Is(err, session.ErrInvalidConfig) || v != nil {
				t.Errorf("got %v and a Verifier: %v, want ErrInvalidConfig alone", err, v != nil)
			}
			return
		}
		for _, jwk := range set.Keys {
			for _, forged := range [][]byte{
				nil, append(make([]byte, 63), 1), make([]byte, 256), append(make([]byte, 255), 1), sum("HS256", []byte(jwk.X+jwk.N), "x"),
			} {
				for _, alg := range []string{jwk.Algorithm, "HS256", "none"} {
					header, err := json.Marshal(map[string]string{"alg": alg, "kid": jwk.KeyID, "typ": "watchword-access+jwt"}) // in that order
					if err != nil {
						t.Fatal(err)
					}
					if _, err := v.Verify(t.Context(), segment(header)+"."+segment([]byte(goodClaims))+"."+segment(forged), session.VerifyOptions{}); err == nil {
						t.Errorf("%s: a forged token of key %q passes", raw, jwk.KeyID)
					}
				}
			}
		}
		for _, key := range keys[:len(algorithms)] {
			token := handSigned(t, key, headerOf(key.Algorithm, key.ID), goodClaims)
			if _, err := v.Verify(t.Context(), token, session.VerifyOptions{}); err == nil && public[key.ID].KeyID == "" {
				t.Errorf("%s: a token of the secret %s passes", raw, key.ID)
			}
		}
	})
}
