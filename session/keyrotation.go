package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// due reports when the successor of a purpose's newest key is to sign, if it is time to publish it.
func (c Config) due(newest Key, now time.Time) (activatesAt time.Time, due bool) {
	rotation := c.RefreshKeyRotation
	if newest.Purpose == PurposeAccess {
		rotation = c.AccessKeyRotation
	}
	soonest := now.Add(c.KeyPropagation)
	scheduled := newest.ActivatesAt.Add(rotation)
	switch {
	case !newest.RetiresAt.IsZero():
		return now, true // it was cut off, and whoever did so got no further
	case newest.ActivatesAt.After(now):
		return time.Time{}, false // it is itself the successor
	case newest.Purpose == PurposeAccess && newest.Algorithm != string(c.Algorithm):
		return soonest, true
	case rotation == NoRotation || soonest.Before(scheduled):
		return time.Time{}, false
	default:
		return later(scheduled, soonest), true
	}
}

// keptFor is for how many poll intervals maintain need not be repeated while the feed says that the keys are as they were, and nothing is due.
const keptFor = 10

// settled reports whether maintain would find nothing to do.
func (k *keychain) settled() bool {
	ring, now := k.ring.Load(), k.cfg.Clock()
	recent := func(at time.Time, intervals time.Duration) bool {
		age := now.Sub(at)
		return age >= 0 && age < intervals*k.cfg.KeyPollInterval
	}
	if k.cfg.KeySource != nil || ring.outdated || len(ring.closed) > 0 || !recent(ring.loadedAt, 1) || !recent(time.Unix(0, k.kept.Load()), keptFor) {
		return false
	}
	for _, purpose := range []KeyPurpose{PurposeAccess, PurposeRefresh} {
		if _, due := k.cfg.due(*newestOf(ring.keys, purpose), k.now()); due {
			return false
		}
	}
	return true
}

// maintain does what is due: it publishes successors, seals anew, and removes keys whose last token has expired. Any
// number of processes do so at once; a unique (purpose, sequence) decides.
func (k *keychain) maintain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.StoreTimeout)
	defer cancel()
	begun := k.cfg.Clock()
	keys, now, err := k.load(ctx)
	if err != nil || k.cfg.KeySource != nil {
		return err
	}
	published := false
	for _, purpose := range []KeyPurpose{PurposeAccess, PurposeRefresh} {
		newest := newestOf(keys, purpose)
		if newest == nil {
			continue // someone emptied the table; what this process holds goes on
		}
		if at, due := k.cfg.due(*newest, now); due {
			published = true
			err = errors.Join(err, k.insert(ctx, purpose, newest.Sequence+1, at))
		}
	}
	_, sealErr := k.sealAnew(ctx, keys)
	err = errors.Join(err, sealErr, k.removeExpired(ctx, keys, now))
	if published {
		_, _, loadErr := k.load(ctx)
		err = errors.Join(err, loadErr)
	}
	if err == nil {
		k.kept.Store(begun.UnixNano())
	}
	return err
}

// sealAnew seals those keys of the store that are in the clear, or under a key-encryption key that is to be dropped, and returns how many
// it were: those that another process was faster with are not counted.
func (k *keychain) sealAnew(ctx context.Context, keys []Key) (resealed int, err error) {
	for _, key := range keys {
		if !k.cfg.outdated(key) {
			continue
		}
		opened, openErr := k.cfg.open(ctx, key)
		if openErr != nil {
			err = errors.Join(err, openErr)
			continue
		}
		sealed, sealErr := k.cfg.seal(ctx, opened)
		if sealErr == nil {
			var changed bool
			if changed, sealErr = k.store.SetKeyMaterial(ctx, key.ID, key.Material, sealed.Material); changed {
				resealed++
			}
		}
		err = errors.Join(err, sealErr)
	}
	return resealed, err
}

// removeExpired deletes keys that verify nothing any more, so that a copy of the database does not hold them.
func (k *keychain) removeExpired(ctx context.Context, keys []Key, now time.Time) error {
	var err error
	next := map[KeyPurpose]time.Time{} // when the key after this one activates
	for i := len(keys) - 1; i >= 0; i-- {
		key := keys[i]
		if successor, ok := next[key.Purpose]; ok && now.After(successor.Add(2*k.cfg.tokenLives(key.Purpose))) {
			_, deleteErr := k.store.DeleteKey(ctx, key.ID)
			err = errors.Join(err, deleteErr)
		}
		next[key.Purpose] = key.ActivatesAt
	}
	return err
}

// RotateNow makes a new key ahead of schedule. The reason goes to the log.
//
// A key that is not compromised is replaced as on schedule: its successor is published now and signs after
// Config.KeyPropagation, and nobody notices. With compromised, every key of the purpose is cut off: tokens that they have
// signed are refused here at once, and by each process that runs Manager.Run within Config.FeedInterval; without RevocationFeed, within
// Config.KeyPollInterval. After PurposeAccess clients refresh, and their sessions go on; after PurposeRefresh everybody
// has to log in again: all sessions end, with ReasonKeyCompromise, as by RevokeAll.
//
// It may be repeated after ErrUnavailable. With a KeySource it fails: that is where the keys are.
func (m *Manager) RotateNow(ctx context.Context, purpose KeyPurpose, reason string, compromised bool) (err error) {
	ctx, done := m.begin(ctx, OpRotateKeys)
	defer func() { done(err) }()
	k := m.keys
	if purpose != PurposeAccess && purpose != PurposeRefresh {
		return fmt.Errorf("rotate keys: unknown purpose %q", purpose)
	}
	if k.cfg.KeySource != nil {
		return errors.New("rotate keys: they are the KeySource's")
	}
	if err := k.rotate(ctx, purpose, reason, compromised); err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	if !compromised || purpose != PurposeRefresh {
		return nil
	}
	if _, err := m.RevokeAll(ctx, RevokeOptions{Reason: ReasonKeyCompromise}); err != nil {
		return fmt.Errorf("rotate keys: the keys are cut off, but RevokeAll has to be repeated: %w", err)
	}
	return nil
}

// rotate makes a new key now, and with compromised cuts all others of its purpose off.
func (k *keychain) rotate(ctx context.Context, purpose KeyPurpose, reason string, compromised bool) error {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.StoreTimeout)
	defer cancel()
	k.cfg.Logger.WarnContext(ctx, "signing keys are rotated ahead of schedule", "purpose", purpose, "reason", reason, "compromised", compromised)
	keys, now, err := k.load(ctx)
	if err != nil {
		return err
	}
	newest := newestOf(keys, purpose)
	if newest == nil {
		return fmt.Errorf("the store holds no %s key", purpose)
	}
	activatesAt := now.Add(k.cfg.KeyPropagation)
	if compromised {
		activatesAt = now
	} else if newest.ActivatesAt.After(now) {
		return nil // a successor is on its way
	}
	if err := k.insert(ctx, purpose, newest.Sequence+1, activatesAt); err != nil {
		return err
	}
	if compromised {
		// The new key first, so that there is always one that signs; what another process has published meanwhile stays.
		for _, key := range keys {
			if key.Purpose != purpose || !key.RetiresAt.IsZero() {
				continue
			}
			if _, err := k.store.RetireKey(ctx, key.ID); err != nil {
				return fmt.Errorf("cut off key %q: %w", key.ID, err)
			}
		}
	}
	_, _, err = k.load(ctx)
	return err
}
