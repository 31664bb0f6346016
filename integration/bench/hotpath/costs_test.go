package hotpath

import (
	"reflect"
	"testing"

	"github.com/google/pprof/profile"
)

// A sample counts for the last function of ours that was at work.
func TestLargestCosts(t *testing.T) {
	t.Parallel()
	const (
		parse  = "github.com/watchword-dev/watchword/session/internal/accesstoken.Parse"
		verify = "github.com/watchword-dev/watchword/session.(*Manager).Verify"
		inner  = "github.com/watchword-dev/watchword/adapters/nethttp.(*Sessions).Require.(*Sessions).RequireWith.func1.func2"
	)
	functions := map[string]*profile.Location{}
	sample := func(value int64, stack ...string) *profile.Sample {
		s := &profile.Sample{Value: []int64{1, value}}
		for _, name := range stack {
			if functions[name] == nil {
				functions[name] = &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}}
			}
			s.Location = append(s.Location, functions[name])
		}
		return s
	}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "cpu"}},
		Sample: []*profile.Sample{
			sample(30, "runtime.memmove", "encoding/json.(*decoder).object", "encoding/json.Unmarshal", parse, verify),
			sample(10, "encoding/json.Unmarshal", parse, verify),
			sample(20, parse, verify, "github.com/watchword-dev/watchword/integration/bench/hotpath.repeat"),
			sample(15, "github.com/golang-jwt/jwt/v5.(*SigningMethodHMAC).Verify", inner),
			sample(12, "runtime.scanobject", "runtime.gcBgMarkWorker"),
			sample(5, "time.Now", "github.com/watchword-dev/watchword/integration/bench/hotpath.repeat"),
			sample(4, "syscall.write", "github.com/watchword-dev/watchword/integration/bench/load.(*Client).Do", "github.com/watchword-dev/watchword/integration/bench/hotpath.repeat"),
			sample(3, "net/http.readRequest", "net/http.(*conn).serve"),
			sample(1, "runtime.findRunnable"),
		},
	}
	want := []cost{
		{"accesstoken.Parse → json.Unmarshal", 0.40}, {"accesstoken.Parse", 0.20}, {"nethttp.(*Sessions).RequireWith → jwt.(*SigningMethodHMAC).Verify", 0.15},
		{"garbage collection", 0.12}, {"the benchmark itself", 0.05}, {"the client of the benchmark", 0.04}, {"net/http's server", 0.03}, {"the scheduler", 0.01},
	}
	if got := largest(p, "cpu", 10); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := largest(p, "cpu", 1); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("the largest: got %+v, want %+v", got, want[:1])
	}
	if got := largest(p, "alloc_space", 1); got != nil {
		t.Errorf("of a kind that the profile has not: got %+v, want none", got)
	}
}
