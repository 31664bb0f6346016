package session

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session/internal/denylist"
)

// feedOverlap is how far each reading of the feed goes back behind the one before. An entry bears the time at which its
// statement began, but is there to be read only when that has ended, so that entries appear out of order. No statement that
// makes one is taken for done unless it ended within half of this (see maxStatement); the other half is for clocks
// of a cluster's nodes that differ, and for nodes that lag behind.
const feedOverlap = 30 * time.Second

// maxStatement bounds what a call that makes an entry may wait for the store.
const maxStatement = feedOverlap / 2

// feedPage is how many entries are read at once.
const feedPage = 5000

// feed is what a process knows of the revocations that concern tokens which have not expired. It is read by each
// verification, and written by poll.
type feed struct {
	cfg    Config
	store  Store
	events *events
	opened time.Time // the store's clock before the first reading; zero: not known
	// hear is told what each reading says of signing keys.
	hear func(ctx context.Context, news []Revocation, as reading)

	sessions  *denylist.List // by handle; the value is an index of reasons
	users     *denylist.List // by a hash of the user id; the value is a moment as Unix milliseconds, as in everybody
	everybody atomic.Uint64  // tokens from before this moment of the store's clock are refused
	seeds     [2]maphash.Seed

	relevant time.Duration // how long after a revocation there can be tokens that it concerns

	turn  chan struct{} // holds one token while a reading is under way
	last  atomic.Pointer[reading]
	stale atomic.Bool
	swept time.Time // by the store's clock; guarded by turn
}

// reading is a successful reading of the feed.
type reading struct {
	begun time.Time // by the process's clock, before the store was asked
	ended time.Time // and after it had answered
	now   time.Time // by the store's clock, in between
}

// slowReading is how long a reading takes at least whose answer has waited: for a process that stood still, most often.
const slowReading = time.Second

// after is the reading, with the end of a slow one put to where the last reading says that the store's clock had come to its now at the
// latest. Else what a process knows of that clock would be behind by as long as it stood still, and a login's token would be taken for one
// from before. If the store's clock was set back meanwhile the last reading says nothing.
func (r reading) after(last *reading) reading {
	if last == nil || r.ended.Sub(r.begun) < slowReading {
		return r
	}
	passed := r.now.Sub(last.now)
	if by := last.ended.Add(passed + passed/999); by.After(r.begun) && by.Before(r.ended) { // see notAfter
		r.ended = by
	}
	return r
}

// FeedPoll describes one reading of the feed.
type FeedPoll struct {
	Took    time.Duration
	Entries int   // of revocations that were read, known ones included
	Known   int   // that are held in memory now
	Err     error // why it failed; it matches ErrUnavailable
}

// openFeed reads the whole feed: everything that concerns a token which has not expired. storeNow is the store's clock, or a moment before;
// zero: it is to be asked. The error matches errors.ErrUnsupported if the store keeps none.
func openFeed(ctx context.Context, store Store, cfg Config, keys *keychain, storeNow time.Time) (*feed, error) {
	f := &feed{
		cfg: cfg, store: store, events: keys.events, opened: storeNow, hear: keys.hear,
		sessions: denylist.New(), users: denylist.New(),
		seeds:    [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		relevant: cfg.tokenLives(PurposeAccess), turn: make(chan struct{}, 1),
	}
	return f, f.poll(ctx)
}

// check refuses what was revoked: an EndedError where the session is known to have ended, and ErrTryRefresh where the token
// is older than a revocation of many, which the session may have come after; or so old that nobody remembers what became of its
// session, since access tokens lived longer when it was minted.
func (f *feed) check(h Handle, userID string, minted, now time.Time) error {
	if reason, ended := f.sessions.Lookup(denylist.Key(h)); ended {
		return &EndedError{Handle: h, Reason: reasons[reason]}
	}
	if !minted.IsZero() && f.storeTime(now).Sub(minted) > f.relevant {
		return ErrTryRefresh
	}
	at := uint64(max(minted.UnixMilli(), 0))
	if at < f.everybody.Load() {
		return ErrTryRefresh
	}
	if f.users.Len() > 0 {
		if before, ok := f.users.Lookup(f.userKey(userID)); ok && at < before {
			return ErrTryRefresh
		}
	}
	return nil
}

func (f *feed) userKey(userID string) (key denylist.Key) {
	binary.BigEndian.PutUint64(key[:8], maphash.String(f.seeds[0], userID))
	binary.BigEndian.PutUint64(key[8:], maphash.String(f.seeds[1], userID))
	return key
}

// fresh reports whether the feed was read within Config.MaxFeedAge. Whoever finds that this has changed tells.
func (f *feed) fresh(now time.Time) bool {
	age := now.Sub(f.last.Load().begun)
	if age <= f.cfg.MaxFeedAge {
		return true
	}
	if f.stale.CompareAndSwap(false, true) {
		f.cfg.Logger.Error("the feed of revocations is stale: has Manager.Run ended, or is the store away?",
			"age", age, "policy", f.cfg.StaleFeed)
		f.events.emit(Event{Kind: EventFeedStale, FeedAge: age})
	}
	return false
}

// storeNow is the store's clock, or a little before: as of the last reading, and as much as this process's clock has moved
// since, less one in a thousand should it run fast.
func (f *feed) storeNow() time.Time {
	last := f.last.Load()
	return notAfter(last.now, f.cfg.Clock().Sub(last.ended))
}

// notAfter is a moment that another clock has not passed when this process's has gone on for a while since a reading.
func notAfter(read time.Time, since time.Duration) time.Time { return read.Add(since - since/1000) }

// storeLatest is the store's clock, or a little after: by as long as the last reading took.
func (f *feed) storeLatest() time.Time { return f.storeTime(f.cfg.Clock()) }

// storeTime is storeLatest at a moment of this process's clock.
func (f *feed) storeTime(now time.Time) time.Time {
	last := f.last.Load()
	return last.now.Add(now.Sub(last.begun))
}

// poll reads what was revoked since the last reading, and tells of it.
func (f *feed) poll(ctx context.Context) error {
	done, err := f.turnOf(ctx)
	if done.begun.IsZero() {
		return err
	}
	if err == nil {
		f.hear(ctx, done.keys, done.reading)
	}
	if f.cfg.OnFeedPoll != nil { // when others may read again: it may be slow, or revoke something itself
		f.cfg.OnFeedPoll(FeedPoll{Took: done.took, Entries: done.entries, Known: f.known(), Err: err})
	}
	if err == nil && f.stale.CompareAndSwap(true, false) {
		f.cfg.Logger.Info("the feed of revocations is read again")
		f.events.emit(Event{Kind: EventFeedFresh, FeedAge: done.begun.Sub(done.before)})
	}
	return err
}

// polled is one attempt at reading the feed.
type polled struct {
	reading
	before  time.Time // the beginning of the last one that succeeded
	took    time.Duration
	entries int
	keys    []Revocation // those of the entries that are about keys
}

// turnOf reads the feed when it is the caller's turn: one reads at a time. Without a beginning that did not come.
func (f *feed) turnOf(ctx context.Context) (p polled, err error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return p, fmt.Errorf("read revocations: %w: %w", ErrUnavailable, ctx.Err())
	}
	p.begun = f.cfg.Clock()
	if last := f.last.Load(); last != nil {
		p.before = last.begun
	}
	err = f.read(ctx, &p)
	p.took = f.cfg.Clock().Sub(p.begun)
	return p, err
}

