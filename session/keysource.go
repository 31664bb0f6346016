package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// KeySource gives the signing keys where they are the user's own and not the store's: from a secrets manager, say, or the
// environment. Rotation is then its business. It returns at least one key of each purpose, in the order of their
// sequences; GenerateKey makes them. It is asked at the start and once per Config.KeyPollInterval, and has to return the
// same keys in every process.
//
// A key signs from its ActivatesAt on, until the next one does, and has to be returned for a propagation delay before, and
// for as long after as tokens live that it has signed.
type KeySource interface {
	Keys(ctx context.Context) ([]Key, error)
}

// StaticKeys is a KeySource of keys that never change.
func StaticKeys(keys ...Key) KeySource { return staticKeys(slices.Clone(keys)) }

type staticKeys []Key

func (s staticKeys) Keys(context.Context) ([]Key, error) { return slices.Clone(s), nil }

// fromSource loads the keys of a KeySource, whose clock is the process's.
func fromSource(ctx context.Context, source KeySource, now time.Time) ([]Key, time.Time, error) {
	keys, err := source.Keys(ctx)
	if err != nil {
		return nil, now, fmt.Errorf("key source: %w", err)
	}
	if !slices.IsSortedFunc(keys, func(a, b Key) int {
		if a.Purpose != b.Purpose {
			return 0
		}
		return a.Sequence - b.Sequence
	}) {
		return nil, now, errors.New("key source: its keys are not in the order of their sequences")
	}
	return keys, now, nil
}
