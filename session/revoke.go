package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// batch is how many sessions one statement ends or removes at most.
const batch = 1000

// RevokeOptions are the options of the calls that end sessions.
type RevokeOptions struct {
	Reason Reason // is kept, and told to the client that is refused; default ReasonRevoked
}

// end makes the record of an ending.
func (m *Manager) end(opts RevokeOptions, theft *Theft) (End, error) {
	orDefault(&opts.Reason, ReasonRevoked)
	if !opts.Reason.known() {
		return End{}, ErrInvalidReason
	}
	id, err := m.newVersion()
	if err != nil {
		return End{}, err
	}
	end := End{ID: id, Reason: opts.Reason, Fed: true}
	if theft != nil {
		if end.Detail, err = json.Marshal(theft); err != nil {
			return End{}, err
		}
	}
	return end, nil
}

// endingContext bounds a call that makes an entry of the feed.
func (m *Manager) endingContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(m.cfg.StoreTimeout, maxStatement))
}

// Revoke ends a session and reports whether there was one. Once it has returned no refresh of that session succeeds. An
// access token that is out already is refused by this process at once and by others within Config.FeedInterval, or as
// Config.Revocation says. Ending a session twice is no error.
//
// The errors match ErrInvalidReason or ErrUnavailable; after the latter the call is to be repeated. For handles that come from a
// user there is RevokeOwned.
func (m *Manager) Revoke(ctx context.Context, h Handle, opts RevokeOptions) (_ bool, err error) {
	ctx, done := m.begin(ctx, OpRevoke)
	defer func() { done(err) }()
	end, err := m.end(opts, nil)
	if err != nil {
		return false, fmt.Errorf("revoke session: %w", err)
	}
	event := Event{Kind: EventEnded, Handle: h}
	if m.cfg.OnEvent != nil {
		row, err := m.lookUp(ctx, h)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("revoke session: %w", err)
		}
		event.UserID, event.Device = row.UserID, row.Device
	}
	return m.revokeHere(ctx, event, end)
}

// RevokeOwned is Revoke for a handle that comes from a user, such as that of a device in their list: it ends a session of that
// user only. To somebody else's it does nothing, as to none. The errors match ErrInvalidUserID, too.
func (m *Manager) RevokeOwned(ctx context.Context, userID string, h Handle, opts RevokeOptions) (_ bool, err error) {
	ctx, done := m.begin(ctx, OpRevoke)
	defer func() { done(err) }()
	if !validUserID(userID) {
		return false, ErrInvalidUserID
	}
	end, err := m.end(opts, nil)
	if err != nil {
		return false, fmt.Errorf("revoke session: %w", err)
	}
	row, err := m.lookUp(ctx, h)
	if errors.Is(err, ErrNotFound) {
		// It may have ended. Revoke is to be repeated after a lost answer, and this with it.
		var ended Ended
		bounded, cancel := m.storeContext(ctx)
		defer cancel()
		ended, err = m.store.Ending(bounded, h)
		row = ended.Row
		row.Device = m.cfg.shown(row.Device)
	}
	switch {
	case errors.Is(err, ErrNotFound), err == nil && row.UserID != userID:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("revoke session: %w", err)
	}
	return m.revokeHere(ctx, Event{Kind: EventEnded, Handle: h, UserID: userID, Device: row.Device}, end)
}

// lookUp returns a live session. ErrNotFound: there is none.
func (m *Manager) lookUp(ctx context.Context, h Handle) (Row, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	row, _, err := m.store.Get(ctx, h)
	row.Device = m.cfg.shown(row.Device)
	return row, err
}

// revoke ends the session of an event, and tells that.
func (m *Manager) revoke(ctx context.Context, event Event, end End) (bool, error) {
	ended, err := m.endSession(ctx, event.Handle, end)
	if err != nil {
		return false, fmt.Errorf("revoke session: %w", err)
	}
	if event.Reason = end.Reason; ended {
		m.events.emit(event)
	}
	return ended, nil
}