// read reads and notes all pages. The turn is held.
func (f *feed) read(ctx context.Context, p *polled) error {
	since, err := f.since(ctx)
	if err != nil {
		return err
	}
	for limit := feedPage; ; {
		entries, now, err := f.page(ctx, since, limit)
		if err != nil {
			return err
		}
		if p.ended.IsZero() {
			p.ended, p.now = f.cfg.Clock(), now
		}
		for _, e := range entries {
			if e.KeyID != "" {
				p.keys = append(p.keys, e)
			} else {
				p.entries++
				f.note(e)
			}
		}
		if len(entries) < limit {
			break
		}
		if newest := entries[len(entries)-1].At; newest.After(since) {
			since = newest // inclusive: others may bear the same time
		} else {
			limit *= 2
		}
	}
	p.reading = p.after(f.last.Load())
	f.last.Store(&reading{begun: p.begun, ended: p.ended, now: p.now})
	if p.now.Sub(f.swept) >= f.relevant/8 {
		f.sessions.Sweep(p.now)
		f.users.Sweep(p.now)
		f.swept = p.now
	}
	return nil
}

// since is where a reading begins.
func (f *feed) since(ctx context.Context) (time.Time, error) {
	if last := f.last.Load(); last != nil {
		return last.now.Add(-feedOverlap), nil
	}
	now := f.opened
	var err error
	if now.IsZero() {
		_, now, err = f.page(ctx, f.cfg.Clock().Add(maxLifetime), 1) // for the store's clock alone
	}
	return now.Add(-feedOverlap - f.relevant), err
}

func (f *feed) page(ctx context.Context, since time.Time, limit int) ([]Revocation, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.StoreTimeout)
	defer cancel()
	entries, now, err := f.store.Revocations(ctx, since, limit)
	if err != nil {
		return nil, now, fmt.Errorf("read revocations: %w", err)
	}
	return entries, now, nil
}

// note takes an entry into memory.
func (f *feed) note(r Revocation) {
	until := r.At.Add(f.relevant)
	before := uint64(max(r.At.UnixMilli()+1, 0)) // the next millisecond, since tokens have no more
	switch {
	case !r.Handle.IsZero():
		// A later version's process may have a reason that this one does not know.
		f.sessions.Add(denylist.Key(r.Handle), uint64(max(slices.Index(reasons, r.Reason), 0)), until)
	case r.UserID != "":
		f.users.Add(f.userKey(r.UserID), before, until)
	default:
		for known := f.everybody.Load(); before > known && !f.everybody.CompareAndSwap(known, before); {
			known = f.everybody.Load()
		}
	}
}

// noteEnded takes a session that this process has ended into memory, ahead of the next reading.
func (f *feed) noteEnded(h Handle, reason Reason) {
	f.note(Revocation{Handle: h, At: f.storeLatest(), Reason: reason})
}

func (f *feed) known() int { return f.sessions.Len() + f.users.Len() }
