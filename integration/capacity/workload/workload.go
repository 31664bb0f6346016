// Package workload is a small deployment under load, of which everything is known that the capacity model wants to be told, and what it asks
// of its database is counted. Tests compare both.
package workload

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

// Habits are what users do, all the time.
type Habits struct {
	Clients        int           // who use their sessions
	Between        time.Duration // of a client's requests, on average
	AccessLifetime time.Duration
}

// What else goes on.
const (
	processes      = 3
	others         = 100 // sessions that nobody uses, until they end
	feedInterval   = time.Second
	keyInterval    = 1500 * time.Millisecond
	cleanInterval  = 4 * time.Second
	logouts        = 10.0 // a second, each after a login
	userEnds       = 2.0  // likewise
	lists          = 8.0
	dataReads      = 8.0
	dataWrites     = 8.0
	dataLength     = 120
	patience       = 30 * time.Second // on a busy machine
	settledEntries = 198              // of the feed, from before: see Deployment
)

// What each session has.
var (
	Device  = session.Device{UserAgent: strings.Repeat("u", 110), Address: "203.0.113.117"}
	Payload = json.RawMessage(`{"role":"editor","org":"5f0c3a7e","plan":"team","beta":true}`)
	Data    = json.RawMessage(`"` + strings.Repeat("d", dataLength-2) + `"`)
)

// Workload is the deployment.
type Workload struct {
	t        testing.TB
	db       *Counting
	habits   Habits
	managers []*session.Manager
	tokens   []session.Tokens // of clients
	handles  []session.Handle // likewise
	idle     []session.Handle
	users    int            // that have logged in
	newest   session.Handle // of the last of them
	ended    atomic.Int64   // users who have been ended; their numbers are negative
	done     activity
	all      sync.WaitGroup
}

// activity counts what was done.
type activity struct{ requests, logouts, userEnds, lists, dataReads, dataWrites atomic.Int64 }

