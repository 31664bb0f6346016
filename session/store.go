package session

import (
	"context"
	"time"
)

// Mark is the SHA-256 of a refresh token. A store holds marks, never tokens. The zero Mark means "none".
type Mark [32]byte

// IsZero reports whether the mark is absent.
func (m Mark) IsZero() bool { return m == Mark{} }

// Row is one session as a store holds it. Times are the store's own, in UTC, to the microsecond.
type Row struct {
	Handle Handle
	UserID string

	Current   Mark      // the newest refresh token that the client is known to hold
	CurrentAt time.Time // when that token was minted
	Pending   Mark      // its successor, sent but not known to have arrived; zero: none
	PendingAt time.Time // when pending was minted; zero without pending
	HandedAt  time.Time // when pending was last handed out; zero without pending
	Handed    int       // how often successors of current were handed out
	Previous  Mark      // the mark that was current before; zero: none
	RotatedAt time.Time // the last confirmation; zero: never

	Payload   []byte // JSON, as given
	CreatedAt time.Time
	ExpiresAt time.Time // the session is alive while the store's clock is before this
}

// NewRow is what a store needs to insert a session. Its clock gives CreatedAt and CurrentAt.
type NewRow struct {
	Handle      Handle
	UserID      string
	Current     Mark
	Payload     []byte
	Data        []byte
	DataVersion Version
	Lifetimes   Lifetimes
}

// Lifetimes say how long a session lives: until Idle after its last refresh or confirmation, and never past Absolute
// after its creation.
// A store applies them as ExpiresAt = min(now + Idle, CreatedAt + Absolute) with its own clock.
type Lifetimes struct {
	Idle     time.Duration
	Absolute time.Duration
}

// Successor is a freshly minted refresh token as a store sees it.
type Successor struct {
	Mark     Mark
	MintedAt time.Time // the store's now as read with the row: the token's secret is derived with it
}

// Page selects a part of a list that is ordered by handle, newest first.
type Page struct {
	Before Handle // only handles below this one; zero: from the newest
	Limit  int    // at most so many; New's callers get DefaultPage for 0
}

// Version is the version of a session's data: an opaque number, new with every write, to be compared for equality only.
type Version uint64

// KeyPurpose says what a signing key is for. A key never serves two purposes.
type KeyPurpose string

// The purposes of signing keys.
const (
	PurposeAccess  KeyPurpose = "access"  // signs access tokens
	PurposeRefresh KeyPurpose = "refresh" // authenticates refresh tokens and derives their successors
)

// Key is a signing key as a store holds it.
type Key struct {
	ID        string // 16 characters of the base64url alphabet
	Purpose   KeyPurpose
	Sequence  int // 1, 2, 3 … within the purpose
	Algorithm string
	Material  []byte // secret: the key itself, or sealed
	Public    []byte // the public half of an asymmetric key, as PKIX; nil for a shared secret
	// ActivatesAt is when the key begins to sign. It signs until its successor does, and verifies for as long as tokens
	// live that it has signed.
	ActivatesAt time.Time
	RetiresAt   time.Time // when the key was cut off; zero: it was not
}

// Store keeps sessions and signing keys. It is dumb on purpose: every decision is the Manager's. Package storetest holds
// a Store to this contract; a new store's test is one call of storetest.Run.
//
// For every method:
//
//   - The clock is the store's own, one for all processes. "now" in an update is that clock at the update. Times are
//     kept to the microsecond.
//   - A session whose ExpiresAt is not after now is dead. Dead and missing are the same: no method returns it, changes it
//     or brings it back to life; only the deleting methods still see it.
//   - Every changing method is atomic and changes nothing when its condition does not hold.
//   - User ids, marks, payload and data are compared and returned byte for byte.
//   - A cancelled or expired ctx ends the call with an error that matches ErrUnavailable and ctx.Err(); the outcome of a
//     change is then unknown. So it is for every ErrUnavailable.
//   - Errors of the driver are translated; their text, which may hold values, is not passed on.
//   - Safe for concurrent use. At most one connection is held per call.
type Store interface {
	// Insert adds a session. ErrDuplicate: the handle exists, dead or alive; nothing was changed.
	Insert(ctx context.Context, row NewRow) error

	// Get returns the live session together with the store's now. It must see every change that was acknowledged before
	// the call. ErrNotFound: missing or dead.
	Get(ctx context.Context, h Handle) (row Row, now time.Time, err error)

	// Confirm makes pending current where the row's pending is the mark given: Previous = Current, Current = Pending,
	// CurrentAt = PendingAt, RotatedAt = now, pending gone, Handed = 0, ExpiresAt moved. With next, the successor becomes
	// pending in the same step: HandedAt = now, Handed = 1. False: the condition did not hold. Of any number of calls for
	// one pending, at one time or another, exactly one returns true.
	Confirm(ctx context.Context, h Handle, pending Mark, next *Successor, life Lifetimes) (bool, error)

	// HandOut notes that the row's pending is handed out once more, where current and pending are the marks given:
	// HandedAt = now, or a microsecond after what it was if that is later, Handed + 1 if it counts, ExpiresAt moved. False:
	// the condition did not hold.
	HandOut(ctx context.Context, h Handle, current, pending Mark, counts bool, life Lifetimes) (bool, error)

	// Mint makes next the pending mark, where current, pending (zero: none) and HandedAt are those given: HandedAt = now,
	// Handed + 1, ExpiresAt moved. False: the condition did not hold. HandedAt is part of it so that a successor is not
	// replaced which another request has handed out since the row was read.
	Mint(ctx context.Context, h Handle, current, pending Mark, handedAt time.Time, next Successor, life Lifetimes) (bool, error)

	// Delete removes the session, dead or alive, and says whether there was one.
	Delete(ctx context.Context, h Handle) (bool, error)

	// DeleteUser removes up to limit sessions of the user, dead or alive, but not keep (zero: none is kept), and says how
	// many. A result below limit means that none were left.
	DeleteUser(ctx context.Context, userID string, keep Handle, limit int) (int, error)

	// List returns the user's live sessions in descending order of handle. Payload may be left out.
	List(ctx context.Context, userID string, page Page) ([]Row, error)

	// Data returns the live session's data and its version. ErrNotFound: missing or dead.
	Data(ctx context.Context, h Handle) ([]byte, Version, error)

	// SetData replaces data and version of a live session, where the version is old (zero: whatever it is). False:
	// another version, or no live session.
	SetData(ctx context.Context, h Handle, old, next Version, data []byte) (bool, error)

	// DeleteExpired removes up to limit dead sessions and says how many. A result below limit means that none were left.
	DeleteExpired(ctx context.Context, limit int) (int, error)

	// Keys returns every signing key, ordered by purpose and sequence, together with the store's now.
	Keys(ctx context.Context) (keys []Key, now time.Time, err error)

	// InsertKey adds a key. ErrDuplicate: its id, or its purpose and sequence, exist already; nothing was changed.
	InsertKey(ctx context.Context, key Key) error

	// RetireKey sets a key's RetiresAt to now where it is not set, and says whether it did.
	RetireKey(ctx context.Context, id string) (bool, error)

	// SetKeyMaterial replaces a key's material where it is the old one. False: it is not, or there is no such key.
	SetKeyMaterial(ctx context.Context, id string, old, next []byte) (bool, error)

	// DeleteKey removes a key and says whether there was one.
	DeleteKey(ctx context.Context, id string) (bool, error)
}
