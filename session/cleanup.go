package session

import (
	"context"
	"fmt"
	"time"
)

// Cleaned says what a cleanup did.
type Cleaned struct {
	Expired int // sessions that had expired, and were ended
	Purged  int // records of endings and revocations that were removed
}

// Pauses of a cleanup that does not work.
const (
	holdPause = time.Second
	turnPause = 500 * time.Millisecond // while another process is at it
)

// Cleanup ends sessions that have expired, and removes records that are no longer kept. Expired sessions are dead in any case: this
// gives them their record, and frees space. Manager.Run does it every Config.CleanupInterval; to call it as well does no harm, in
// any number of processes.
//
// It goes about it in small batches, with rests in between (see Config.CleanupShare), and takes as long as that takes, until ctx is done or
// nothing is left that had to go when it was called. While another process cleans up, where the store can tell, it waits for its turn.
func (m *Manager) Cleanup(ctx context.Context) (Cleaned, error) {
	c := cleanup{Manager: m, waits: true}
	err := c.run(ctx)
	return c.cleaned, err
}

// cleanupOnce is the cleanup that Run does. It leaves the work to another process that it finds at it.
func (m *Manager) cleanupOnce(ctx context.Context) error {
	c := cleanup{Manager: m}
	if m.cfg.CleanupTimeLimit > 0 {
		c.until = m.cfg.Clock().Add(m.cfg.CleanupTimeLimit)
	}
	err := c.run(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		m.cfg.Logger.WarnContext(ctx, "what is no longer needed could not be removed", "error", err)
	case c.cleaned != Cleaned{}:
		m.cfg.Logger.InfoContext(ctx, "cleaned up", "expired", c.cleaned.Expired, "purged", c.cleaned.Purged, "complete", c.step == nothingLeft)
	}
	return err
}

// cleanup is one cleanup of one process. It works in turns of about batchTime, and before each it is elected anew: so it never keeps a
// connection from requests for longer than that, and an election that is lost with its connection costs nothing. While it rests
// another process may be elected; but of two that are at it, one soon finds the other working, and leaves it the rest.
type cleanup struct {
	*Manager
	waits bool      // for its turn, while another process is at it
	until time.Time // when it has to be over; zero: no matter

	step    cleanupStep
	left    bool          // the work to another process
	target  time.Duration // of a batch
	paces   [nothingLeft]pace
	cleaned Cleaned
}

// cleanupStep is what a cleanup is about.
type cleanupStep int

const (
	expiring cleanupStep = iota
	purging
	nothingLeft
)

func (c *cleanup) run(ctx context.Context) (err error) {
	c.counts.cleaning.Add(1)
	defer func() {
		c.counts.cleaning.Add(-1)
		c.counts.cleanup(c.result(err))
	}()
	c.target = min(batchTime, c.cfg.StoreTimeout/10)
	for i := range c.paces {
		c.paces[i] = newPace(c.cfg.CleanupShare, c.target)
	}
	for {
		if !c.until.IsZero() && !c.cfg.Clock().Before(c.until) {
			return nil
		}
		rest, err := c.turn(ctx)
		if err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
		if c.left = rest < 0; c.left || c.step == nothingLeft {
			return nil
		}
		if rest > 0 {
			if err := c.cfg.RunSleep(ctx, rest); ctx.Err() != nil {
				return fmt.Errorf("clean up: %w: %w", ErrUnavailable, ctx.Err())
			} else if err != nil {
				return fmt.Errorf("clean up: %w", err)
			}
		}
	}
}

// result is what becomes of a cleanup that has come to its end.
func (c *cleanup) result(err error) CleanupResult {
	switch {
	case err != nil:
		return CleanupFailed
	case c.step == nothingLeft:
		return CleanupComplete
	case c.left:
		return CleanupElsewhere
	default:
		return CleanupPartial
	}
}

// turn works for one turn, if it may, and says how long to rest then; less than nothing: another process is at it.
func (c *cleanup) turn(ctx context.Context) (rest time.Duration, err error) {
	if c.cfg.CleanupHold != nil && c.cfg.CleanupHold(ctx) {
		return holdPause, nil
	}
	ctx, cancel := c.storeContext(ctx)
	defer cancel()
	work := func(store Cleaner) error {
		rest, err = c.work(ctx, store)
		return err
	}
	elected := true
	if elector, ok := c.store.(Elector); ok {
		elected, err = elector.Elect(ctx, work)
	} else {
		err = work(c.store)
	}
	switch {
	case err != nil || elected:
		return rest, err
	case c.waits:
		return turnPause, nil
	default:
		return -1, nil
	}
}

// work does one batch after the other until a turn is over or nothing is left.
func (c *cleanup) work(ctx context.Context, store Cleaner) (rest time.Duration, err error) {
	// For the feed an ending, and a revocation, is needed until the tokens that it concerns have expired.
	relevant := c.cfg.tokenLives(PurposeAccess) + 2*feedOverlap
	begun := c.cfg.Clock()
	for now := begun; c.step != nothingLeft && now.Sub(begun) < c.target/2; {
		p := &c.paces[c.step]
		n := 0
		if c.step == expiring {
			n, err = c.endExpired(ctx, store, p.size)
			c.cleaned.Expired += n
			c.counts.expired.Add(uint64(max(n, 0)))
		} else {
			n, err = store.Purge(ctx, max(c.cfg.EndingRetention, relevant), relevant, p.size)
			c.cleaned.Purged += n
			c.counts.purged.Add(uint64(max(n, 0)))
		}
		if err != nil {
			return 0, err
		}
		before := now
		now = c.cfg.Clock()
		rest += p.did(n, min(max(now.Sub(before), 0), c.cfg.StoreTimeout)) // whatever becomes of the clock
		if n == 0 {
			c.step++
		}
	}
	return rest, nil
}

// endExpired ends a batch of expired sessions, and says how many it were.
func (c *cleanup) endExpired(ctx context.Context, store Cleaner, limit int) (int, error) {
	id, err := c.newVersion()
	if err != nil {
		return 0, err
	}
	ended, err := store.EndExpired(ctx, Handle{}, c.cfg.AbsoluteLifetime, id, limit)
	c.emitEnded(ended)
	return len(ended), err
}
