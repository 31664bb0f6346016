// Package limit bounds how often something may be tried, over any number of processes: by address and by account, with one moment
// per key in memory or in MySQL.
//
// Start with NewAttempts, which holds the demo's limits. The algorithm is GCRA, a leaky bucket that needs to remember nothing but the
// moment at which it will be empty: an attempt moves that on by Rate.Every, and is refused while it lies more than a full bucket ahead.
package limit

import (
	"context"
	"crypto/sha256"
	"time"
)

// Rate is how often something may be tried: Burst times at once, and then once in Every.
type Rate struct {
	Every time.Duration
	Burst int
}

// full is how far ahead the moment of a full bucket lies.
func (r Rate) full() time.Duration { return time.Duration(r.Burst) * r.Every }

// Key names what is counted. It is a hash, so that its size does not depend on what anybody sends. It hides nothing: there are few
// enough addresses to try them all.
type Key [sha256.Size]byte

// NewKey makes the key of a value among those of one kind.
func NewKey(kind, value string) Key { return sha256.Sum256([]byte(kind + "\x00" + value)) }

// Store keeps the moments. Its errors match session.ErrUnavailable.
type Store interface {
	// Take counts an attempt and returns zero; or, if there were too many, counts nothing and returns how long to wait. It is atomic.
	Take(ctx context.Context, key Key, rate Rate) (wait time.Duration, err error)
	// GiveBack undoes a Take that has counted.
	GiveBack(ctx context.Context, key Key, rate Rate) error
	// Clean forgets the keys that are as if they had never been tried.
	Clean(ctx context.Context) error
}
