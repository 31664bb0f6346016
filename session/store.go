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

	Current    Mark      // the newest refresh token that the client is known to hold
	CurrentAt  time.Time // when that token was minted
	Generation int       // how many confirmations lie before current: 0 for the first token
	Pending    Mark      // its successor, sent but not known to have arrived; zero: none
	PendingAt  time.Time // when pending was minted; zero without pending
	HandedAt   time.Time // when pending was last handed out; zero without pending
	Handed     int       // how often successors of current were handed out
	Previous   Mark      // the mark that was current before; zero: none
	RotatedAt  time.Time // the last confirmation; zero: never

	AuthAt        time.Time // when the user last proved who they are
	PendingAuthAt time.Time // what AuthAt becomes when pending is confirmed; zero: what it is

	Device    Device // as of the last refresh
	Label     string // the application's or the user's name for the session; may be empty
	Payload   []byte // JSON, as given
	CreatedAt time.Time
	ExpiresAt time.Time // the session is alive while the store's clock is before this, unless it was ended
}

// NewRow is what a store needs to insert a session. Its clock gives CreatedAt, CurrentAt and AuthAt.
type NewRow struct {
	Handle      Handle
	UserID      string
	Current     Mark
	Device      Device
	Label       string
	Payload     []byte
	Data        []byte
	DataVersion Version
	Lifetimes   Lifetimes
}

// Renewal is what every refresh moves: the session's end and, unless it is zero, the device.
type Renewal struct {
	Lifetimes Lifetimes
	Device    Device
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
	AuthAt   time.Time // when the user proved again who they are; zero: they did not
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

// Store keeps sessions, their endings and signing keys. It is dumb on purpose: every decision is the Manager's. Package
// storetest holds a Store to this contract; a new store's test is a call of storetest.Run and one of storetest.RunFaults.
//
// For every method:
//
//   - The clock is the store's own, one for all processes. "now" in an update is that clock at the update. Times are
//     kept to the microsecond.
//   - A session is alive until it is ended, or its ExpiresAt is no longer after now. One that has only expired is dead to every
//     method but EndExpired, and an ended one to every method of LiveStore: neither is returned, changed or brought back
//     to life.
//   - Every changing method is atomic and changes nothing when its condition does not hold. Purge alone may take several steps; and
//     where sessions lie on several servers, what EndUser, EndAll and EndExpired do is atomic for each session, so that after an
//     error some may have ended: to repeat the call ends the others.
//   - A read sees every change that was acknowledged before it was called. A replica that lags is no Store.
//   - User ids, marks, devices, labels, payload, data and details are compared and returned byte for byte.
//   - A cancelled or expired ctx ends the call with an error that matches ErrUnavailable and ctx.Err(); the outcome of a
//     change is then unknown. So it is for every ErrUnavailable.
//   - Errors of the driver are translated; their text, which may hold values, is not passed on.
//   - Safe for concurrent use. At most one connection is held per call.
type Store interface {
	LiveStore
	EndingStore
	FeedStore
	KeyStore
}

// LiveStore is the part of a Store that is about live sessions.
type LiveStore interface {
	// Insert adds a session. ErrDuplicate: the handle exists, dead or alive; nothing was changed.
	Insert(ctx context.Context, row NewRow) error

	// Get returns the live session together with the store's now. ErrNotFound: missing or dead.
	Get(ctx context.Context, h Handle) (row Row, now time.Time, err error)

	// Confirm makes pending current where the row's pending is the mark given: Previous = Current, Current = Pending,
	// CurrentAt = PendingAt, Generation + 1, RotatedAt = now, AuthAt = PendingAuthAt if that is set, pending gone with its
	// times, Handed = 0, renewed. With next, the successor becomes pending in the same step: HandedAt = now, Handed = 1.
	// False: the condition did not hold. Of any number of calls for one pending, at one time or another, exactly one
	// returns true.
	Confirm(ctx context.Context, h Handle, pending Mark, next *Successor, renewal Renewal) (bool, error)

	// HandOut notes that the row's pending is handed out once more, where current and pending are the marks given:
	// HandedAt = now, or a microsecond after what it was if that is later, Handed + 1 if it counts, renewed. False: the
	// condition did not hold.
	HandOut(ctx context.Context, h Handle, current, pending Mark, counts bool, renewal Renewal) (bool, error)

	// Mint makes next the pending mark, where current, pending (zero: none) and HandedAt are those given: PendingAt and
	// PendingAuthAt as next has them, HandedAt = now, Handed + 1, renewed. False: the condition did not hold. HandedAt is
	// part of it so that a successor is not replaced which another request has handed out since the row was read.
	Mint(ctx context.Context, h Handle, current, pending Mark, handedAt time.Time, next Successor, renewal Renewal) (bool, error)

	// List returns the user's live sessions in descending order of handle. Payload may be left out.
	List(ctx context.Context, userID string, page Page) ([]Row, error)

	// SetPayload replaces the payload of a live session. False: there is none.
	SetPayload(ctx context.Context, h Handle, payload []byte) (bool, error)

	// SetLabel replaces the label of a live session. False: there is none.
	SetLabel(ctx context.Context, h Handle, label string) (bool, error)

	// Data returns the live session's data and its version. ErrNotFound: missing or dead.
	Data(ctx context.Context, h Handle) ([]byte, Version, error)

	// SetData replaces data and version of a live session, where the version is old (zero: whatever it is). False:
	// another version, or no live session.
	SetData(ctx context.Context, h Handle, old, next Version, data []byte) (bool, error)
}

// End is how a session ends, as its store is told.
type End struct {
	// ID is drawn anew for each call of the Manager, so that it recognises its own ending after a lost answer.
	ID     Version
	Reason Reason
	Detail []byte // JSON of the Manager's; nil: none
	Fed    bool   // each of the sessions becomes an entry of the feed, as of now
}

// Ended is a session that has ended. It keeps no payload and no data. Of the Row only Handle, UserID, Generation, Device,
// Label and the times need to be as they were.
type Ended struct {
	Row
	End
	EndedAt time.Time
}

// EndingsPage selects a part of a user's endings, newest first.
type EndingsPage struct {
	EndedAt time.Time // only those before this, or at this with a handle below Handle; zero: from the newest
	Handle  Handle
	Limit   int // at most so many; New's callers get DefaultPage for 0
}

// EndingStore is the part of a Store that is about how sessions end. An ended session stays, as its own record of that,
// until it is purged.
type EndingStore interface {
	// End ends a live session: EndedAt = now, with the End given; payload and data are gone. False: no session with this
	// handle is alive; if it was ended before, and the End given is fed, it becomes an entry of the feed as of now (again), with
	// the reason that it ended for, for the sake of those who repeat a call whose answer was lost.
	End(ctx context.Context, h Handle, end End) (bool, error)

	// EndUser ends up to limit live sessions of the user, but not keep (zero: none is kept), and says how many. A result below limit means that none were left.
	EndUser(ctx context.Context, userID string, keep Handle, end End, limit int) (int, error)

	// EndAll ends up to limit live sessions of whomever that were created before a moment, and returns those that it ended;
	// their Row needs to have Handle and UserID only. An empty result means that none were
	// left.
	EndAll(ctx context.Context, before time.Time, end End, limit int) ([]Ended, error)

	// EndExpired ends sessions that have expired: one, or up to limit of them if the handle is zero. EndedAt is their
	// ExpiresAt; Reason is ReasonAbsolute where that is absolute or more after CreatedAt, else ReasonIdle; ID is the one
	// given; no entry of the feed. With a handle the limit does not matter. It returns those that it ended; their Row needs to have Handle and UserID only. An empty result means that
	// none were left.
	EndExpired(ctx context.Context, h Handle, absolute time.Duration, id Version, limit int) ([]Ended, error)

	// Ending returns an ended session. ErrNotFound: it is missing, or was not ended.
	Ending(ctx context.Context, h Handle) (Ended, error)

	// Endings returns the user's ended sessions in descending order of EndedAt and handle.
	Endings(ctx context.Context, userID string, page EndingsPage) ([]Ended, error)

	// Purge removes up to limit ended sessions that ended longer than endings ago, and up to limit revocations that were
	// published longer than revocations ago, and says how many of both. Zero means that none were left. Entries of the feed
	// for single sessions may go when either age is exceeded.
	Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error)
}

