package soak_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// sampleSize is how many ended sessions are looked at after each restart.
const sampleSize = 20

// lastSample is how many ended sessions are looked at in the end, beside their records in the store, all of which are.
const lastSample = 400

// sample looks at some sessions after a restart: at those that lie idle, and at those that have ended.
func (w *world) sample(ctx context.Context) {
	for _, c := range w.clients {
		c.mu.Lock()
		for i := 0; i < len(c.parked); i++ {
			e := c.parked[i]
			err := c.inspect(ctx, e)
			if err == nil {
				continue
			}
			c.parked = slices.Delete(c.parked, i, i+1)
			i--
			if err = c.expired(e, err); err != nil {
				c.failed(e, fmt.Errorf("after a restart: %w", err))
			}
		}
		c.mu.Unlock()
	}
	w.refused(ctx, w.ledger.some(sampleSize))
}

// refused checks that sessions which have ended are refused everywhere, for the reason that their clients had.
func (w *world) refused(ctx context.Context, ended map[session.Handle]gone) {
	for h, g := range ended {
		if left := time.Until(g.renewed.Add(g.dep.cfg.IdleLifetime + time.Second)); g.reason == session.ReasonIdle && left > 0 {
			continue // forgotten, but not long enough ago
		}
		for i, m := range g.dep.managers {
			_, _, err := m.Refresh(ctx, g.refresh, session.RefreshOptions{})
			for begun := time.Now(); errors.Is(err, session.ErrUnavailable) && time.Since(begun) < startTimeout; { // the next outage
				pause(ctx, 50*time.Millisecond)
				_, _, err = m.Refresh(ctx, g.refresh, session.RefreshOptions{})
			}
			var known *session.EndedError
			switch {
			case !errors.Is(err, session.ErrUnauthorised):
				w.fail("session %s of %s ended (%s) %v ago, but process %d answers a refresh with %v", h, g.user, g.reason, time.Since(g.at), i, orNil(err))
			case errors.As(err, &known) && known.Reason != "" && !g.because(known.Reason):
				w.fail("session %s of %s ended because of %s, and process %d says %s", h, g.user, g.reason, i, known.Reason)
			case !errors.As(err, &known):
				w.fail("session %s of %s ended because of %s, and process %d says %v", h, g.user, g.reason, i, err)
			}
			if _, err := m.Verify(ctx, g.access, session.VerifyOptions{}); !errors.Is(err, session.ErrUnauthorised) && !errors.Is(err, session.ErrTryRefresh) {
				w.fail("session %s of %s ended (%s) %v ago, but process %d lets its access token pass (%v)", h, g.user, g.reason, time.Since(g.at), i, err)
			}
		}
	}
}

// audit compares the ledger with the store, when the clients have ended.
func (w *world) audit(ctx context.Context) {
	live := map[session.Handle]string{} // with the deployment
	for _, c := range w.clients {
		sessions := c.parked
		if c.current != nil && c.current.ended() == "" && !slices.Contains(sessions, c.current) {
			sessions = append(sessions, c.current)
		}
		for _, e := range sessions {
			err := c.inspect(ctx, e)
			if err == nil {
				live[e.handle] = c.dep.name
			} else if err = c.expired(e, err); err != nil {
				c.failed(e, fmt.Errorf("at the end: %w", err))
			}
		}
	}
	w.ledger.mu.Lock()
	ended := maps.Clone(w.ledger.gone)
	w.ledger.mu.Unlock()
	w.compare(ctx, live, ended)
	// Other processes may read a moment later what was revoked last.
	pause(ctx, 2*w.deployments[0].cfg.FeedInterval)
	w.refused(ctx, w.ledger.some(lastSample))
}

// compare looks for every row of the store in the ledger, and the other way round.
func (w *world) compare(ctx context.Context, live map[session.Handle]string, ended map[session.Handle]gone) {
	rows, strangers := 0, map[string]int{}
	for _, d := range w.deployments {
		all, err := d.records(ctx)
		if err != nil {
			w.fail("read the tables of %s: %v", d.name, err)
			continue
		}
		rows += len(all)
		for h, r := range all {
			g, known := ended[h]
			_, alive := live[h]
			switch {
			case alive && r.reason != "":
				w.fail("session %s of %s was never ended, but the store says: %s", h, r.user, r.reason)
			case alive:
				delete(live, h)
			case known && r.reason != "" && !g.because(session.Reason(r.reason)):
				w.fail("session %s of %s was ended because of %s, but the store says: %s", h, r.user, g.reason, r.reason)
			case known && r.reason == "" && g.reason != session.ReasonIdle:
				w.fail("session %s of %s was ended because of %s, but is alive in the store", h, r.user, g.reason)
			case known && r.reason == string(session.ReasonIdle) && r.ended.Before(g.renewed.Add(d.cfg.IdleLifetime-time.Second)):
				w.fail("session %s of %s was idle too early: it ended at %v, refreshed at %v", h, r.user, r.ended, g.renewed)
			case !known:
				if strangers[d.name+"/"+r.user]++; strangers[d.name+"/"+r.user] > w.ledger.orphans[d.name+"/"+r.user] {
					w.fail("session %s of %s is nobody's, and every creation had an answer", h, r.user)
				}
			}
		}
	}
	for h, dep := range live {
		w.fail("session %s of %s was acknowledged and never ended, but the store does not have it", h, dep)
	}
	w.t.Logf("at the end: %d rows in the store, %d of them from creations without an answer; %d ended sessions checked", rows, sum(strangers), len(ended))
}

// record is what the store has of a session.
type record struct {
	user   string
	reason string // empty: it has not ended
	ended  time.Time
}

func (d *deployment) records(ctx context.Context) (map[session.Handle]record, error) {
	rows, err := d.stores[0].DB().QueryContext(ctx, "SELECT handle, user_id, COALESCE(ending_reason, ''), COALESCE(ended_at, 0) FROM "+d.name+"_sessions")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := map[session.Handle]record{}
	for rows.Next() {
		var (
			h, user, reason []byte
			ended           int64
		)
		if err := rows.Scan(&h, &user, &reason, &ended); err != nil {
			return nil, err
		}
		all[session.Handle(h)] = record{string(user), string(reason), time.UnixMicro(ended)}
	}
	return all, rows.Err()
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}

// summary says what the run consisted of, and fails if something of it did not take place.
func (w *world) summary() {
	m, l := w.meter, w.ledger
	w.t.Logf("%d acknowledged store operations, %d verifications, %d answers of unavailable (%d of them while the server was up), %d refreshes told to try again, %d conflicts with a write of unknown outcome",
		m.stored.Load(), m.verified.Load(), m.unavailable.Load(), m.aside.Load(), m.crossed.Load(), m.conflicts.Load())
	l.mu.Lock()
	defer l.mu.Unlock()
	w.t.Logf("events: %v, %d dropped; creations without an answer: %d", l.events, l.dropped, sum(l.orphans))
	for _, kind := range []session.EventKind{
		session.EventCreated, session.EventRefreshed, session.EventConfirmed, session.EventReauthenticated, session.EventEnded, session.EventKeyRotated,
	} {
		if l.events[kind] == 0 {
			w.t.Errorf("there was no event %s", kind)
		}
	}
	if n := l.events[session.EventTheft]; n > 0 {
		w.t.Errorf("%d thefts were told", n)
	}
	if w.failed.Load() > maxFailures {
		w.t.Errorf("%d failures in all", w.failed.Load())
	}
}
