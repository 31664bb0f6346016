package hotpath

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// cost is what one thing takes of a profile's total.
type cost struct {
	name  string
	share float64
}

// largest says what takes the most: each sample counts for the last function of ours on its stack, with what that has called, and where
// there is none, for whoever was at work.
func largest(p *profile.Profile, sampleType string, n int) []cost {
	index := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == sampleType })
	if index < 0 {
		return nil
	}
	sums, total := map[string]int64{}, int64(0)
	for _, s := range p.Sample {
		value := s.Value[index]
		sums[whose(stack(s))] += value
		total += value
	}
	var all []cost
	for name, sum := range sums {
		if total > 0 && sum > 0 {
			all = append(all, cost{name, float64(sum) / float64(total)})
		}
	}
	slices.SortFunc(all, func(a, b cost) int { return cmp.Or(cmp.Compare(b.share, a.share), strings.Compare(a.name, b.name)) })
	return all[:min(n, len(all))]
}

// stack is a sample's functions, the one that ran first.
func stack(s *profile.Sample) []string {
	var names []string
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function != nil {
				names = append(names, line.Function.Name)
			}
		}
	}
	return names
}

const (
	product = "github.com/watchword-dev/watchword/"
	bench   = product + "integration/"
)

func whose(stack []string) string {
	for i, name := range stack {
		switch {
		case strings.HasPrefix(name, bench+"bench/load"):
			return "the client of the benchmark"
		case strings.HasPrefix(name, bench):
			return "the benchmark itself"
		case strings.HasPrefix(name, product) && i == 0:
			return short(name)
		case strings.HasPrefix(name, product):
			return short(name) + " → " + short(stack[i-1])
		case strings.HasPrefix(name, "runtime.gcBgMarkWorker"), strings.HasPrefix(name, "runtime.bgsweep"), strings.HasPrefix(name, "runtime.bgscavenge"):
			return "garbage collection"
		case strings.HasPrefix(name, "net/http.(*conn).serve"):
			return "net/http's server"
		}
	}
	return "the scheduler"
}

var (
	closure = regexp.MustCompile(`\.func\d+(\.\d+)*|\.gowrap\d+|\[\.\.\.\]`)
	major   = regexp.MustCompile(`/v\d+\.`)
)

// short writes a function as a reader of its code would: "jwt.(*SigningMethodHMAC).Verify". A closure goes by the name of the function
// that it stands in, also where that was inlined into another.
func short(name string) string {
	name = closure.ReplaceAllString(major.ReplaceAllString(name, "."), "")
	name = name[strings.LastIndexByte(name, '/')+1:]
	if last := strings.LastIndex(name, "(*"); last > 0 {
		name = name[:strings.IndexByte(name, '.')+1] + name[last:]
	}
	return name
}
