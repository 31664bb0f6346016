package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/model"
	"github.com/watchword-dev/watchword/session"
)

// What the workload does, all the time.
const (
	processes      = 3
	clients        = 300                     // who use their sessions
	others         = 100                     // sessions that nobody uses, until they end
	betweenWait    = 1200 * time.Millisecond // of a client, on average
	accessLifetime = 3 * time.Second
	feedInterval   = time.Second
	keyInterval    = 1500 * time.Millisecond
	cleanInterval  = 4 * time.Second
	logouts        = 10.0 // a second, each after a login
	userEnds       = 2.0  // likewise
	lists          = 8.0
	dataReads      = 8.0
	dataWrites     = 8.0
	dataLength     = 120
	settledEntries = 198 // of the feed, from before: see deployment
)

var (
	device  = session.Device{UserAgent: strings.Repeat("u", 110), Address: "203.0.113.117"}
	payload = json.RawMessage(`{"role":"editor","org":"5f0c3a7e","plan":"team","beta":true}`)
	data    = json.RawMessage(`"` + strings.Repeat("d", dataLength-2) + `"`)
)

// workload is a small deployment under load.
type workload struct {
	t        *testing.T
	db       *counting
	managers []*session.Manager
	tokens   []session.Tokens // of clients
	handles  []session.Handle // likewise
	idle     []session.Handle
	users    int            // that have logged in
	newest   session.Handle // of the last of them
	ended    atomic.Int64   // users who have been ended; their numbers are negative
	requests atomic.Int64
	all      sync.WaitGroup
}

func newWorkload(t *testing.T) *workload {
	t.Helper()
	w := &workload{t: t, db: newCounting(t)}
	ctx := t.Context()
	for range processes {
		m, err := session.New(ctx, w.db.store(t), session.Config{
			AccessLifetime: accessLifetime, Grace: time.Second, FeedInterval: feedInterval, CleanupInterval: cleanInterval,
			KeyPollInterval: keyInterval, KeyPropagation: 2 * keyInterval,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.managers = append(w.managers, m)
	}
	for range clients {
		w.tokens, w.handles = append(w.tokens, w.login(ctx)), append(w.handles, w.newest)
	}
	for range others {
		w.login(ctx)
		w.idle = append(w.idle, w.newest)
	}
	for range settledEntries {
		w.login(ctx)
		w.revoke(ctx, w.newest)
	}
	if t.Failed() {
		t.FailNow()
	}
	return w
}

func (w *workload) anyone() *session.Manager { return w.managers[rand.N(len(w.managers))] }

// must fails the test, unless the workload is to end.
func (w *workload) must(ctx context.Context, doing string, err error) {
	if err != nil && ctx.Err() == nil {
		w.t.Errorf("%s: %v", doing, err)
	}
}

func userName(n int) string { return fmt.Sprintf("user-%08d", n) }

// login has a new user log in. One goroutine at a time may call it.
func (w *workload) login(ctx context.Context) session.Tokens {
	w.users++
	s, tokens, err := w.anyone().Create(ctx, userName(w.users), session.CreateOptions{Payload: payload, Data: data, Device: device})
	if err != nil {
		w.must(ctx, "login", err)
		return tokens
	}
	w.newest = s.Handle()
	return tokens
}

func (w *workload) revoke(ctx context.Context, h session.Handle) {
	_, err := w.anyone().Revoke(ctx, h, session.RevokeOptions{})
	w.must(ctx, "revoke", err)
}

// begin has everything go on until ctx is done.
func (w *workload) begin(ctx context.Context) {
	for _, m := range w.managers {
		w.all.Go(func() { m.Run(ctx) })
	}
	for i := range clients {
		w.all.Go(func() { w.client(ctx, &w.tokens[i]) })
	}
	w.often(ctx, logouts, func() { // as many log in
		w.login(ctx)
		w.idle = append(w.idle, w.newest)
		w.revoke(ctx, w.idle[0])
		w.idle = w.idle[1:]
	})
	w.often(ctx, userEnds, func() {
		user := userName(int(w.ended.Add(-1)))
		_, _, err := w.anyone().Create(ctx, user, session.CreateOptions{Payload: payload, Data: data, Device: device})
		w.must(ctx, "login", err)
		_, err = w.anyone().RevokeUser(ctx, user, session.RevokeOptions{})
		w.must(ctx, "revoke user", err)
	})
	w.often(ctx, lists, func() {
		_, err := w.anyone().Sessions(ctx, userName(1+rand.N(clients)), session.Page{})
		w.must(ctx, "list", err)
	})
	w.often(ctx, dataReads, func() {
		_, err := w.anyone().Data(ctx, w.handles[rand.N(clients)])
		w.must(ctx, "data", err)
	})
	w.often(ctx, dataWrites, func() {
		_, err := w.anyone().SetData(ctx, w.handles[rand.N(clients)], data)
		w.must(ctx, "set data", err)
	})
}

// often does something so many times a second, whatever it takes.
func (w *workload) often(ctx context.Context, rate float64, do func()) {
	w.all.Go(func() {
		begun := time.Now()
		for n := 1; ; n++ {
			if !sleep(ctx, time.Until(begun.Add(time.Duration(float64(n)/rate*float64(time.Second))))) {
				return
			}
			do()
		}
	})
}

// client sends requests at random moments, each to any process, and refreshes when it is told to.
func (w *workload) client(ctx context.Context, tokens *session.Tokens) {
	for sleep(ctx, time.Duration(rand.ExpFloat64()*float64(betweenWait))) {
		w.requests.Add(1)
		s, err := w.anyone().Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
		if errors.Is(err, session.ErrTryRefresh) {
			var fresh session.Tokens
			if _, fresh, err = w.anyone().Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{Device: device}); err != nil {
				w.must(ctx, "refresh", err)
				return
			}
			tokens.AccessToken = fresh.AccessToken
			if fresh.RefreshToken != "" {
				tokens.RefreshToken = fresh.RefreshToken
			}
			s, err = w.anyone().Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
		}
		if err != nil {
			w.must(ctx, "verify", err)
			return
		}
		if renewed, ok := s.Renewed(); ok {
			tokens.AccessToken = renewed.AccessToken
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// deployment describes the workload. How often clients ask is taken from what they did, since a busy machine has them ask less often.
//
// A reading of the feed goes 31 s back, and the workload is not that old. So as many sessions were ended before it began as the first of these
// seconds would have brought, on average over the time that counts.
func (w *workload) deployment(s spent) model.Deployment {
	d := model.Default()
	const sessions = clients + others
	perSession := func(perSecond float64) float64 { return perSecond * model.Day.Seconds() / sessions }
	perClient := func(perSecond float64) float64 { return perSecond * model.Day.Seconds() / clients }
	d.Users, d.SessionsPerUser, d.Active = sessions, 1, float64(clients)/sessions
	d.Visits, d.VisitLength = 1, model.Day
	d.Requests = perClient(float64(s.requests) / s.time.Seconds())
	d.DataReads, d.DataWrites, d.Lists = perClient(dataReads), perClient(dataWrites), perClient(lists)
	d.AccessLifetime = accessLifetime
	d.Logins, d.Logouts, d.UserRevocations = perSession(logouts+userEnds), logouts/(logouts+userEnds), userEnds
	d.Processes, d.FeedInterval, d.KeyPollInterval, d.CleanupInterval = processes, feedInterval, keyInterval, cleanInterval
	d.UserID, d.Device, d.Payload, d.Data = len(userName(1)), len(device.UserAgent+device.Address), len(payload), len(data)
	d.Schema, d.Peak = len(w.db.schema), 1
	return d
}
