package measure

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Rounds alternate in their order, and the first of them does not count.
func TestByTurnsReversesEachRound(t *testing.T) {
	t.Parallel()
	var order []string
	contender := func(name string) Contender {
		return Contender{Name: name, Run: func(context.Context, time.Duration) (Work, error) {
			order = append(order, name)
			return Work{Ops: len(order), Took: time.Second}, nil
		}}
	}
	results, err := ByTurns(t.Context(), 2, time.Millisecond, contender("a"), contender("b"), contender("c"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, ""), "abccbaabc"; got != want {
		t.Errorf("turns: got %s, want %s", got, want)
	}
	var ops [][]int
	for _, r := range results {
		var of []int
		for _, w := range r.Rounds {
			of = append(of, w.Ops)
		}
		ops = append(ops, of)
	}
	if want := [][]int{{6, 7}, {5, 8}, {4, 9}}; !slices.EqualFunc(ops, want, slices.Equal) {
		t.Errorf("operations of a, b and c in the rounds that count: got %v, want %v", ops, want)
	}
}

func TestByTurnsNamesWhoFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, run := range map[string]func(context.Context, time.Duration) (Work, error){
		"an error": func(context.Context, time.Duration) (Work, error) { return Work{Ops: 1}, broken },
		"no work":  func(context.Context, time.Duration) (Work, error) { return Work{}, nil },
	} {
		_, err := ByTurns(t.Context(), 1, time.Millisecond, Contender{Name: "somebody", Run: run})
		if err == nil || !strings.Contains(err.Error(), "somebody") || name == "an error" && !errors.Is(err, broken) {
			t.Errorf("%s: got %v, want an error that names the contender", name, err)
		}
	}
}

func TestClientsAllWork(t *testing.T) {
	t.Parallel()
	var did [3]atomic.Int64
	w, err := Clients(len(did), func(_ context.Context, client int) error {
		did[client].Add(1)
		time.Sleep(time.Millisecond) // an operation that takes a while
		return nil
	})(t.Context(), 30*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for client := range did {
		if n := int(did[client].Load()); n == 0 {
			t.Errorf("client %d did nothing", client)
		} else {
			sum += n
		}
	}
	if w.Ops != sum || len(w.Latencies) != sum {
		t.Errorf("got %d operations and %d latencies, want %d of each", w.Ops, len(w.Latencies), sum)
	}
	if !slices.IsSorted(w.Latencies) || w.Latencies[0] < time.Millisecond || w.Took < 30*time.Millisecond {
		t.Errorf("latencies from %v on, %v in all: want them sorted, 1 ms at least, 30 ms in all", w.Latencies[0], w.Took)
	}
}

// One client's error ends the others' work, and is what the caller learns.
func TestClientsStopAtAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	began := time.Now()
	_, err := Clients(4, func(ctx context.Context, client int) error {
		if client == 2 {
			return broken
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
		return nil
	})(t.Context(), time.Hour)
	if took := time.Since(began); !errors.Is(err, broken) || took > 30*time.Second {
		t.Errorf("got %v after %v, want the client's error at once", err, took)
	}
}

func TestRepeatCountsOperations(t *testing.T) {
	t.Parallel()
	did := 0
	w, err := Repeat(func(n int) error {
		did += n
		time.Sleep(time.Millisecond) // or else there would be too many
		return nil
	})(t.Context(), 20*time.Millisecond)
	if err != nil || w.Ops != did || did < 1 || w.Took < 20*time.Millisecond {
		t.Errorf("got %d operations in %v, %v; did %d in 20 ms", w.Ops, w.Took, err, did)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Repeat(func(int) error { return nil })(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: got %v, want %v", err, context.Canceled)
	}
}

func TestFiguresOfRounds(t *testing.T) {
	t.Parallel()
	latencies := func(ms ...int) (all []time.Duration) {
		for _, n := range ms {
			all = append(all, time.Duration(n)*time.Millisecond)
		}
		return all
	}
	a := Result{Rounds: []Work{
		{Ops: 100, Took: time.Second, Latencies: latencies(1, 2, 9)},
		{Ops: 300, Took: time.Second, Latencies: latencies(2, 3, 8)},
		{Ops: 200, Took: 2 * time.Second, Latencies: latencies(4, 4, 4)},
		{Ops: 40, Took: 200 * time.Millisecond, Latencies: latencies(6, 6, 6)},
	}}
	b := Result{Rounds: []Work{
		{Ops: 50, Took: time.Second, Latencies: latencies(2, 4, 9)},
		{Ops: 100, Took: time.Second, Latencies: latencies(2, 3, 8)},
		{Ops: 25, Took: time.Second, Latencies: latencies(4, 4, 4)},
		{Ops: 200, Took: time.Second, Latencies: latencies(3, 3, 3)},
	}}
	ms := float64(time.Millisecond)
	for _, test := range []struct {
		what      string
		got, want Spread
	}{
		{"throughput", a.Throughput(), Spread{Median: 150, Low: 100, High: 300}},
		{"time of each", a.PerOp(), Spread{Median: 7.5 * ms, Low: ms * 10 / 3, High: 10 * ms}},
		{"median latency", a.Latency(0.5), Spread{Median: 3.5 * ms, Low: 2 * ms, High: 6 * ms}},
		{"highest latency", a.Latency(1), Spread{Median: 7 * ms, Low: 4 * ms, High: 9 * ms}},
		{"ratio of each round", Ratio(a, b), Spread{Median: 2.5, Low: 1, High: 4}},
		{"ratio of latencies", LatencyRatio(a, b, 0.5), Spread{Median: 1, Low: 0.5, High: 2}},
	} {
		if !near(test.got.Median, test.want.Median) || !near(test.got.Low, test.want.Low) || !near(test.got.High, test.want.High) {
			t.Errorf("%s: got %+v, want %+v", test.what, test.got, test.want)
		}
	}
	if got := Quantile(nil, 0.5); got != 0 {
		t.Errorf("quantile of nothing: got %v, want 0", got)
	}
}

func near(got, want float64) bool { return got > want*0.999999 && got < want*1.000001 }