// revokeHere is revoke for a call that may repeat one whose answer was lost. The session had ended then, without this process
// knowing, and is to be refused here at once all the same.
func (m *Manager) revokeHere(ctx context.Context, event Event, end End) (bool, error) {
	mine, err := m.revoke(ctx, event, end)
	if err == nil && !mine && m.feed != nil {
		ctx, cancel := m.storeContext(ctx)
		defer cancel()
		if ended, err := m.store.Ending(ctx, event.Handle); err == nil { // else the next reading of the feed makes up for it
			m.feed.noteEnded(event.Handle, ended.Reason)
		}
	}
	return mine, err
}

// endSession ends one session and reports whether this call did. A lost answer is asked for again, once.
func (m *Manager) endSession(ctx context.Context, h Handle, end End) (bool, error) {
	mine, err := m.tryEnd(ctx, h, end)
	if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		if mine, err = m.tryEnd(ctx, h, end); err == nil && !mine {
			mine = m.endedBy(ctx, h, end.ID)
		}
	}
	if err == nil && mine && m.feed != nil {
		m.feed.noteEnded(h, end.Reason)
	}
	return mine, err
}

// tryEnd is one attempt, with a time of its own: an answer that is lost most often takes all of it.
func (m *Manager) tryEnd(ctx context.Context, h Handle, end End) (bool, error) {
	ctx, cancel := m.endingContext(ctx)
	defer cancel()
	return m.store.End(ctx, h, end)
}

// endedBy reports whether a session was ended by the call that drew the id. In doubt it was: better told twice than never.
func (m *Manager) endedBy(ctx context.Context, h Handle, id Version) bool {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	ended, err := m.store.Ending(ctx, h)
	return err == nil && ended.ID == id || err != nil && !errors.Is(err, ErrNotFound)
}

// RevokeUser ends all sessions of a user and returns how many there were; see Revoke. It works in batches of 1000, each of which
// Config.StoreTimeout bounds. The errors match ErrInvalidUserID, too.
func (m *Manager) RevokeUser(ctx context.Context, userID string, opts RevokeOptions) (int, error) {
	return m.RevokeOthers(ctx, userID, Handle{}, opts)
}

// RevokeOthers is RevokeUser for all sessions but one; none is kept for the zero Handle.
func (m *Manager) RevokeOthers(ctx context.Context, userID string, keep Handle, opts RevokeOptions) (_ int, err error) {
	ctx, done := m.begin(ctx, OpRevokeUser)
	defer func() { done(err) }()
	if !validUserID(userID) {
		return 0, ErrInvalidUserID
	}
	end, err := m.end(opts, nil)
	if err != nil {
		return 0, fmt.Errorf("revoke sessions: %w", err)
	}
	total, lost, err := m.endUser(ctx, userID, keep, end)
	if doubtful := lost || m.doubts.about(userID); doubtful && err == nil {
		// Nobody knows which sessions were ended by a batch without an answer, nor when: all of the user are revoked as of now.
		r := Revocation{UserID: userID, Reason: end.Reason}
		err = m.publish(ctx, r)
		m.readPublished(ctx, r, err)
	}
	m.doubts.note(userID, errors.Is(err, ErrUnavailable))
	if err != nil {
		return total, fmt.Errorf("revoke sessions: %w", err)
	}
	return total, nil
}

// endUser ends sessions of a user, in batches. Each session becomes an entry of the feed. After a lost answer the batch is asked for
// once more, and what the first attempt has ended is found by its id.
func (m *Manager) endUser(ctx context.Context, userID string, keep Handle, end End) (total int, lost bool, err error) {
	for n := batch; n == batch; total += n {
		n, err = m.tryEndUser(ctx, userID, keep, end)
		if errors.Is(err, ErrUnavailable) && ctx.Err() == nil && !lost {
			lost = true
			n, err = m.tryEndUser(ctx, userID, keep, end)
		}
		if err != nil {
			break
		}
	}
	if lost || total > 0 && (m.feed != nil || m.cfg.OnEvent != nil) {
		total = m.tellEnded(ctx, userID, end, total)
	} else {
		m.counts.endings(end.Reason, total)
	}
	return total, lost, err
}

func (m *Manager) tryEndUser(ctx context.Context, userID string, keep Handle, end End) (int, error) {
	ctx, cancel := m.endingContext(ctx)
	defer cancel()
	return m.store.EndUser(ctx, userID, keep, end, batch)
}

