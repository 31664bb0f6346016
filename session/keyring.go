package session

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// keyring is what a process knows of the signing keys at one moment: who signs, and who verifies until when. It is not
// changed once it is made; a load makes a new one.
type keyring struct {
	access  map[string]*ringKey[*accesstoken.Key] // by the header segment of their tokens
	refresh map[refreshtoken.KeyID]*ringKey[*refreshtoken.Key]

	accessSigners  []*ringKey[*accesstoken.Key] // by sequence
	refreshSigners []*ringKey[*refreshtoken.Key]

	keys     []Key           // what it was made from
	closed   map[string]bool // ids of keys that were read beside them and could not be opened, or are of an unknown kind
	outdated bool            // an attempt at reading them anew has failed since: there may be some that are not known here
	loadedAt time.Time       // by the process's clock, when the store had answered, or the feed had no news of keys
	storeNow time.Time       // by the store's, before that
}

// ringKey is a key with its schedule, by the store's clock.
type ringKey[K any] struct {
	key     K
	from    time.Time // signs from then on, until a later key does
	cutOff  time.Time // signs and verifies no more; zero: it was not cut off
	expires time.Time // the last token that it signed has expired; zero: no later key is known
}

// good reports whether the key verifies at a moment.
func (k *ringKey[K]) good(now time.Time) bool {
	return (k.cutOff.IsZero() || now.Before(k.cutOff)) && (k.expires.IsZero() || now.Before(k.expires))
}

// clockMargin is added to the life of the last token that a key has signed: clocks may be half a minute apart, on either
// side of the store's.
const clockMargin = 2 * time.Minute

// tokenLives are how long tokens live at most, by the purpose of their keys. A refresh token that is handed out again
// and again stays good for as long as its session.
func (c Config) tokenLives(p KeyPurpose) time.Duration {
	if p == PurposeAccess {
		return c.AccessLifetime + c.jitter() + clockMargin
	}
	return c.AbsoluteLifetime + clockMargin
}

// newKeyring makes a keyring of keys in the order of their sequences, whose material is open.
func newKeyring(keys []Key, lives func(KeyPurpose) time.Duration) (*keyring, error) {
	ring := &keyring{
		access:  map[string]*ringKey[*accesstoken.Key]{},
		refresh: map[refreshtoken.KeyID]*ringKey[*refreshtoken.Key]{},
		keys:    keys,
	}
	for _, k := range keys {
		id, err := parseKeyID(k.ID)
		if err != nil {
			return nil, err
		}
		switch {
		case k.Purpose == PurposeAccess:
			key, err := accesstoken.NewKey(k.ID, k.Algorithm, k.Material)
			if err != nil {
				return nil, fmt.Errorf("signing key %q: %w", k.ID, err)
			}
			r := &ringKey[*accesstoken.Key]{key: key, from: k.ActivatesAt, cutOff: k.RetiresAt}
			ring.access[key.Header()] = r
			ring.accessSigners = succeedBy(ring.accessSigners, r, lives(k.Purpose))
		case k.Purpose == PurposeRefresh && k.Algorithm == refreshAlgorithm:
			key, err := refreshtoken.NewKey(id, k.Material)
			if err != nil {
				return nil, fmt.Errorf("signing key %q: %w", k.ID, err)
			}
			r := &ringKey[*refreshtoken.Key]{key: key, from: k.ActivatesAt, cutOff: k.RetiresAt}
			ring.refresh[key.ID] = r
			ring.refreshSigners = succeedBy(ring.refreshSigners, r, lives(k.Purpose))
		default:
			return nil, fmt.Errorf("signing key %q: unknown purpose %q or algorithm %q", k.ID, k.Purpose, k.Algorithm)
		}
	}
	if len(ring.accessSigners) == 0 || len(ring.refreshSigners) == 0 {
		return nil, errors.New("there are no signing keys")
	}
	return ring, nil
}

// again returns a copy of the keyring if it is made of the same keys, or nil.
func (r *keyring) again(keys []Key) *keyring {
	if r == nil || !slices.EqualFunc(r.keys, keys, func(a, b Key) bool {
		return a.ID == b.ID && a.ActivatesAt.Equal(b.ActivatesAt) && a.RetiresAt.Equal(b.RetiresAt)
	}) {
		return nil
	}
	same := *r
	return &same
}

// knows reports whether an entry of the feed says nothing new. What could not be opened is tried again by maintain alone.
func (r *keyring) knows(news Revocation) bool {
	return r.closed[news.KeyID] || slices.ContainsFunc(r.keys, func(k Key) bool {
		at := k.RetiresAt
		if at.IsZero() {
			at = k.ActivatesAt
		}
		return k.ID == news.KeyID && at.Equal(news.At)
	})
}

// usable says whether a keyring can be made with an open key.
func usable(k Key) error {
	_, err := parseKeyID(k.ID)
	switch {
	case err != nil:
	case k.Purpose == PurposeAccess:
		_, err = accesstoken.NewKey(k.ID, k.Algorithm, k.Material)
	case k.Purpose != PurposeRefresh || k.Algorithm != refreshAlgorithm:
		err = fmt.Errorf("unknown purpose %q or algorithm %q", k.Purpose, k.Algorithm)
	}
	return err
}

// succeedBy appends the next key, which ends the life of the one before.
func succeedBy[K any](keys []*ringKey[K], next *ringKey[K], life time.Duration) []*ringKey[K] {
	if n := len(keys); n > 0 {
		keys[n-1].expires = next.from.Add(life)
	}
	return append(keys, next)
}

// signerAt returns the key that signs at a moment of the store's clock: the newest that is active by then and not cut
// off at that moment. It depends on nothing but the moment, so that every process derives the same successor of a
// refresh token.
func signerAt[K any](keys []*ringKey[K], moment time.Time) *ringKey[K] {
	chosen := keys[0]
	for _, k := range keys {
		if !k.from.After(moment) && (k.cutOff.IsZero() || moment.Before(k.cutOff)) {
			chosen = k
		}
	}
	return chosen
}

func (r *keyring) refreshSigner(moment time.Time) *ringKey[*refreshtoken.Key] {
	return signerAt(r.refreshSigners, moment)
}
