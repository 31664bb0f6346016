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
	// Reason is kept, and told to the client that is refused; default ReasonRevoked.
	Reason Reason
	// UserID, if it is set, has Revoke end a session of that user only: a foreign one is none.
	UserID string
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
// The errors match ErrInvalidReason or ErrUnavailable; after the latter the call is to be repeated.
func (m *Manager) Revoke(ctx context.Context, h Handle, opts RevokeOptions) (bool, error) {
	end, err := m.end(opts, nil)
	if err != nil {
		return false, fmt.Errorf("revoke session: %w", err)
	}
	event := Event{Kind: EventEnded, Handle: h, UserID: opts.UserID, Reason: end.Reason}
	if opts.UserID != "" || m.cfg.OnEvent != nil {
		bounded, cancel := m.storeContext(ctx)
		row, _, err := m.store.Get(bounded, h)
		cancel()
		switch {
		case errors.Is(err, ErrNotFound):
			if opts.UserID != "" && !m.endedOf(ctx, h, opts.UserID) {
				return false, nil
			}
			// It has ended, but End is called all the same; see its contract.
		case err != nil:
			return false, fmt.Errorf("revoke session: %w", err)
		case opts.UserID != "" && opts.UserID != row.UserID:
			return false, nil
		}
		event.UserID, event.Device = row.UserID, row.Device
	}
	ended, err := m.endSession(ctx, h, end)
	if err != nil {
		return false, fmt.Errorf("revoke session: %w", err)
	}
	if ended {
		m.events.emit(event)
	}
	return ended, nil
}

// endedOf reports whether there is a record of a session of this user that has ended.
func (m *Manager) endedOf(ctx context.Context, h Handle, userID string) bool {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	ended, err := m.store.Ending(ctx, h)
	return err == nil && ended.UserID == userID
}

// endSession ends one session and reports whether this call did. A lost answer is asked for again, once.
func (m *Manager) endSession(ctx context.Context, h Handle, end End) (bool, error) {
	ctx, cancel := m.endingContext(ctx)
	defer cancel()
	mine, err := m.store.End(ctx, h, end)
	if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		if mine, err = m.store.End(ctx, h, end); err == nil && !mine {
			// Whose ending it is, is no reason to fail: it has ended.
			ended, findErr := m.store.Ending(ctx, h)
			mine = findErr == nil && ended.ID == end.ID
		}
	}
	if err == nil && mine && m.feed != nil {
		m.feed.noteNow(Revocation{Handle: h, Reason: end.Reason})
	}
	return mine, err
}

// RevokeUser ends all sessions of a user and returns how many there were; see Revoke.
//
// It works in batches, each of which Config.StoreTimeout bounds. Of a user with more than 1000 sessions the other processes
// learn when it is done. A session that such a user begins meanwhile may be asked to refresh.
func (m *Manager) RevokeUser(ctx context.Context, userID string, opts RevokeOptions) (int, error) {
	return m.RevokeOthers(ctx, userID, Handle{}, opts)
}

// RevokeOthers is RevokeUser for all sessions but one.
func (m *Manager) RevokeOthers(ctx context.Context, userID string, keep Handle, opts RevokeOptions) (int, error) {
	if !validUserID(userID) {
		return 0, ErrInvalidUserID
	}
	end, err := m.end(opts, nil)
	if err != nil {
		return 0, fmt.Errorf("revoke sessions: %w", err)
	}
	total, err := m.endUser(ctx, userID, keep, end)
	if err != nil {
		return total, fmt.Errorf("revoke sessions: %w", err)
	}
	return total, nil
}

// endUser ends sessions of a user. The first batch becomes part of the feed one by one, which serves all but a few users
// with a single statement; of the others the feed gets one entry at the end, when no token can be minted any more that it
// would miss.
func (m *Manager) endUser(ctx context.Context, userID string, keep Handle, end End) (total int, err error) {
	for n := batch; n == batch; end.Fed = false {
		bounded, cancel := m.endingContext(ctx)
		n, err = m.store.EndUser(bounded, userID, keep, end, batch)
		cancel()
		if err != nil {
			break
		}
		total += n
	}
	if total > 0 {
		m.tellEnded(ctx, userID, end, total)
	}
	if err != nil || m.feed == nil {
		return total, err
	}
	all := Revocation{UserID: userID, Reason: end.Reason}
	// Where nothing was left to end it may be the repetition of a call whose answer was lost.
	if total >= batch || total == 0 && keep.IsZero() {
		if err := m.publish(ctx, all); err != nil {
			return total, err
		}
	}
	switch {
	case keep.IsZero():
		m.feed.noteNow(all) // until the next reading, which knows the sessions
	case total > 0:
		err = m.feed.poll(ctx) // this process does not know which ones it has ended
	}
	return total, err
}

// RevokeAll ends everybody's sessions that were created before now, and returns how many there were. For a large deployment it
// is a long job, in batches; the other processes refuse access tokens when it is done.
func (m *Manager) RevokeAll(ctx context.Context, opts RevokeOptions) (total int, err error) {
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
	if err == nil && m.feed != nil {
		all := Revocation{Reason: end.Reason}
		if err = m.publish(ctx, all); err == nil {
			m.feed.noteNow(all)
		}
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

// publish adds an entry to the feed. To do so twice does no harm.
func (m *Manager) publish(ctx context.Context, r Revocation) error {
	ctx, cancel := m.endingContext(ctx)
	defer cancel()
	err := m.store.Publish(ctx, r)
	if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		err = m.store.Publish(ctx, r)
	}
	return err
}

// tellEnded emits an event for each session of a user that an ending has ended.
func (m *Manager) tellEnded(ctx context.Context, userID string, end End, total int) {
	if m.cfg.OnEvent == nil {
		return
	}
	for page := (EndingsPage{Limit: batch}); total > 0; {
		bounded, cancel := m.storeContext(ctx)
		ended, err := m.store.Endings(bounded, userID, page)
		cancel()
		if err != nil || len(ended) == 0 {
			m.cfg.Logger.WarnContext(ctx, "events of ended sessions are missing", "sessions", total, "error", err)
			return
		}
		for _, e := range ended {
			if e.ID == end.ID {
				m.emitEnded([]Ended{e})
				total--
			}
		}
		last := ended[len(ended)-1]
		page.EndedAt, page.Handle = last.EndedAt, last.Handle
	}
}

func (m *Manager) emitEnded(ended []Ended) {
	for _, e := range ended {
		m.events.emit(Event{Kind: EventEnded, Handle: e.Handle, UserID: e.UserID, Device: e.Device, Reason: e.Reason})
	}
}
