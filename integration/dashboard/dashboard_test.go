package dashboard_test

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

const observability = "../../demo/observability/"

var promQL = parser.NewParser(parser.Options{})

// dashboard is what Grafana reads, as far as it asks Prometheus.
type dashboard struct {
	UID    string
	Panels []panel
}

type panel struct {
	Type, Title string
	Datasource  struct{ Type, UID string }
	Targets     []struct{ Expr, LegendFormat string }
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(observability + "grafana/dashboards/watchword.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// grafana replaces its variables as Grafana does.
var grafana = strings.NewReplacer("$__rate_interval", "1m", "$__range", "15m", "$replica", "api1")

func newEngine(t *testing.T) *promql.Engine {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 10_000_000, Timeout: patience, Parser: promQL, LookbackDelta: 5 * time.Minute})
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// traffic brings about everything that a panel shows.
func traffic(t *testing.T, d *demo) {
	t.Helper()
	owner := d.login(t, "owner")
	owner.want(t, http.StatusOK, "GET", "/api/me", "")
	owner.want(t, http.StatusOK, "POST", "/api/reauthenticate", `{"password":"watchword"}`)
	owner.want(t, http.StatusOK, "GET", "/api/sessions", "")
	d.newClient().want(t, http.StatusUnauthorized, "GET", "/api/me", "")
	steal(t, d)
	owner.want(t, http.StatusOK, "POST", "/api/session/refresh", "")
	owner.want(t, http.StatusOK, "GET", "/api/me", "")
	owner.want(t, http.StatusOK, "GET", "/api/me", "")
	fail(t, d, owner)
	owner.want(t, http.StatusOK, "POST", "/api/logout", "")
}

// steal has a thief present a refresh token that its owner has replaced.
func steal(t *testing.T, d *demo) {
	t.Helper()
	victim := d.login(t, "victim")
	thief := victim.copied()
	victim.want(t, http.StatusOK, "POST", "/api/session/refresh", "")
	victim.want(t, http.StatusOK, "GET", "/api/me", "")
	thief.want(t, http.StatusUnauthorized, "POST", "/api/session/refresh", "")
}

// fail has the store be away for a moment.
func fail(t *testing.T, d *demo, c *client) {
	t.Helper()
	c.want(t, http.StatusOK, "POST", "/api/lab/outage", `{"on":true}`)
	c.want(t, http.StatusServiceUnavailable, "POST", "/api/session/refresh", "")
	c.want(t, http.StatusOK, "POST", "/api/lab/outage", `{"on":false}`)
	eventually(t, "a refresh succeeds after the outage", func() bool {
		_, status, err := c.do(t.Context(), "POST", d.base+"/api/session/refresh", "")
		return err == nil && status == http.StatusOK
	})
}

func TestQueries(t *testing.T) {
	t.Parallel()
	d, engine := start(t), newEngine(t)
	var m memory
	now := time.Now()
	traffic(t, d)
	eventually(t, "a cleanup is over", func() bool { return sum(d.scrape(t), "watchword_cleanup_run_total") > 0 })
	first := d.scrape(t)
	m.add(now.Add(-30*time.Second), first)
	traffic(t, d)
	last := d.scrape(t)
	m.add(now, last)

	queries := 0
	for _, p := range readDashboard(t).Panels {
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.Type != "prometheus" || p.Datasource.UID != "prometheus" {
			t.Errorf("%s: it asks nothing, or somebody else: %+v", p.Title, p)
		}
		for _, target := range p.Targets {
			queries++
			expr, err := promQL.ParseExpr(grafana.Replace(target.Expr))
			if err != nil {
				t.Errorf("%s: %s: %v", p.Title, target.Expr, err)
				continue
			}
			checkNames(t, p.Title, expr, last, true)
			checkResult(t, p.Title, target.LegendFormat, run(t, engine, &m, expr.String(), now))
		}
	}
	if queries < 35 {
		t.Errorf("the dashboard has %d queries", queries)
	}
}

func run(t *testing.T, engine *promql.Engine, m *memory, expr string, at time.Time) promql.Vector {
	t.Helper()
	q, err := engine.NewInstantQuery(t.Context(), m, nil, expr, at)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	result := q.Exec(t.Context())
	vector, err := result.Vector()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	if len(result.Warnings) > 0 {
		t.Errorf("%s: warnings %v", expr, result.Warnings)
	}
	return slices.Clone(vector)
}

var legendLabel = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// checkResult: there are series, at least one of them has something to show, and each has what its legend names.
func checkResult(t *testing.T, title, legend string, result promql.Vector) {
	t.Helper()
	if !slices.ContainsFunc(result, func(s promql.Sample) bool { return !math.IsNaN(s.F) && !math.IsInf(s.F, 0) }) {
		t.Errorf("%s, %s: got %v, want something to show", title, legend, result)
	}
	seen := map[string]bool{}
	for _, s := range result {
		name := legend
		for _, match := range legendLabel.FindAllStringSubmatch(legend, -1) {
			if s.Metric.Get(match[1]) == "" {
				t.Errorf("%s: the legend is %q, and a series has %v", title, legend, s.Metric)
			}
			name = strings.ReplaceAll(name, match[0], s.Metric.Get(match[1]))
		}
		if legend == "" || seen[name] {
			t.Errorf("%s: two series, or one without a legend, are called %q", title, name)
		}
		seen[name] = true
	}
}

// checkNames: each metric, each label, and where values is set each value of a label that a query names is there in a scrape.
func checkNames(t *testing.T, title string, expr parser.Expr, scrape []reading, values bool) {
	t.Helper()
	known := map[string]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		var own []labels.Labels
		for _, r := range scrape {
			if r.labels.Get("__name__") == selector.Name {
				own = append(own, r.labels)
				r.labels.Range(func(l labels.Label) { known[l.Name] = true })
			}
		}
		if len(own) == 0 {
			t.Errorf("%s: the demo has no metric %s", title, selector.Name)
		}
		for _, m := range selector.LabelMatchers {
			if len(own) > 0 && !known[m.Name] {
				t.Errorf("%s: %s has no label %s", title, selector.Name, m.Name)
			}
			if !values || m.Value == "" {
				continue
			}
			for value := range strings.SplitSeq(m.Value, "|") {
				if !slices.ContainsFunc(own, func(l labels.Labels) bool { return l.Get(m.Name) == value }) {
					t.Errorf("%s: no %s has %s %q", title, selector.Name, m.Name, value)
				}
			}
		}
		return nil
	})
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if a, ok := node.(*parser.AggregateExpr); ok {
			for _, name := range a.Grouping {
				if !known[name] {
					t.Errorf("%s: grouped by %s, of which the demo has only %v", title, name, slices.Sorted(maps.Keys(known)))
				}
			}
		}
		return nil
	})
}

// sum adds up the series of a metric.
func sum(scrape []reading, name string) (total float64) {
	for _, r := range scrape {
		if r.labels.Get("__name__") == name {
			total += r.value
		}
	}
	return total
}
