package dashboard_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// reading is one value of a series.
type reading struct {
	labels labels.Labels
	value  float64
}

// scrape reads the demo's metrics as Prometheus does, with the labels that prometheus.yml gives them.
func (d *demo) scrape(t *testing.T) []reading {
	t.Helper()
	text, status, err := d.newClient().do(t.Context(), "GET", d.metrics, "")
	if err != nil || status != http.StatusOK {
		t.Fatalf("scrape: got %d, %v", status, err)
	}
	parser, err := textparse.New([]byte(text), "text/plain; version=0.0.4", nil, textparse.ParserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	target := []string{"job", "watchword", "instance", "metrics:9081", "replica", "api1"}
	all := []reading{{labels.FromStrings(append(target, "__name__", "up")...), 1}}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("what /metrics says: %v", err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := parser.Series()
		var own labels.Labels
		parser.Labels(&own)
		b := labels.NewBuilder(own)
		for i := 0; i < len(target); i += 2 {
			b.Set(target[i], target[i+1])
		}
		all = append(all, reading{b.Labels(), value})
	}
}

// memory is a storage of series, from scrapes that were made at the moments that the test says.
type memory struct {
	order  []string
	labels map[string]labels.Labels
	points map[string][]chunks.Sample
}

func (m *memory) add(at time.Time, scrape []reading) {
	if m.labels == nil {
		m.labels, m.points = map[string]labels.Labels{}, map[string][]chunks.Sample{}
	}
	for _, r := range scrape {
		id := r.labels.String()
		if _, ok := m.labels[id]; !ok {
			m.labels[id] = r.labels
			m.order = append(m.order, id)
		}
		m.points[id] = append(m.points[id], point{at.UnixMilli(), r.value})
	}
}

// Querier implements storage.Queryable.
func (m *memory) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{m, mint, maxt}, nil
}

type querier struct {
	*memory
	mint, maxt int64
}

// Select implements storage.Querier.
func (q *querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{at: -1}
	slices.Sort(q.order)
	for _, id := range q.order {
		if !matches(q.labels[id], matchers) {
			continue
		}
		var points []chunks.Sample
		for _, p := range q.points[id] {
			if p.T() >= q.mint && p.T() <= q.maxt {
				points = append(points, p)
			}
		}
		set.all = append(set.all, storage.NewListSeries(q.labels[id], points))
	}
	return set
}

func matches(l labels.Labels, matchers []*labels.Matcher) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(l.Get(m.Name)) })
}

func (*querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (*querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (*querier) Close() error { return nil }

type seriesSet struct {
	all []storage.Series
	at  int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.all) }
func (s *seriesSet) At() storage.Series              { return s.all[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// point is one value at a moment.
type point struct {
	t int64
	v float64
}

func (p point) T() int64                    { return p.t }
func (point) ST() int64                     { return 0 }
func (p point) F() float64                  { return p.v }
func (point) H() *histogram.Histogram       { return nil }
func (point) FH() *histogram.FloatHistogram { return nil }
func (point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample         { return p }