// RevokeAll ends everybody's sessions that were created before now, and returns how many there were. For a large deployment it
// is a long job, in batches; the other processes refuse access tokens when it is done.
func (m *Manager) RevokeAll(ctx context.Context, opts RevokeOptions) (total int, err error) {
	ctx, done := m.begin(ctx, OpRevokeAll)
	defer func() { done(err) }()
	end, err := m.end(opts, nil)
	if err != nil {
		return 0, fmt.Errorf("revoke all sessions: %w", err)
	}
	end.Fed = false
	before, err := m.storeNow(ctx)
	for err == nil {
		bounded, cancel := m.endingContext(ctx)
		var ended []Ended
		ended, err = m.store.EndAll(bounded, before.Add(time.Microsecond), end, batch) // those of that very moment, too
		cancel()
		if err == nil && len(ended) == 0 {
			break
		}
		total += len(ended)
		m.emitEnded(ended)
	}
	if err == nil {
		r := Revocation{Reason: end.Reason}
		err = m.publish(ctx, r)
		m.readPublished(ctx, r, err)
	}
	if err != nil {
		return total, fmt.Errorf("revoke all sessions: %w", err)
	}
	return total, nil
}

// storeNow asks the store for its clock.
func (m *Manager) storeNow(ctx context.Context) (time.Time, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	_, now, err := m.store.Keys(ctx)
	return now, err
}

// publish adds an entry to the feed, whatever the mode of this process is, if the store keeps one. To do so twice does no harm.
func (m *Manager) publish(ctx context.Context, r Revocation) error {
	err := m.tryPublish(ctx, r)
	if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		err = m.tryPublish(ctx, r)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// readPublished takes what was published, unless that failed, into this process's memory, with the moment that the store gave it. If
// that cannot be read, it is the latest that it can have been: tokens that are a little younger are refreshed once more.
func (m *Manager) readPublished(ctx context.Context, r Revocation, err error) {
	if err != nil || m.feed == nil {
		return
	}
	r.At = m.feed.storeLatest()
	ctx, cancel := m.storeContext(context.WithoutCancel(ctx))
	defer cancel()
	if m.feed.poll(ctx) != nil {
		m.feed.note(r)
	}
}

func (m *Manager) tryPublish(ctx context.Context, r Revocation) error {
	ctx, cancel := m.endingContext(ctx)
	defer cancel()
	return m.store.Publish(ctx, r)
}

// tellEnded looks up which sessions of a user an ending has ended, for this process's memory and for the events, and returns how
// many, or the number that is known. It does not end with the request, since what it has ended is to be refused here at once. If it
// fails the next reading of the feed makes up for that.
func (m *Manager) tellEnded(ctx context.Context, userID string, end End, known int) int {
	ctx = context.WithoutCancel(ctx)
	found := 0
	for page, ours := (EndingsPage{Limit: batch}), true; ours; {
		ended, err := m.endingsTwice(ctx, userID, page)
		if err != nil {
			m.cfg.Logger.WarnContext(ctx, "which sessions were revoked could not be looked up: their events are missing", "error", err)
			break
		}
		ours = false
		for _, e := range ended {
			page.EndedAt, page.Handle = e.EndedAt, e.Handle
			if e.ID != end.ID {
				continue
			}
			ours = true
			found++
			if m.feed != nil {
				m.feed.noteEnded(e.Handle, e.Reason)
			}
			m.emitEnded([]Ended{e})
		}
		ours = ours && len(ended) == page.Limit
	}
	m.counts.endings(end.Reason, known-found) // those without an event
	return max(found, known)
}

// endingsTwice reads a page, and once more if the answer is lost.
func (m *Manager) endingsTwice(ctx context.Context, userID string, page EndingsPage) (ended []Ended, err error) {
	for range 2 {
		bounded, cancel := m.storeContext(ctx)
		ended, err = m.store.Endings(bounded, userID, page)
		cancel()
		if !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	return ended, err
}

func (m *Manager) emitEnded(ended []Ended) {
	for _, e := range ended {
		m.events.emit(Event{Kind: EventEnded, Handle: e.Handle, UserID: e.UserID, Device: m.cfg.shown(e.Device), Reason: e.Reason})
	}
}
