package lab

import (
	"context"
	"net/http"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The strategies of a thief.
const (
	Refresh = "refresh" // refresh once
	Use     = "use"     // refresh, and use the new access token
	Shadow  = "shadow"  // refresh again and again, and use nothing
	Wait    = "wait"    // wait for the grace to pass, and then refresh
)

// mePath is a protected route that anybody with a session may call.
const mePath = "/api/me"

// Send has a thief of the session follow a strategy, and returns what the thief was answered: the first refusal, or else the last answer. What
// takes longer goes on in the background, until it is done or the session has ended, and is answered with 202. The errors match ErrUnknownThief,
// ErrBusyThief or ErrUnreachable.
func (l *Lab) Send(ctx context.Context, h session.Handle, name, strategy string) (Reply, error) {
	t, background, err := l.setOut(h, name, strategy)
	if err != nil {
		return Reply{}, err
	}
	if background != nil {
		go func() {
			defer l.jobs.Done()
			defer l.comeBack(t)
			l.work(background, t, strategy)
		}()
		return Reply{Status: http.StatusAccepted}, nil
	}
	defer l.comeBack(t)
	reply, err := t.call(ctx, http.MethodPost, l.contract.RefreshPath())
	if err != nil || strategy == Refresh || reply.Status != http.StatusOK {
		return reply, err
	}
	return t.call(ctx, http.MethodGet, mePath)
}

// setOut takes a thief for one strategy at a time. A strategy for the background comes with a context, and counts as one of the lab's jobs.
func (l *Lab) setOut(h session.Handle, name, strategy string) (t *thief, background context.Context, err error) {
	defer l.wake(h)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, candidate := range l.thieves {
		if candidate.handle == h && candidate.name == name {
			t = candidate
		}
	}
	switch {
	case t == nil, l.closing.Err() != nil:
		return nil, nil, ErrUnknownThief
	case t.active:
		return nil, nil, ErrBusyThief
	}
	t.strategy, t.active = strategy, true
	if strategy == Shadow || strategy == Wait {
		l.jobs.Add(1)
		background, t.stop = context.WithCancel(l.closing)
	}
	return t, background, nil
}

func (l *Lab) comeBack(t *thief) {
	defer l.wake(t.handle)
	l.mu.Lock()
	defer l.mu.Unlock()
	t.active = false
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

func (l *Lab) wake(h session.Handle) { l.cfg.Recorder.journal(h).change(func() {}) }

// work is what a thief does in the background. Its answers are seen like any others.
func (l *Lab) work(ctx context.Context, t *thief, strategy string) {
	rounds, pause := shadowRounds, l.cfg.Pace
	if strategy == Wait {
		rounds, pause = 1, l.cfg.Grace+l.cfg.Grace/20+50*time.Millisecond
		if !l.pause(ctx, t, pause) {
			return
		}
	}
	for round := range rounds {
		if round > 0 && !l.pause(ctx, t, pause) {
			return
		}
		if _, err := t.call(ctx, http.MethodPost, l.contract.RefreshPath()); err != nil {
			return
		}
	}
}

// pause waits, and reports false if there is nothing to wait for any more.
func (l *Lab) pause(ctx context.Context, t *thief, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.cfg.Recorder.journal(t.handle).over:
		return false
	case <-ctx.Done():
		return false
	}
}
