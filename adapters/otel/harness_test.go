package otelsession_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	otelsession "github.com/watchword-dev/watchword/adapters/otel"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is virtual time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

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

// measured is a Manager that is measured, over a store that fails on demand.
type measured struct {
	*session.Manager
	t         *testing.T
	telemetry *otelsession.Telemetry
	clock     *clock
	store     *storetest.FaultyStore
	reader    *metric.ManualReader
	spans     *tracetest.SpanRecorder
	traces    *sdktrace.TracerProvider
}

func measure(t *testing.T, change ...func(*session.Config)) *measured {
	t.Helper()
	c := &clock{now: time.UnixMilli(1_760_000_000_000).UTC()}
	w := &measured{
		t: t, clock: c, store: storetest.Faulty(memstore.New(c.Now)),
		reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder(),
	}
	w.traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans))
	var err error
	w.telemetry, err = otelsession.New(otelsession.Config{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(w.reader)), TracerProvider: w.traces, System: "mysql",
	})
	if err != nil {
		t.Fatal(err)
	}
	// Keys that are read seldom, so that what is expected holds none of that.
	cfg := session.Config{AccessJitter: session.NoJitter, Clock: c.Now, KeyPropagation: 2 * time.Hour, KeyPollInterval: time.Hour}
	for _, f := range change {
		f(&cfg)
	}
	if w.Manager, err = w.telemetry.Manager(t.Context(), w.store, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.telemetry.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *measured) login(userID string) session.Tokens {
	w.t.Helper()
	_, tokens, err := w.Create(w.t.Context(), userID, session.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return tokens
}

func (w *measured) use(ctx context.Context, token string) *session.Session {
	w.t.Helper()
	s, err := w.Verify(ctx, token, session.VerifyOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *measured) refresh(token string) session.Tokens {
	w.t.Helper()
	_, tokens, err := w.Refresh(w.t.Context(), token, session.RefreshOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return tokens
}

// series is one line of what is exported: a metric with its attributes, as name{key=value,…}.
type series map[string]float64

// collect reads all metrics. A histogram is shown by its count.
func (w *measured) collect() series {
	w.t.Helper()
	all := series{}
	for _, m := range w.metrics() {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			points(all, m.Name, data.DataPoints)
		case metricdata.Gauge[int64]:
			points(all, m.Name, data.DataPoints)
		case metricdata.Gauge[float64]:
			points(all, m.Name, data.DataPoints)
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				all[m.Name+labels(p.Attributes)] = float64(p.Count)
			}
		default:
			w.t.Errorf("%s is a %T", m.Name, m.Data)
		}
	}
	return all
}

func (w *measured) metrics() []metricdata.Metrics {
	w.t.Helper()
	var read metricdata.ResourceMetrics
	if err := w.reader.Collect(context.WithoutCancel(w.t.Context()), &read); err != nil {
		w.t.Fatal(err)
	}
	var all []metricdata.Metrics
	for _, scope := range read.ScopeMetrics {
		all = append(all, scope.Metrics...)
	}
	return all
}

func points[N int64 | float64](all series, name string, data []metricdata.DataPoint[N]) {
	for _, p := range data {
		all[name+labels(p.Attributes)] = float64(p.Value)
	}
}

func labels(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		parts = append(parts, string(kv.Key)+"="+kv.Value.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// moved returns how much each series has grown since before, where it has.
func (s series) moved(before series) series {
	moved := series{}
	for name, n := range s {
		if n != before[name] {
			moved[name] = n - before[name]
		}
	}
	return moved
}

// names are those of the series, sorted, without what depends on time.
func (s series) names() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
