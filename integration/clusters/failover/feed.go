package failover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/session"
)

const (
	feedInterval  = time.Second
	revokeEvery   = 100 * time.Millisecond // by each process
	perProcess    = 200                    // sessions that each of them revokes: so it goes on for as long as most faults do
	beforeFault   = 5 * time.Second
	feedSlack     = time.Second // beside the interval: for the store's answer, on a machine that is busy
	quickPoll     = 500 * time.Millisecond
	quickRead     = 500 * time.Millisecond
	refusedWithin = 90 * time.Second // by then a revocation has been missed for good
)

// listener is a process with what is known of its feed.
type listener struct {
	*session.Manager

	mu       sync.Mutex
	troubled []moment // readings that failed or took long
	readable []moment // of the engine itself: bare reads that succeeded
}

type moment struct{ from, to time.Time }

func (l *listener) polled(p session.FeedPoll) {
	if p.Err == nil && p.Took < quickPoll {
		return
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.troubled = append(l.troubled, moment{now.Add(-p.Took), now})
}

// wasTroubled reports whether some reading between failed or took long.
func (l *listener) wasTroubled(from, to time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.troubled, func(m moment) bool { return m.from.Before(to) && from.Before(m.to) })
}

// read reads again and again, past the store, as the engine makes it possible at the best.
func (l *listener) read(ctx context.Context, db *sql.DB) {
	for ctx.Err() == nil {
		begun := time.Now()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineGivesUp)
		var n int
		err := db.QueryRowContext(bounded, "SELECT COUNT(*) FROM watchword_signing_keys").Scan(&n)
		cancel()
		if err == nil {
			l.mu.Lock()
			l.readable = append(l.readable, moment{begun, time.Now()})
			l.mu.Unlock()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// readableFor is the longest time between two moments in which the engine answered one read here after the other.
func (l *listener) readableFor(from, to time.Time) (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var begun, last time.Time
	for _, m := range l.readable {
		switch {
		case m.from.Before(from):
			continue
		case m.to.After(to):
			if !last.IsZero() && to.Sub(last) <= quickRead {
				longest = max(longest, to.Sub(begun))
			}
			return longest
		case last.IsZero() || m.to.Sub(last) > quickRead:
			begun = m.to
		}
		last = m.to
		longest = max(longest, last.Sub(begun))
	}
	return longest
}

// refusal is when a process refused the token of a session that another had revoked.
type refusal struct {
	by               *listener
	process          int
	acknowledged, at time.Time
}

// Revocations has each process revoke sessions while the database fails, and holds the others to I4: what was acknowledged they refuse an
// interval of the feed later, or, where the feed could not be read, an interval and what a reading may take which is under way after the
// engine could be read again, which a loop of bare reads beside it says. Sessions that nobody revokes are never refused.
func Revocations(t *testing.T, db Database, f Fault) {
	t.Helper()
	var thefts atomic.Int64
	listeners := make([]*listener, len(db.Processes))
	ctx, stop := context.WithCancel(t.Context())
	var background sync.WaitGroup
	defer background.Wait()
	defer stop()
	for i, dsn := range db.Processes {
		l := &listener{}
		cfg := session.Config{
			StoreTimeout: StoreTimeout, FeedInterval: feedInterval, OnFeedPoll: l.polled, Logger: slog.New(slog.DiscardHandler),
		}
		l.Manager = Begin(t, dsn, cfg, &thefts).Manager
		listeners[i] = l
		bare := Bare(t, dsn)
		background.Go(func() { l.read(ctx, bare) })
	}
	sessions := make([][]*held, len(listeners))
	lasting := make([]*held, len(listeners))
	for i, l := range listeners {
		for n := range perProcess + 1 {
			h := newcomer(t, l.Manager, fmt.Sprintf("user %d of process %d", n, i))
			if h == nil {
				return
			}
			sessions[i] = append(sessions[i], h)
		}
		lasting[i], sessions[i] = sessions[i][0], sessions[i][1:]
	}
	for _, l := range listeners {
		background.Go(func() { neverRefuse(ctx, t, l.Manager, lasting) })
	}

	var (
		mu       sync.Mutex
		refusals []refusal
		revokers sync.WaitGroup
		watchers sync.WaitGroup
	)
	for i, l := range listeners {
		revokers.Go(func() {
			for _, h := range sessions[i] {
				revokeSurely(t, l.Manager, h)
				acknowledged := time.Now()
				for j, other := range listeners {
					if j == i {
						continue
					}
					watchers.Go(func() {
						at := awaitRefusal(t, other.Manager, h, acknowledged)
						mu.Lock()
						defer mu.Unlock()
						refusals = append(refusals, refusal{other, j, acknowledged, at})
					})
				}
				time.Sleep(revokeEvery)
			}
		})
	}
	time.Sleep(beforeFault)
	begun := time.Now()
	f.Break(t)
	if err := cluster.Await(ctx, "the cluster to take writes again", Recovery, f.Recovered); err != nil {
		t.Error(err)
	}
	time.Sleep(beforeFault / 2)
	f.Mend(t)
	revokers.Wait()
	watchers.Wait()
	judgeAll(t, f.Name, refusals)
	if !slices.ContainsFunc(listeners, func(l *listener) bool { return l.wasTroubled(begun, time.Now()) }) {
		t.Error("no process had any trouble to read the feed: nothing has failed")
	}
}

// newcomer is a session of which there is nothing yet but its creation.
func newcomer(t *testing.T, m *session.Manager, user string) *held {
	t.Helper()
	s, tokens, err := m.Create(t.Context(), user, session.CreateOptions{})
	if err != nil {
		t.Errorf("create: %v", err)
		return nil
	}
	return &held{handle: s.Handle(), user: user, access: tokens.AccessToken, refresh: tokens.RefreshToken}
}

// neverRefuse uses tokens of sessions that nobody ends, which no outage may interrupt.
func neverRefuse(ctx context.Context, t *testing.T, m *session.Manager, all []*held) {
	t.Helper()
	for ctx.Err() == nil {
		for _, h := range all {
			if _, err := m.Verify(context.WithoutCancel(ctx), h.access, session.VerifyOptions{}); err != nil {
				t.Errorf("token of session %s, which nobody ended: got %v, want it to pass", h.handle, err)
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// revokeSurely repeats a revocation until it is acknowledged.
func revokeSurely(t *testing.T, m *session.Manager, h *held) {
	t.Helper()
	for deadline := time.Now().Add(refusedWithin); ; time.Sleep(revokeEvery) {
		_, err := m.Revoke(t.Context(), h.handle, session.RevokeOptions{})
		if err == nil {
			return
		}
		if !errors.Is(err, session.ErrUnavailable) || time.Now().After(deadline) {
			t.Errorf("revoke %s: %v", h.handle, err)
			return
		}
	}
}

// awaitRefusal uses a token until it is refused, and says when that was; zero: it never was.
func awaitRefusal(t *testing.T, m *session.Manager, h *held, since time.Time) time.Time {
	t.Helper()
	for time.Since(since) < refusedWithin {
		_, err := m.Verify(t.Context(), h.access, session.VerifyOptions{})
		if errors.Is(err, session.ErrUnauthorised) {
			return time.Now()
		}
		if err != nil {
			t.Errorf("token of session %s, which was revoked: got %v, want it to pass or ErrUnauthorised", h.handle, err)
			return time.Now()
		}
		time.Sleep(15 * time.Millisecond)
	}
	return time.Time{}
}

// verdict is what a refusal comes to.
type verdict struct {
	lag      time.Duration // since the acknowledgement
	troubled bool          // the feed could not be read meanwhile
	behind   time.Duration // troubled: and the engine could be read
	err      error         // it was too late
}

func (r refusal) judge() verdict {
	if r.at.IsZero() {
		return verdict{err: errMissed}
	}
	v := verdict{lag: r.at.Sub(r.acknowledged), troubled: r.by.wasTroubled(r.acknowledged, r.at)}
	if !v.troubled {
		if bound := feedInterval + feedSlack; v.lag > bound {
			v.err = fmt.Errorf("refused %v after the acknowledgement, want %v at most", v.lag, bound)
		}
		return v
	}
	v.behind = r.by.readableFor(r.acknowledged, r.at)
	if bound := StoreTimeout + feedInterval + feedSlack; v.behind > bound {
		v.err = fmt.Errorf("refused %v after the acknowledgement, and in that the engine could be read for %v, want %v at most", v.lag, v.behind, bound)
	}
	return v
}

var errMissed = errors.New("never refused")

// judgeAll holds each refusal to its bound.
func judgeAll(t *testing.T, name string, all []refusal) {
	t.Helper()
	var usual, delayed, behind []time.Duration
	for _, r := range all {
		v := r.judge()
		if v.err != nil {
			t.Errorf("process %d: %v", r.process, v.err)
		}
		switch {
		case errors.Is(v.err, errMissed):
		case v.troubled:
			delayed, behind = append(delayed, v.lag), append(behind, v.behind)
		default:
			usual = append(usual, v.lag)
		}
	}
	t.Logf("| %s | %d | %s | %d | %s | %s |", name, len(usual), spread(usual), len(delayed), spread(delayed), spread(behind))
	if want := perProcess / 2; len(usual) < want {
		t.Errorf("%d revocations were heard of in quiet, want %d at least", len(usual), want)
	}
}

// spread are median and worst.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "–"
	}
	slices.Sort(all)
	return fmt.Sprintf("%s, at most %s", seconds(all[len(all)/2]), seconds(all[len(all)-1]))
}
