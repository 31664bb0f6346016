package command

import (
	"context"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/watchword-dev/watchword/session"
)

// progress shows how far a long job has come, where somebody watches. How much it will be nobody knows: the store would have to count.
type progress struct {
	watched *os.File // nil: nobody does
	bar     *progressbar.ProgressBar
}

func (p *program) progress() *progress { return &progress{watched: terminal(p.Stderr)} }

// begin puts it on the screen.
func (g *progress) begin(what string) {
	if g.watched == nil {
		return
	}
	g.bar = progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(g.watched),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish(),
	)
}

func (g *progress) add(n int) {
	if g.bar != nil && n > 0 {
		_ = g.bar.Add(n) // it fails where the screen does
	}
}

// end takes it off the screen.
func (g *progress) end() {
	if g.bar != nil {
		_ = g.bar.Finish()
		_ = g.bar.Clear()
		g.bar = nil
	}
}

// watch is a store that tells of the sessions and records that are ended and removed by the many.
func watch(store session.Store, tell func(n int)) session.Store {
	w := watched{store, tell}
	if elector, ok := store.(session.Elector); ok {
		return electing{w, elector}
	}
	return w
}

type watched struct {
	session.Store
	tell func(n int)
}

// EndUser implements session.EndingStore.
func (w watched) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	n, err := w.Store.EndUser(ctx, userID, keep, end, limit)
	w.tell(n)
	return n, err
}

// EndAll implements session.EndingStore.
func (w watched) EndAll(ctx context.Context, before time.Time, end session.End, limit int) ([]session.Ended, error) {
	ended, err := w.Store.EndAll(ctx, before, end, limit)
	w.tell(len(ended))
	return ended, err
}

// EndExpired implements session.EndingStore.
func (w watched) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	return watchedCleaner{w.Store, w.tell}.EndExpired(ctx, h, absolute, id, limit)
}

// Purge implements session.EndingStore.
func (w watched) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return watchedCleaner{w.Store, w.tell}.Purge(ctx, endings, revocations, limit)
}

// electing is one whose store elects processes.
type electing struct {
	watched
	elector session.Elector
}

// Elect implements session.Elector.
func (e electing) Elect(ctx context.Context, f func(session.Cleaner) error) (bool, error) {
	return e.elector.Elect(ctx, func(c session.Cleaner) error { return f(watchedCleaner{c, e.tell}) })
}

type watchedCleaner struct {
	session.Cleaner
	tell func(n int)
}

// EndExpired implements session.Cleaner.
func (w watchedCleaner) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	ended, err := w.Cleaner.EndExpired(ctx, h, absolute, id, limit)
	w.tell(len(ended))
	return ended, err
}

// Purge implements session.Cleaner.
func (w watchedCleaner) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	n, err := w.Cleaner.Purge(ctx, endings, revocations, limit)
	w.tell(n)
	return n, err
}
