package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// By how much clocks may differ: what the library is built for, and what is worth a look.
const (
	mostSkew = 30 * time.Second
	someSkew = 2 * time.Second
)

// ahead is when no entry of the feed is, which is then read for the store's clock alone.
const ahead = 100 * 365 * 24 * time.Hour

// clock compares this machine's clock with the store's, as well as that can be told from here.
func clock(ctx context.Context, p *Patient) ([]Result, error) {
	var skew, within time.Duration
	for try := range 3 {
		before := p.Now()
		now, err := storeNow(ctx, p.Store, before)
		if err != nil {
			return nil, err
		}
		after := p.Now()
		if half := after.Sub(before) / 2; try == 0 || half < within {
			skew, within = now.Sub(before.Add(half)), half
		}
	}
	const advice = "have both machines keep their clocks by NTP"
	size := max(skew.Abs()-within, 0)
	switch {
	case size > mostSkew:
		return []Result{problem(advice, "the store's clock is %s, and up to %v is provided for: tokens are refused, or live too long", apart(skew), mostSkew)}, nil
	case size > someSkew:
		return []Result{warning(advice, "the store's clock is %s", apart(skew))}, nil
	default:
		return []Result{ok("the store's clock is the same, within %v", max(skew.Abs(), within).Round(time.Millisecond))}, nil
	}
}

func apart(skew time.Duration) string {
	if skew < 0 {
		return skew.Abs().Round(time.Millisecond).String() + " behind this machine's"
	}
	return skew.Round(time.Millisecond).String() + " ahead of this machine's"
}

func storeNow(ctx context.Context, store session.Store, now time.Time) (time.Time, error) {
	_, storeNow, err := store.Revocations(ctx, now.Add(ahead), 1)
	if errors.Is(err, errors.ErrUnsupported) {
		_, storeNow, err = store.Keys(ctx)
	}
	return storeNow, err
}

// manyEntries is how many entries of the feed are read at once.
const manyEntries = 5000

// feed looks at how revocations reach the application's processes.
func feed(ctx context.Context, p *Patient) ([]Result, error) {
	cfg := p.Settings.Session
	switch cfg.Revocation {
	case session.RevocationOff:
		return []Result{warning("set WATCHWORD_REVOCATION to feed",
			"the feed is off: access tokens of ended sessions pass until they expire, up to %v later", or(cfg.AccessLifetime, session.DefaultAccessLifetime))}, nil
	case session.RevocationStrict:
		return []Result{ok("each verification asks the store")}, nil
	}
	now, err := storeNow(ctx, p.Store, p.Now())
	if err != nil {
		return nil, err
	}
	begun := p.Now()
	entries, _, err := p.Store.Revocations(ctx, now.Add(-30*time.Second), manyEntries)
	if errors.Is(err, errors.ErrUnsupported) {
		return []Result{warning("use a store that does", "the store keeps no feed: access tokens of ended sessions pass until they expire")}, nil
	}
	if err != nil {
		return nil, err
	}
	took, interval := p.Now().Sub(begun), or(cfg.FeedInterval, session.DefaultFeedInterval)
	switch {
	case took > interval:
		return []Result{warning("is the index by_feed there, and the database not overloaded?",
			"a reading of the feed took %v, and should be made every %v", took.Round(time.Millisecond), interval)}, nil
	case len(entries) == manyEntries:
		return []Result{note("this is what a revocation of many brings about", "%d entries or more in half a minute, read in %v", manyEntries, took.Round(time.Millisecond))}, nil
	default:
		return []Result{ok("a reading of the feed takes %v, with %d entries", took.Round(time.Millisecond), len(entries))}, nil
	}
}
