package cleanup

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// cleaners are the processes' Managers as they clean up.
type cleaners struct {
	cancel context.CancelFunc
	runs   sync.WaitGroup
	log    strings.Builder // of warnings

	mu      sync.Mutex
	batches []batch
	inside  int
	summary summary
}

// batch is one that a process has removed.
type batch struct {
	process int
	at      time.Time
	rows    int
	took    time.Duration
}

// summary is what they did.
type summary struct {
	ended, purged int
	most          int // that worked at one time
	batches       []batch
}

// startCleaners has every process run a cleanup, one after the other.
func (s *site) startCleaners(ctx context.Context, w way) (*cleaners, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &cleaners{cancel: cancel}
	logger := slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for i, store := range s.stores {
		watched := session.Store(watchedStore{store, c, i})
		if w.elected {
			watched = electedStore{watchedStore{store, c, i}, store}
		}
		m, err := session.New(ctx, watched, session.Config{
			CleanupInterval: time.Second, CleanupShare: w.share, EndingRetention: session.NoEndings, Logger: logger,
		})
		if err != nil {
			cancel()
			c.runs.Wait()
			return nil, err
		}
		c.runs.Go(func() { m.Run(ctx) })
	}
	return c, nil
}

// Write takes a line of the log. Lines are written one at a time by a handler.
func (c *cleaners) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(line)
}

// wait returns when so many sessions have been removed, or when nothing was for a while.
func (c *cleaners) wait(ctx context.Context, expired int, progress func(string, ...any)) {
	for n, since := 0, time.Now(); wait(ctx, 100*time.Millisecond) == nil; n++ {
		c.mu.Lock()
		s, complaints := c.summary, c.log.Len()
		if len(c.batches) > 0 {
			since = c.batches[len(c.batches)-1].at
		}
		c.mu.Unlock()
		if s.purged >= expired || complaints > 0 || time.Since(since) > time.Minute {
			return
		}
		if n%300 == 299 {
			progress("%d ended and %d removed of %d", s.ended, s.purged, expired)
		}
	}
}

// stop ends them. That anything could not be done is an error.
func (c *cleaners) stop() (summary, error) {
	c.cancel()
	c.runs.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.summary.batches = c.batches
	if c.log.Len() > 0 {
		return c.summary, errors.New("a cleanup had to say:\n" + c.log.String())
	}
	return c.summary, nil
}

// clean runs a call, and notes what it did.
func (c *cleaners) clean(process int, call func() (ended, purged int, err error)) error {
	c.mu.Lock()
	c.inside++
	c.summary.most = max(c.summary.most, c.inside)
	c.mu.Unlock()
	begun := time.Now()
	ended, purged, err := call()
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside--
	c.summary.ended += ended
	c.summary.purged += purged
	if n := ended + purged; n > 0 {
		c.batches = append(c.batches, batch{process, now, n, now.Sub(begun)})
	}
	return err
}

// watchedStore tells what is removed. Of the store's methods it hides Elect.
type watchedStore struct {
	session.Store
	cleaners *cleaners
	process  int
}

func (s watchedStore) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	return watchedCleaner{s.Store, s.cleaners, s.process}.EndExpired(ctx, h, absolute, id, limit)
}

func (s watchedStore) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return watchedCleaner{s.Store, s.cleaners, s.process}.Purge(ctx, endings, revocations, limit)
}

// electedStore does not hide it.
type electedStore struct {
	watchedStore
	elector *mysql.Store
}

func (s electedStore) Elect(ctx context.Context, f func(session.Cleaner) error) (bool, error) {
	return s.elector.Elect(ctx, func(c session.Cleaner) error { return f(watchedCleaner{c, s.cleaners, s.process}) })
}

type watchedCleaner struct {
	session.Cleaner
	cleaners *cleaners
	process  int
}

func (s watchedCleaner) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) (ended []session.Ended, err error) {
	err = s.cleaners.clean(s.process, func() (int, int, error) {
		ended, err = s.Cleaner.EndExpired(ctx, h, absolute, id, limit)
		return len(ended), 0, err
	})
	return ended, err
}

func (s watchedCleaner) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (n int, err error) {
	err = s.cleaners.clean(s.process, func() (int, int, error) {
		n, err = s.Cleaner.Purge(ctx, endings, revocations, limit)
		return 0, n, err
	})
	return n, err
}

// elections says how many batches each process has done, and how often it passed from one to another.
func (s summary) elections() (each []int, passed int) {
	each = make([]int, processes)
	for i, b := range s.batches {
		each[b.process]++
		if i > 0 && s.batches[i-1].process != b.process {
			passed++
		}
	}
	return each, passed
}

// sizes returns the median size of a batch and of what it took.
func (s summary) sizes() (rows int, took time.Duration) {
	if len(s.batches) == 0 {
		return 0, 0
	}
	bySize, byTime := slices.Clone(s.batches), slices.Clone(s.batches)
	slices.SortFunc(bySize, func(a, b batch) int { return a.rows - b.rows })
	slices.SortFunc(byTime, func(a, b batch) int { return int(a.took - b.took) })
	return bySize[len(bySize)/2].rows, byTime[len(byTime)/2].took
}
