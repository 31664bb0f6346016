package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// keyring is the signing-key policy: which key signs now, and which keys verify. It is not changed once it is made.
type keyring struct {
	access         map[string]*accesstoken.Key // by the header segment of their tokens
	accessSigners  []signer[*accesstoken.Key]
	refresh        map[refreshtoken.KeyID]*refreshtoken.Key
	refreshSigners []signer[*refreshtoken.Key]
}

// signer is a key with the moment from which it signs; slices of them are in that order.
type signer[K any] struct {
	from time.Time
	key  K
}

// at returns the key that signs at a moment: the newest that is active by then. For refresh tokens the moment is the
// store's, so that every process derives the same successor.
func at[K any](signers []signer[K], now time.Time) K {
	chosen := signers[0].key
	for _, s := range signers[1:] {
		if s.from.After(now) {
			break
		}
		chosen = s.key
	}
	return chosen
}

func (k *keyring) accessSigner(now time.Time) *accesstoken.Key { return at(k.accessSigners, now) }
func (k *keyring) accessKey(header string) *accesstoken.Key    { return k.access[header] }

func (k *keyring) refreshSigner(now time.Time) *refreshtoken.Key { return at(k.refreshSigners, now) }
func (k *keyring) refreshKey(id refreshtoken.KeyID) *refreshtoken.Key {
	return k.refresh[id]
}

// openKeyring loads the keys of a store and makes the first of each purpose where there is none. Of any number of
// processes that start at once one inserts a key, and the others read it.
func openKeyring(ctx context.Context, store Store, random io.Reader) (*keyring, error) {
	keys, now, err := store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("load signing keys: %w", err)
	}
	missing := false
	for _, p := range []struct {
		purpose   KeyPurpose
		algorithm string
	}{{PurposeAccess, accesstoken.HS256}, {PurposeRefresh, refreshAlgorithm}} {
		if has(keys, p.purpose) {
			continue
		}
		missing = true
		key, err := newKey(p.purpose, p.algorithm, now, random)
		if err != nil {
			return nil, err
		}
		if err := store.InsertKey(ctx, key); err != nil && !errors.Is(err, ErrDuplicate) {
			return nil, fmt.Errorf("insert the first %s key: %w", p.purpose, err)
		}
	}
	if missing {
		if keys, _, err = store.Keys(ctx); err != nil {
			return nil, fmt.Errorf("load signing keys: %w", err)
		}
	}
	return newKeyring(keys)
}

func has(keys []Key, purpose KeyPurpose) bool {
	for _, k := range keys {
		if k.Purpose == purpose {
			return true
		}
	}
	return false
}

// refreshAlgorithm names what refresh tokens are made with: HMAC-SHA-256 under keys derived by HKDF-SHA-256.
const refreshAlgorithm = "HKDF-HS256"

func newKey(purpose KeyPurpose, algorithm string, now time.Time, random io.Reader) (Key, error) {
	var raw [12 + 32]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return Key{}, fmt.Errorf("read randomness: %w", err)
	}
	return Key{
		ID:          base64.RawURLEncoding.EncodeToString(raw[:12]),
		Purpose:     purpose,
		Sequence:    1,
		Algorithm:   algorithm,
		Material:    raw[12:],
		ActivatesAt: now,
	}, nil
}

func newKeyring(keys []Key) (*keyring, error) {
	ring := &keyring{
		access:  map[string]*accesstoken.Key{},
		refresh: map[refreshtoken.KeyID]*refreshtoken.Key{},
	}
	for _, k := range keys {
		id, err := base64.RawURLEncoding.Strict().DecodeString(k.ID)
		if err != nil || len(id) != 12 {
			return nil, fmt.Errorf("signing key %q: its id is not 16 characters of base64url", k.ID)
		}
		switch {
		case k.Purpose == PurposeAccess:
			key, err := accesstoken.NewKey(k.ID, k.Algorithm, k.Material)
			if err != nil {
				return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
			}
			ring.access[key.Header()] = key
			ring.accessSigners = append(ring.accessSigners, signer[*accesstoken.Key]{k.ActivatesAt, key})
		case k.Purpose == PurposeRefresh && k.Algorithm == refreshAlgorithm:
			key, err := refreshtoken.NewKey(refreshtoken.KeyID(id), k.Material)
			if err != nil {
				return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
			}
			ring.refresh[key.ID] = key
			ring.refreshSigners = append(ring.refreshSigners, signer[*refreshtoken.Key]{k.ActivatesAt, key})
		default:
			return nil, fmt.Errorf("signing key %s: unknown purpose %q or algorithm %q", k.ID, k.Purpose, k.Algorithm)
		}
	}
	if len(ring.accessSigners) == 0 || len(ring.refreshSigners) == 0 {
		return nil, errors.New("the store holds no signing keys after they were inserted")
	}
	return ring, nil
}