// New has everybody log in.
func New(t testing.TB, db *Counting, habits Habits) *Workload {
	t.Helper()
	w := &Workload{t: t, db: db, habits: habits}
	ctx := t.Context()
	for range processes {
		m, err := session.New(ctx, db.Store(t), session.Config{
			AccessLifetime: habits.AccessLifetime, Grace: time.Second, FeedInterval: feedInterval, CleanupInterval: cleanInterval,
			KeyPollInterval: keyInterval, KeyPropagation: 2 * keyInterval, StoreTimeout: patience,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.managers = append(w.managers, m)
	}
	for range habits.Clients {
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

func (w *Workload) anyone() *session.Manager { return w.managers[chance(len(w.managers))] }

// must fails the test, unless the workload is to end.
func (w *Workload) must(ctx context.Context, doing string, err error) {
	if err != nil && ctx.Err() == nil {
		w.t.Errorf("%s: %v", doing, err)
	}
}

// UserName is a user's id.
func UserName(n int) string { return fmt.Sprintf("user-%08d", n) }

// login has a new user log in. One goroutine at a time may call it.
func (w *Workload) login(ctx context.Context) session.Tokens {
	w.users++
	s, tokens, err := w.anyone().Create(ctx, UserName(w.users), session.CreateOptions{Payload: Payload, Data: Data, Device: Device})
	if err != nil {
		w.must(ctx, "login", err)
		return tokens
	}
	w.newest = s.Handle()
	return tokens
}

func (w *Workload) revoke(ctx context.Context, h session.Handle) {
	_, err := w.anyone().Revoke(ctx, h, session.RevokeOptions{})
	w.must(ctx, "revoke", err)
}

// Begin has everything go on until ctx is done; Wait waits for the last of it.
func (w *Workload) Begin(ctx context.Context) {
	for _, m := range w.managers {
		w.all.Go(func() { m.Run(ctx) })
	}
	for i := range w.habits.Clients {
		w.all.Go(func() { w.client(ctx, &w.tokens[i]) })
	}
	w.often(ctx, logouts, &w.done.logouts, func() { // as many log in
		w.login(ctx)
		w.idle = append(w.idle, w.newest)
		w.revoke(ctx, w.idle[0])
		w.idle = w.idle[1:]
	})
	w.often(ctx, userEnds, &w.done.userEnds, func() {
		user := UserName(int(w.ended.Add(-1)))
		_, _, err := w.anyone().Create(ctx, user, session.CreateOptions{Payload: Payload, Data: Data, Device: Device})
		w.must(ctx, "login", err)
		_, err = w.anyone().RevokeUser(ctx, user, session.RevokeOptions{})
		w.must(ctx, "revoke user", err)
	})
	w.often(ctx, lists, &w.done.lists, func() {
		_, err := w.anyone().Sessions(ctx, UserName(1+chance(w.habits.Clients)), session.Page{})
		w.must(ctx, "list", err)
	})
	w.often(ctx, dataReads, &w.done.dataReads, func() {
		_, err := w.anyone().Data(ctx, w.handles[chance(len(w.handles))])
		w.must(ctx, "data", err)
	})
	w.often(ctx, dataWrites, &w.done.dataWrites, func() {
		_, err := w.anyone().SetData(ctx, w.handles[chance(len(w.handles))], Data)
		w.must(ctx, "set data", err)
	})
}

// Wait returns when everything that Begin has begun is over.
func (w *Workload) Wait() { w.all.Wait() }

// often does something so many times a second, or less often where it takes its time.
func (w *Workload) often(ctx context.Context, rate float64, done *atomic.Int64, do func()) {
	w.all.Go(func() {
		for next := time.Now(); ; {
			if next = next.Add(time.Duration(float64(time.Second) / rate)); next.Before(time.Now()) {
				next = time.Now() // what was missed is not made up for
			}
			if !sleep(ctx, time.Until(next)) {
				return
			}
			do()
			done.Add(1)
		}
	})
}

// client sends requests at random moments, each to any process, and refreshes when it is told to.
func (w *Workload) client(ctx context.Context, tokens *session.Tokens) {
	for sleep(ctx, pause(w.habits.Between)) {
		w.done.requests.Add(1)
		s, err := w.anyone().Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
		if errors.Is(err, session.ErrTryRefresh) {
			var fresh session.Tokens
			if _, fresh, err = w.anyone().Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{Device: Device}); err != nil {
				w.must(ctx, "refresh", err)
				return
			}
			tokens.AccessToken = fresh.AccessToken
			if fresh.RefreshToken != "" {
				tokens.RefreshToken = fresh.RefreshToken
			}
			s, err = w.anyone().Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
			if errors.Is(err, session.ErrTryRefresh) {
				continue // on a busy machine the new token has grown too old on its way
			}
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

func chance(n int) int { return rand.N(n) } //nolint:gosec // no secret

// pause is a random time, as between events of which each is independent of the last.
func pause(mean time.Duration) time.Duration {
	return time.Duration(rand.ExpFloat64() * float64(mean)) //nolint:gosec // no secret
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

// Deployment describes the workload to the model. How often something was done is taken from what was, since a busy machine has it done less often.
//
// A reading of the feed goes 31 s back, and the workload is not that old. So as many sessions were ended before it began as the first of these
// seconds would have brought, on average over the time that counts.
func (w *Workload) Deployment(s Spent) model.Deployment {
	d := model.Default()
	clients := float64(w.habits.Clients)
	sessions := clients + others
	perSecond := func(n int64) float64 { return float64(n) / s.Time.Seconds() }
	perClient := func(n int64) float64 { return perSecond(n) * model.Day.Seconds() / clients }
	ends := perSecond(s.logouts + s.userEnds)
	d.Users, d.SessionsPerUser, d.Active = sessions, 1, clients/sessions
	d.Visits, d.VisitLength = 1, model.Day
	d.Requests = perClient(s.Requests)
	d.DataReads, d.DataWrites, d.Lists = perClient(s.dataReads), perClient(s.dataWrites), perClient(s.lists)
	d.AccessLifetime = w.habits.AccessLifetime
	d.Logins, d.Logouts, d.UserRevocations = ends*model.Day.Seconds()/sessions, perSecond(s.logouts)/ends, perSecond(s.userEnds)
	d.Processes, d.FeedInterval, d.KeyPollInterval, d.CleanupInterval = processes, feedInterval, keyInterval, cleanInterval
	d.UserID, d.Device, d.Payload, d.Data = len(UserName(1)), len(Device.UserAgent+Device.Address), len(Payload), len(Data)
	d.Schema, d.Peak = len(w.db.config.DBName), 1
	return d
}
