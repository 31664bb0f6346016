package histories_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// world is what the clients live in.
type world struct {
	history  *history
	settings settings
	targets  []target
	table    table
	seed     uint64
	thinking time.Duration // how long a client waits between two calls, more or less

	load  context.Context // done: no new sessions
	all   context.Context // done: the test gives up
	value atomic.Int64

	mu       sync.Mutex
	watched  map[session.Handle]*record // by the observer
	browsers []*browser                 // every one that there was
}

// table is the sessions table, read past the product. Handles that it has nothing of are missing from the map.
type table interface {
	rows(ctx context.Context, handles []session.Handle) (map[session.Handle]tableRow, error)
}

// tableRow is a row with its marks as they are stored.
type tableRow struct {
	row
	current, pending, previous session.Mark
}

func (w *world) watch(r *record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched[r.Handle] = r
}

func (w *world) unwatch(r *record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watched, r.Handle)
}

func (w *world) watching() []*record {
	w.mu.Lock()
	defer w.mu.Unlock()
	records := make([]*record, 0, len(w.watched))
	for _, r := range w.watched {
		records = append(records, r)
	}
	return records
}

func (w *world) records() []*record {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	return slices.Clone(w.history.sessions)
}

// observe reads the rows of sessions, and notes what they say.
func (w *world) observe(ctx context.Context, from table, records []*record) error {
	handles := make([]session.Handle, len(records))
	for i, r := range records {
		handles[i] = r.Handle
	}
	call := w.history.now()
	rows, err := from.rows(ctx, handles)
	if err != nil {
		return err
	}
	ret := w.history.now()
	for _, r := range records {
		found, ok := rows[r.Handle]
		seen := found.row
		if !ok {
			seen.Missing = true
		}
		seen.Current, seen.Pending, seen.Previous = r.mark(found.current), r.mark(found.pending), r.mark(found.previous)
		r.add(&operation{Client: observerClient, Kind: readRow, Class: done, Row: &seen, Call: call, Return: ret})
	}
	return nil
}

// observeUntil does so again and again.
func (w *world) observeUntil(ctx context.Context) {
	for pause(ctx, 150*time.Millisecond) {
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		_ = w.observe(bounded, w.table, w.watching()) // while the server is away, nothing is seen
		cancel()
	}
}

const observerClient = 9999

// client is one of those who ask.
type client struct {
	world *world
	id    int
	thief bool
	rng   *rand.Rand
	// sure: no answer gets lost on the way, and nobody hangs up.
	sure bool
}

func (w *world) client(id int, stream uint64) *client {
	return &client{world: w, id: id, rng: rand.New(rand.NewPCG(w.seed, uint64(id)<<32|stream))}
}

// between draws a duration.
func (c *client) between(from, to time.Duration) time.Duration {
	return from + time.Duration(c.rng.Int64N(int64(to-from)))
}

// think waits as users do.
func (c *client) think(ctx context.Context) bool {
	return pause(ctx, c.between(c.world.thinking/10, c.world.thinking*2))
}

// ask has an inquiry answered by a process, and fills the operation in. False: the client has no answer, or none that it could
// use. Nothing is noted where no process was there to be asked.
func (c *client) ask(q inquiry, o *operation, note func(*operation, reply)) (reply, bool) {
	w := c.world
	ctx, cancel := context.WithTimeout(w.all, 20*time.Second)
	defer cancel()
	if !c.sure && c.rng.IntN(100) == 0 {
		hangUp, stop := context.WithTimeout(ctx, c.between(0, 8*time.Millisecond))
		defer stop()
		ctx = hangUp
	}
	t := w.targets[c.rng.IntN(len(w.targets))]
	o.Client, o.Thief, o.Kind, o.Process = c.id, c.thief, q.Kind, t.name()
	o.Call = w.history.now()
	p, err := t.ask(ctx, q)
	o.Return = w.history.now()
	if errors.Is(err, errDown) {
		pause(w.all, c.between(20*time.Millisecond, 60*time.Millisecond))
		return reply{}, false
	}
	w.history.calls.Add(1)
	if err != nil {
		o.Class, o.Hung = unknown, ctx.Err() != nil
	} else {
		o.Class, o.Count, o.Version, o.Confirmed = p.Class, p.Count, uint64(p.Version), p.Renewed
		o.TheftKind, o.EndedFor, o.Text = string(p.Theft), string(p.Reason), p.Text
		o.FeedRead = w.history.wall(p.FeedBegun)
		if q.Kind == readData {
			o.Read = p.Value
		}
	}
	// Whoever has waited for a quarter of the grace has given up.
	o.Lost = err == nil && (!c.sure && c.rng.IntN(25) == 0 || o.Return-o.Call >= int64(w.settings.Grace/4))
	note(o, p)
	if o.Class == unknown {
		pause(w.all, c.between(50*time.Millisecond, 300*time.Millisecond)) // as a client does that is told to come again
	}
	return p, err == nil && !o.Lost && o.Class != unknown
}