// Revocation is an entry of the feed: a session, all sessions of a user, everybody's, or news of a signing key.
type Revocation struct {
	Handle Handle // one session; zero: not a single one
	UserID string // with a zero handle: all sessions of this user; empty: everybody's
	At     time.Time
	Reason Reason
	// KeyID names a signing key that is new or was cut off. Nothing is revoked by that: it says that the keys have to be read.
	KeyID string
}

// FeedStore is the part of a Store that tells every process what was revoked. A store that cannot do so answers
// errors.ErrUnsupported.
type FeedStore interface {
	// Publish adds a revocation of all sessions of a user, or of everybody's, to the feed, as of now. It has no handle and no
	// KeyID.
	Publish(ctx context.Context, r Revocation) error

	// Revocations returns the entries of the feed from since on, oldest first, at most limit, together with the store's
	// now from before they were read. An entry must be visible once the call that made it was acknowledged. Its At is the
	// store's clock at some moment during that call, so entries may become visible out of the order of At.
	//
	// Each signing key is an entry, too, whose At is its RetiresAt, or if that is zero its ActivatesAt, which may be ahead of now.
	Revocations(ctx context.Context, since time.Time, limit int) (entries []Revocation, now time.Time, err error)
}

// KeyStore is the part of a Store that is about signing keys.
type KeyStore interface {
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

// Cleaner is the part of a Store that a cleanup works with.
type Cleaner interface {
	// EndExpired and Purge are as in EndingStore.
	EndExpired(ctx context.Context, h Handle, absolute time.Duration, id Version, limit int) ([]Ended, error)
	Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error)
}

// Elector is what a Store may be beside: it sees to it that one process at a time cleans up. Nothing depends on it but how much work
// is done twice: EndExpired and Purge of any number of processes may cross.
type Elector interface {
	// Elect calls f, and returns what f does, unless another call's f is running, in this process or any other: then it returns
	// false at once. f has to do all its calls by the Cleaner that it is given, while at most one connection is held. It has been over for
	// everybody when Elect returns; when its process dies, soon after. A store that cannot tell at this moment whether another
	// f is running calls f all the same.
	Elect(ctx context.Context, f func(Cleaner) error) (bool, error)
}
