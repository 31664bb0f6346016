package otelsession_test

import (
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	otelsession "github.com/watchword-dev/watchword/adapters/otel"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// managers returns what verifies a token that was seen before, without this package and with all of it.
func managers(tb testing.TB) (without, with func()) {
	tb.Helper()
	verify := func(m *session.Manager, err error) func() {
		if err != nil {
			tb.Fatal(err)
		}
		_, tokens, err := m.Create(tb.Context(), "alice", session.CreateOptions{Payload: map[string]string{"role": "user"}})
		if err != nil {
			tb.Fatal(err)
		}
		ctx := tb.Context()
		f := func() {
			if _, err := m.Verify(ctx, tokens.AccessToken, session.VerifyOptions{}); err != nil {
				tb.Fatal(err)
			}
		}
		f()
		return f
	}
	telemetry, err := otelsession.New(otelsession.Config{
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(metric.NewManualReader())),
		TracerProvider: sdktrace.NewTracerProvider(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = telemetry.Close() })
	return verify(session.New(tb.Context(), memstore.New(nil), session.Config{})),
		verify(telemetry.Manager(tb.Context(), memstore.New(nil), session.Config{}))
}

// BenchmarkVerify compares the verification of a token that was seen before without and with this package: some of one, some of the other,
// and so on, so that whatever else the machine does concerns both. A batch takes less than a slice of the processor's time, and the median is
// one that nothing has interrupted.
func BenchmarkVerify(b *testing.B) {
	without, with := managers(b)
	const batch = 200
	var took [2][]time.Duration
	for b.Loop() {
		for i, verify := range []func(){without, with} {
			begun := time.Now()
			for range batch {
				verify()
			}
			took[i] = append(took[i], time.Since(begun))
		}
	}
	median := func(took []time.Duration) float64 {
		slices.Sort(took)
		return float64(took[len(took)/2]) / batch
	}
	b.ReportMetric(0, "ns/op") // of two batches: of no use
	b.ReportMetric(median(took[0]), "ns-without/op")
	b.ReportMetric(median(took[1]), "ns-with/op")
	b.ReportMetric(median(took[1])-median(took[0]), "ns-on-top/op")
}

// BenchmarkVerifyParallel is the same on all processors at once.
func BenchmarkVerifyParallel(b *testing.B) {
	without, with := managers(b)
	for name, verify := range map[string]func(){"without": without, "with": with} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					verify()
				}
			})
		})
	}
}

// What is measured allocates nothing, the counting of the core included.
func TestVerifyAllocatesNothingMore(t *testing.T) {
	without, with := managers(t)
	if a, b := testing.AllocsPerRun(500, without), testing.AllocsPerRun(500, with); b > a || b > 1 {
		t.Errorf("a verification makes %v allocations, %v without this package, want no more than one", b, a)
	}
}
