package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// clock is virtual time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is an application and the command beside it, on one store.
type rig struct {
	t     *testing.T
	clock *clock
	store session.Store
	app   *session.Manager
	env   []string
	stdin io.Reader
	here  func() time.Time // the command's clock
	opens func() error     // of the command's store
}

func newRig(t *testing.T, cfg session.Config) *rig {
	t.Helper()
	c := newClock()
	r := &rig{t: t, clock: c, store: memstore.New(c.Now), stdin: strings.NewReader(""), here: c.Now, opens: func() error { return nil }}
	cfg.Clock = c.Now
	app, err := session.New(t.Context(), r.store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.app = app
	return r
}

// login begins sessions of a user and returns the last one.
func (r *rig) login(user string, n int) (last *session.Session) {
	r.t.Helper()
	for range n {
		s, _, err := r.app.Create(r.t.Context(), user, session.CreateOptions{
			Device: session.Device{UserAgent: "Browser/1.0", Address: "192.0.2.7"}, Label: "laptop",
		})
		if err != nil {
			r.t.Fatal(err)
		}
		last = s
		r.clock.advance(time.Second)
	}
	return last
}

// output is what a run has left.
type output struct {
	code           int
	stdout, stderr string
}

func (r *rig) run(args ...string) output {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	return r.runIn(ctx, args...)
}

func (r *rig) runIn(ctx context.Context, args ...string) output {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	code := command.Run(ctx, command.Environment{
		Args: args, Environ: r.env, Stdin: r.stdin, Stdout: &stdout, Stderr: &stderr, Now: r.here,
		Open: func(context.Context, settings.Settings, command.Now) (*command.Backend, error) {
			if err := r.opens(); err != nil {
				return nil, err
			}
			return &command.Backend{Name: "memory", Store: r.store, Close: func() error { return nil }}, nil
		},
	})
	return output{code, stdout.String(), stderr.String()}
}

// want runs and asserts the exit code.
func (r *rig) want(code int, args ...string) output {
	r.t.Helper()
	out := r.run(args...)
	if out.code != code {
		r.t.Errorf("watchword %s: got exit code %d, want %d\n%s%s", strings.Join(args, " "), out.code, code, out.stdout, out.stderr)
	}
	return out
}

// objects reads one JSON object from each line.
func objects[T any](t *testing.T, text string) (all []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v T
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%q is no object of its kind: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

func (r *rig) live(user string) int {
	r.t.Helper()
	infos, err := r.app.Sessions(r.t.Context(), user, session.Page{Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	return len(infos)
}

var errDown = errors.New("down")

// failing is a store that is away.
type failing struct{ session.Store }

func (failing) List(context.Context, string, session.Page) ([]session.Row, error) {
	return nil, errors.Join(session.ErrUnavailable, errDown)
}
