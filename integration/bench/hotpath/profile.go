package hotpath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// profiles are those of one path.
type profiles struct {
	path   path
	ops    int // while time was profiled
	took   time.Duration
	cpu    *profile.Profile
	allocs *profile.Profile // of memOps operations, each allocation counted
	memOps int
}

// record runs a path for a while for each of its profiles.
func (p path) record(ctx context.Context, d time.Duration) (_ profiles, err error) {
	r := profiles{path: p}
	op, end, err := p.open(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, end()) }()
	warm := min(d/10, 200*time.Millisecond)
	if _, _, err := repeat(ctx, op, warm); err != nil {
		return r, err
	}
	runtime.GC()
	var raw bytes.Buffer
	if err := pprof.StartCPUProfile(&raw); err != nil {
		return r, err
	}
	r.ops, r.took, err = repeat(ctx, op, d)
	pprof.StopCPUProfile()
	if err != nil {
		return r, err
	}
	if r.cpu, err = profile.Parse(&raw); err != nil {
		return r, err
	}
	r.allocs, r.memOps, err = allocations(ctx, op, d/4)
	return r, err
}

// repeat does an operation again and again for a while.
func repeat(ctx context.Context, op func() error, d time.Duration) (n int, took time.Duration, err error) {
	for began := time.Now(); took < d; took = time.Since(began) {
		if err := ctx.Err(); err != nil {
			return n, took, err
		}
		for range 64 {
			if err := op(); err != nil {
				return n, took, err
			}
			n++
		}
	}
	return n, took, nil
}

// allocations counts each one while the operation is repeated: what the profile had before is taken off.
func allocations(ctx context.Context, op func() error, d time.Duration) (*profile.Profile, int, error) {
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	runtime.MemProfileRate = 1
	before, err := allocated()
	if err != nil {
		return nil, 0, err
	}
	n, _, err := repeat(ctx, op, d)
	if err != nil {
		return nil, 0, err
	}
	after, err := allocated()
	if err != nil {
		return nil, 0, err
	}
	old, err := profile.Parse(bytes.NewReader(before))
	if err != nil {
		return nil, 0, err
	}
	all, err := profile.Parse(bytes.NewReader(after))
	if err != nil {
		return nil, 0, err
	}
	old.Scale(-1)
	delta, err := profile.Merge([]*profile.Profile{all, old})
	if err != nil {
		return nil, 0, fmt.Errorf("take one profile off another: %w", err)
	}
	delta.Sample = slices.DeleteFunc(delta.Sample, func(s *profile.Sample) bool { // what the first profile was written with
		return slices.ContainsFunc(stack(s), func(name string) bool { return strings.HasSuffix(name, "hotpath.allocated") })
	})
	return delta.Compact(), n, nil
}

func allocated() ([]byte, error) {
	runtime.GC()
	runtime.GC() // a profile is complete up to the last collection but one
	var raw bytes.Buffer
	err := pprof.Lookup("allocs").WriteTo(&raw, 0)
	return raw.Bytes(), err
}
