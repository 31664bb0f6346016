package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// keychain is a process's live view of the signing keys: it loads them from the store or the KeySource, and looks again
// when a token names one that it does not know.
type keychain struct {
	cfg    Config
	store  Store
	events *events
	ring   atomic.Pointer[keyring]
	reload *reloader
	kept   atomic.Int64 // when maintain last did all there was, in Unix nanoseconds of the process's clock; zero: it is to be done
}

// unknownKeyPause is how often at most tokens that name unknown keys make a process look again.
const unknownKeyPause = time.Second

// openKeychain loads the keys and makes the first of each purpose where the store has none. Of any number of processes
// that start at once one inserts a key, and the others read it.
func openKeychain(ctx context.Context, store Store, cfg Config, events *events) (*keychain, error) {
	k := &keychain{cfg: cfg, store: store, events: events, reload: newReloader()}
	keys, now, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	missing := false
	for _, purpose := range []KeyPurpose{PurposeAccess, PurposeRefresh} {
		if cfg.KeySource != nil || newestOf(keys, purpose) != nil {
			continue
		}
		missing = true
		if err := k.insert(ctx, purpose, 1, now); err != nil {
			return nil, err
		}
	}
	if missing {
		if keys, now, err = k.read(ctx); err != nil {
			return nil, err
		}
	}
	for i := range keys {
		if keys[i], err = k.openKey(ctx, keys[i]); err != nil {
			return nil, err
		}
	}
	return k, k.use(keys, nil, now)
}

// read returns the keys as the store or the KeySource has them, and the moment of that.
func (k *keychain) read(ctx context.Context) ([]Key, time.Time, error) {
	if k.cfg.KeySource != nil {
		return fromSource(ctx, k.cfg.KeySource, k.cfg.Clock())
	}
	keys, now, err := k.store.Keys(ctx)
	if err != nil {
		return nil, now, fmt.Errorf("load signing keys: %w", err)
	}
	return keys, now, nil
}

// openKey returns a key with its material as it is used. What is open already stays so, whatever became of its seal.
func (k *keychain) openKey(ctx context.Context, key Key) (Key, error) {
	if k.cfg.KeySource != nil {
		return key, nil
	}
	if ring := k.ring.Load(); ring != nil {
		for _, known := range ring.keys {
			if known.ID == key.ID {
				key.Material = known.Material
				return key, nil
			}
		}
	}
	return k.cfg.open(ctx, key)
}

// use makes a keyring of open keys the current one. closed are the ids of those that could not be opened.
func (k *keychain) use(keys []Key, closed map[string]bool, now time.Time) error {
	ring := k.ring.Load().again(keys)
	if ring == nil {
		var err error
		if ring, err = newKeyring(keys, k.cfg.tokenLives); err != nil {
			return err
		}
	}
	ring.loadedAt = k.cfg.Clock()
	ring.storeNow = now
	ring.closed, ring.outdated = closed, false
	k.ring.Store(ring)
	return nil
}

// load reads the keys anew and returns them as the store holds them. A new key that cannot be opened is left out, and
// said so: the ones that are known go on.
func (k *keychain) load(ctx context.Context) ([]Key, time.Time, error) {
	keys, now, err := k.read(ctx)
	if err != nil {
		k.outdate()
		return nil, now, err
	}
	var open []Key
	closed := map[string]bool{}
	for _, key := range keys {
		opened, err := k.openKey(ctx, key)
		if err == nil {
			err = usable(opened) // a later version's process may have made one of a new kind
		}
		if err != nil {
			k.cfg.Logger.ErrorContext(ctx, "a signing key is left out", "kid", key.ID, "error", err)
			closed[key.ID] = true
			continue
		}
		open = append(open, opened)
	}
	if err = k.use(open, closed, now); err != nil {
		k.outdate()
	}
	return keys, now, err
}

// outdate notes in the current keyring that it could not be replaced. Where somebody else has just replaced it, that one is newer.
func (k *keychain) outdate() {
	ring := k.ring.Load()
	outdated := *ring
	outdated.outdated = true
	k.ring.CompareAndSwap(ring, &outdated)
}

