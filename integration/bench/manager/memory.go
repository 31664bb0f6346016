package manager

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// used is the memory of what can be reached, and of stacks.
func used() float64 {
	runtime.GC()
	runtime.GC() // what the first has only queued for its finalizer
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// heap is what one idle Manager holds, its part of the store in memory included.
func heap(ctx context.Context) (float64, error) {
	const managers = 20
	running, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	before := used()
	kept := make([]*session.Manager, managers)
	for i := range kept {
		m, err := session.New(ctx, memstore.New(nil), session.Config{})
		if err != nil {
			return 0, err
		}
		kept[i] = m
		all.Go(func() { m.Run(running) })
	}
	after := used()
	runtime.KeepAlive(kept)
	return (after - before) / managers, nil
}

// remembered is what one of the tokens that a Manager remembers may take; see session.Config.VerifiedTokens.
const remembered = 4.5 * (1 << 10)

// seen is what a Manager keeps of tokens that it has verified.
func seen(ctx context.Context, e *env.Env) (t report.Table, all report.Budget, err error) {
	t = report.Table{
		Caption: "Memory of one Manager after so many different tokens, with all defaults",
		Header:  []string{"Tokens verified", "growth", "for each token"},
	}
	share := 1
	if e.Short {
		share = 100
	}
	// Another Manager makes them, so that this one has seen none.
	store := memstore.New(nil)
	maker, err := session.New(ctx, store, session.Config{})
	if err != nil {
		return t, all, err
	}
	verifier, err := session.New(ctx, store, session.Config{})
	if err != nil {
		return t, all, err
	}
	var tokens []string
	for _, n := range []int{1_000, 10_000, 50_000, 100_000, 200_000} {
		n /= share
		for at := len(tokens); at < n; at++ {
			if err := ctx.Err(); err != nil {
				return t, all, err
			}
			_, made, err := maker.Create(ctx, fmt.Sprintf("user-%d", at), session.CreateOptions{Payload: map[string]string{"role": "user"}})
			if err != nil {
				return t, all, err
			}
			tokens = append(tokens, made.AccessToken)
		}
	}
	sum, done := 0.0, 0
	for _, n := range []int{1_000, 10_000, 50_000, 100_000, 200_000} {
		n /= share
		before := used()
		for ; done < n; done++ {
			// A token's text is part of its request, which is over: what is kept of it has to be kept for it.
			if _, err := verifier.Verify(ctx, strings.Clone(tokens[done]), session.VerifyOptions{}); err != nil {
				return t, all, err
			}
		}
		sum += used() - before
		t.Rows = append(t.Rows, []string{report.Number(float64(n)), report.Bytes(sum), report.Bytes(sum / float64(n))})
	}
	runtime.KeepAlive(verifier)
	runtime.KeepAlive(tokens)
	return t, report.Budget{
		What: fmt.Sprintf("Memory that a Manager keeps for %s tokens that it has verified, %s of them remembered", report.Number(float64(done)), report.Number(session.DefaultVerifiedTokens)),
		Want: "≤ " + report.Bytes(session.DefaultVerifiedTokens*remembered), Got: report.Bytes(sum), Met: sum <= session.DefaultVerifiedTokens*remembered, Counted: true,
	}, nil
}
