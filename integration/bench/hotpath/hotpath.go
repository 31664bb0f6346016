package hotpath

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/report"
)

// Part is "profiles".
func Part() env.Part {
	return env.Part{Name: "profiles", About: "where the time and the memory of the hot paths go", Run: run}
}

const text = "The three largest costs that remain in each hot path, from its CPU profile and from the profile of its allocations. A sample counts for the " +
	"last function of ours on its stack, with what that has called; where there is none of ours, for who was at work. `make profile` writes the " +
	"profiles themselves, for `go tool pprof`. The store is the one in memory."

// costs is how many are named.
const costs = 3

func length(short bool) time.Duration {
	if short {
		return 100 * time.Millisecond
	}
	return 4 * time.Second
}

func run(ctx context.Context, e *env.Env) (report.Section, error) {
	s := report.Section{Title: "What is left", Text: text}
	cpu := report.Table{Caption: "Time", Header: []string{"Path", "per operation, while profiled", "largest", "second", "third"}}
	memory := report.Table{Caption: "Bytes allocated", Header: []string{"Path", "per operation", "largest", "second", "third"}}
	for _, p := range paths() {
		e.Progress("%s", p.name)
		r, err := p.record(ctx, length(e.Short))
		if err != nil {
			return s, fmt.Errorf("%s: %w", p.name, err)
		}
		cpu.Rows = append(cpu.Rows, append([]string{p.about, report.Number(float64(r.took.Nanoseconds())/float64(r.ops)) + " ns"}, named(largest(r.cpu, "cpu", costs))...))
		memory.Rows = append(memory.Rows, append([]string{p.about, report.Bytes(r.bytes())}, named(largest(r.allocs, "alloc_space", costs))...))
	}
	s.Tables = []report.Table{cpu, memory}
	return s, nil
}

// bytes is what one operation allocates.
func (r profiles) bytes() float64 {
	total := int64(0)
	for i, t := range r.allocs.SampleType {
		if t.Type == "alloc_space" {
			for _, s := range r.allocs.Sample {
				total += s.Value[i]
			}
		}
	}
	return float64(total) / float64(r.memOps)
}

func named(all []cost) []string {
	var names []string
	for _, c := range all {
		names = append(names, fmt.Sprintf("%.0f %%: %s", 100*c.share, c.name))
	}
	return names
}

// Write leaves the profiles of all paths in a folder, as NAME.cpu.pb.gz and NAME.allocs.pb.gz.
func Write(ctx context.Context, e *env.Env, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	for _, p := range paths() {
		e.Progress("%s", p.name)
		r, err := p.record(ctx, length(e.Short))
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		for name, write := range map[string]func(*os.File) error{
			p.name + ".cpu.pb.gz":    func(f *os.File) error { return r.cpu.Write(f) },
			p.name + ".allocs.pb.gz": func(f *os.File) error { return r.allocs.Write(f) },
		} {
			if err := save(filepath.Join(dir, name), write); err != nil {
				return err
			}
		}
	}
	return nil
}

func save(file string, write func(*os.File) error) error {
	f, err := os.Create(file) //nolint:gosec // the folder is the user's choice
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return fmt.Errorf("write %s: %w", file, err)
	}
	return f.Close()
}