// hear is told what a reading of the feed says of the keys. If that is known, the keys are what they were when the feed was read: each
// new one is in the feed from the moment when it is published to half a minute after it begins to sign.
func (k *keychain) hear(ctx context.Context, news []Revocation, as reading) {
	if k.cfg.KeySource != nil {
		return
	}
	ring := k.ring.Load()
	if slices.ContainsFunc(news, func(n Revocation) bool { return !ring.knows(n) }) {
		k.kept.Store(0)
		k.lookAgain(ctx, true, 0)
		return
	}
	if as.ended.After(ring.loadedAt) {
		confirmed := *ring
		confirmed.loadedAt, confirmed.storeNow = as.ended, as.now
		k.ring.CompareAndSwap(ring, &confirmed) // one that was loaded meanwhile is newer
	}
}

// lookAgain loads the keys if that was not tried a pause ago. It does not end with the request, since others wait for it.
func (k *keychain) lookAgain(ctx context.Context, wait bool, pause time.Duration) {
	k.reload.again(ctx, k.cfg.Clock, pause, wait, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.cfg.StoreTimeout)
		defer cancel()
		if _, _, err := k.load(ctx); err != nil {
			k.cfg.Logger.WarnContext(ctx, "signing keys could not be loaded", "error", err)
		}
	})
}

// keepUp loads the keys if they are older than a poll interval, for operations that ask the store anyway: a process
// without Run has to know a key before it signs, too. An outage is no hindrance.
func (k *keychain) keepUp(ctx context.Context) {
	if age := k.cfg.Clock().Sub(k.ring.Load().loadedAt); age < 0 || age >= k.cfg.KeyPollInterval {
		k.lookAgain(ctx, false, unknownKeyPause)
	}
}

// now is the store's clock, as far as this process knows: as of the last load, and as much as its own has moved since.
func (k *keychain) now() time.Time { return k.storeTime(k.cfg.Clock()) }

// storeTime is the store's clock at a moment of this process's.
func (k *keychain) storeTime(now time.Time) time.Time {
	ring := k.ring.Load()
	return ring.storeNow.Add(now.Sub(ring.loadedAt))
}

// storeNow is the store's clock, or a little before; see feed.storeNow.
func (k *keychain) storeNow() time.Time {
	ring := k.ring.Load()
	return notAfter(ring.storeNow, k.cfg.Clock().Sub(ring.loadedAt))
}

// accessSigner returns the key that signs access tokens now.
func (k *keychain) accessSigner() *accesstoken.Key {
	return signerAt(k.ring.Load().accessSigners, k.now()).key
}

// refreshSigner returns the key that signs a refresh token which is minted at a moment of the store's clock, and whether
// that key is still good.
func (k *keychain) refreshSigner(moment time.Time) (*refreshtoken.Key, bool) {
	signer := k.ring.Load().refreshSigner(moment)
	return signer.key, signer.good(k.now())
}

// insert makes a key and adds it to the store; that another process was faster is no error.
func (k *keychain) insert(ctx context.Context, purpose KeyPurpose, sequence int, activatesAt time.Time) error {
	key, err := GenerateKey(purpose, k.cfg.Algorithm, k.cfg.Random)
	if err != nil {
		return err
	}
	key.Sequence, key.ActivatesAt = sequence, activatesAt
	if key, err = k.cfg.seal(ctx, key); err != nil {
		return err
	}
	switch err := k.store.InsertKey(ctx, key); {
	case errors.Is(err, ErrDuplicate):
	case err != nil:
		return fmt.Errorf("insert %s key %d: %w", purpose, sequence, err)
	default:
		k.cfg.Logger.InfoContext(ctx, "signing key published", "kid", key.ID, "purpose", purpose,
			"sequence", sequence, "algorithm", strings.TrimPrefix(key.Algorithm, "HKDF-"), "activates_at", activatesAt)
		k.events.emit(Event{Kind: EventKeyRotated, KeyID: key.ID, Purpose: purpose})
	}
	return nil
}

// newestOf returns the last key of a purpose, or nil.
func newestOf(keys []Key, purpose KeyPurpose) *Key {
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].Purpose == purpose {
			return &keys[i]
		}
	}
	return nil
}
