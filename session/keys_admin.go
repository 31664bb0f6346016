package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// KeyState says what a signing key is good for at a moment.
type KeyState string

// The states of keys.
const (
	KeyPublished KeyState = "published" // it does not sign yet
	KeySigning   KeyState = "signing"
	KeyVerifying KeyState = "verifying" // a later key signs; tokens that this one has signed are still good
	KeyExpired   KeyState = "expired"   // these have expired, too; Manager.Run deletes it in time
	KeyCutOff    KeyState = "cut_off"   // it was compromised, and nothing that it has signed is good
)

// KeyInfo describes a signing key, without its material. Times are by the store's clock.
type KeyInfo struct {
	ID            string
	Purpose       KeyPurpose
	Sequence      int
	Algorithm     string
	State         KeyState
	ActivatesAt   time.Time // when it begins to sign
	VerifiesUntil time.Time // when the last token expires that it has signed; zero: no later key is known
	RetiresAt     time.Time // when it was cut off; zero: it was not
	Sealed        bool
	// Outdated: Config.KeyEncryption would seal it anew, since it is in the clear, or sealed with a key that is to be dropped.
	Outdated bool
}

// DescribeKeys describes the keys that a store's Keys has returned with its now, for people who look after them. It opens none, so that
// it needs no key-encryption key. The error matches ErrInvalidConfig.
func (c Config) DescribeKeys(keys []Key, now time.Time) ([]KeyInfo, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	infos := make([]KeyInfo, len(keys))
	signers := map[KeyPurpose]int{}
	for i, k := range keys {
		infos[i] = KeyInfo{
			ID: k.ID, Purpose: k.Purpose, Sequence: k.Sequence, Algorithm: k.Algorithm, State: KeyVerifying,
			ActivatesAt: k.ActivatesAt, RetiresAt: k.RetiresAt,
			Sealed: bytes.HasPrefix(k.Material, sealedMark), Outdated: c.outdated(k),
		}
		if i > 0 && keys[i-1].Purpose == k.Purpose {
			infos[i-1].VerifiesUntil = k.ActivatesAt.Add(c.tokenLives(k.Purpose))
		}
		// The first of a purpose signs where no other does; see signerAt.
		if _, known := signers[k.Purpose]; !known || !k.ActivatesAt.After(now) && k.RetiresAt.IsZero() {
			signers[k.Purpose] = i
		}
	}
	for i := range infos {
		k := &infos[i]
		switch {
		case !k.RetiresAt.IsZero():
			k.State = KeyCutOff
		case signers[k.Purpose] == i:
			k.State = KeySigning
		case k.ActivatesAt.After(now):
			k.State = KeyPublished
		case !k.VerifiesUntil.IsZero() && !now.Before(k.VerifiesUntil):
			k.State = KeyExpired
		}
	}
	return infos, nil
}

// ResealKeys seals those keys of the store that are in the clear, or sealed with another key-encryption key than the first, and returns how
// many it were. Run does so in time; this is for those who want to be told when it is done. It may be repeated after an error.
func (m *Manager) ResealKeys(ctx context.Context) (resealed int, err error) {
	k := m.keys
	switch {
	case k.cfg.KeySource != nil:
		return 0, errors.New("reseal keys: they are the KeySource's")
	case k.cfg.KeyEncryption == nil:
		return 0, fmt.Errorf("reseal keys: %w: KeyEncryption is not set", ErrInvalidConfig)
	}
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	keys, _, err := k.load(ctx)
	if err != nil {
		return 0, fmt.Errorf("reseal keys: %w", err)
	}
	if resealed, err = k.sealAnew(ctx, keys); err != nil {
		return resealed, fmt.Errorf("reseal keys: %w", err)
	}
	return resealed, nil
}
