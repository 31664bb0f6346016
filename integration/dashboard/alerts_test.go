package dashboard_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
)

// step is how often the scenarios of alerts are scraped and looked at.
const step = time.Minute

func readAlerts(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	file, errs := rulefmt.ParseFile(observability+"alerts.yml", false, model.UTF8Validation, promQL, nil)
	if len(errs) > 0 {
		t.Fatalf("alerts.yml: %v", errs)
	}
	alerts := map[string]rulefmt.Rule{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" || alerts[rule.Alert].Alert != "" {
				t.Errorf("%q is no alert, or two", rule.Alert)
			}
			alerts[rule.Alert] = rule
		}
	}
	return alerts
}

// scenario is what is read, minute by minute, of a demo in which something is wrong from the middle on.
type scenario struct {
	length time.Duration
	change func(name string, r reading, wrong time.Duration) float64 // nil: the scrapes do
	after  []reading                                                 // instead of before, from the middle on
}

// replay fills a storage with a scenario that ends at a moment.
func (s scenario) replay(before []reading, end time.Time) *memory {
	var m memory
	after := s.after
	if after == nil {
		after = before
	}
	for ago := 2 * s.length; ago >= 0; ago -= step {
		wrong := s.length - ago
		scrape := slices.Clone(before)
		if wrong > 0 {
			scrape = slices.Clone(after)
		}
		for i, r := range scrape {
			if s.change != nil {
				scrape[i].value = s.change(r.labels.Get("__name__"), r, max(wrong, 0))
			}
		}
		m.add(end.Add(-ago), scrape)
	}
	return &m
}

// fires returns the alerts that fire: what has been so at each step of their time, and a step more.
func fires(t *testing.T, engine *promql.Engine, m *memory, rule rulefmt.Rule, end time.Time) promql.Vector {
	t.Helper()
	var result promql.Vector
	for ago := time.Duration(rule.For); ago >= 0; ago -= step {
		if result = run(t, engine, m, rule.Expr, end.Add(-ago)); len(result) == 0 {
			return nil
		}
	}
	return result
}

// grows is a counter that gains so many a second.
func grows(r reading, wrong time.Duration, rate float64) float64 {
	return r.value + rate*wrong.Seconds()
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	d, engine := start(t), newEngine(t)
	traffic(t, d)
	eventually(t, "a cleanup is over", func() bool { return sum(d.scrape(t), "watchword_cleanup_run_total") > 0 })
	quiet := d.scrape(t)
	end := time.Now().Add(time.Hour)

	// What can be brought about is.
	steal(t, d)
	robbed := d.scrape(t)
	owner := d.login(t, "owner")
	owner.want(t, http.StatusOK, "POST", "/api/lab/outage", `{"on":true}`)
	eventually(t, "the feed is stale", func() bool { return sum(d.scrape(t), "watchword_feed_stale") == 1 })
	for range 20 {
		owner.want(t, http.StatusServiceUnavailable, "POST", "/api/session/refresh", "")
	}
	away := d.scrape(t)

	is := func(name string, value func(reading, time.Duration) float64) scenario {
		return scenario{length: time.Hour, change: func(n string, r reading, wrong time.Duration) float64 {
			if n != name || wrong == 0 {
				return r.value
			}
			return value(r, wrong)
		}}
	}
	constant := func(v float64) func(reading, time.Duration) float64 {
		return func(reading, time.Duration) float64 { return v }
	}
	old := is("process_start_time_seconds", constant(float64(end.Add(-25*time.Hour).Unix())))
	old.length = 13 * time.Hour
	scenarios := map[string]scenario{
		"WatchwordDown":        is("up", constant(0)),
		"WatchwordTheft":       {length: 10 * time.Minute, after: robbed},
		"WatchwordFeedStale":   {length: 5 * time.Minute, after: away},
		"WatchwordStoreFails":  {length: 4 * time.Minute, after: away},
		"WatchwordKeysNotRead": is("watchword_key_lag_seconds", func(_ reading, wrong time.Duration) float64 { return wrong.Seconds() }),
		"WatchwordKeyOld":      is("watchword_key_age_seconds", constant(32*86400)),
		"WatchwordNoKey":       is("watchword_key_good", constant(0)),
		"WatchwordForgedTokens": is("watchword_access_token_verified_total", func(r reading, wrong time.Duration) float64 {
			if r.labels.Get("watchword_verify_result") != "bad_signature" {
				return r.value
			}
			return r.value + max((wrong-50*time.Minute).Seconds(), 0)*5
		}),
		"WatchwordSlow": is("watchword_operation_duration_seconds_bucket", func(r reading, wrong time.Duration) float64 {
			if le := r.labels.Get("le"); le != "5.0" && le != "10.0" && le != "+Inf" {
				return r.value
			}
			return grows(r, wrong, 1)
		}),
		"WatchwordNoCleanup":     old,
		"WatchwordEventsDropped": is("watchword_event_dropped_total", func(r reading, wrong time.Duration) float64 { return grows(r, wrong, 1) }),
	}
	calm := scenario{length: time.Hour}.replay(quiet, end)
	for name, rule := range readAlerts(t) {
		expr, err := promQL.ParseExpr(rule.Expr)
		if err != nil {
			t.Fatal(err)
		}
		checkNames(t, name, expr, away, false)
		checkText(t, rule)
		s, ok := scenarios[name]
		if !ok {
			t.Errorf("%s: no scenario brings it about", name)
			continue
		}
		delete(scenarios, name)
		if got := fires(t, engine, calm, rule, end); len(got) > 0 {
			t.Errorf("%s fires for nothing: %v", name, got)
		}
		got := fires(t, engine, s.replay(quiet, end), rule, end)
		if len(got) == 0 {
			t.Errorf("%s does not fire: %s", name, rule.Expr)
		}
		for _, one := range got {
			for _, label := range textLabel.FindAllStringSubmatch(rule.Annotations["summary"], -1) {
				if one.Metric.Get(label[1]) == "" {
					t.Errorf("%s: its text names %s, which %v lacks", name, label[1], one.Metric)
				}
			}
		}
	}
	for name := range scenarios {
		t.Errorf("alerts.yml has no %s", name)
	}
}

var textLabel = regexp.MustCompile(`\$labels\.(\w+)`)

// checkText: each alert says what is wrong, what that means, and who is to be woken.
func checkText(t *testing.T, rule rulefmt.Rule) {
	t.Helper()
	for _, text := range []string{rule.Annotations["summary"], rule.Annotations["description"]} {
		if !strings.HasSuffix(text, ".") {
			t.Errorf("%s: got text %q", rule.Alert, text)
		}
	}
	if severity := rule.Labels["severity"]; severity != "page" && severity != "ticket" {
		t.Errorf("%s: got severity %q", rule.Alert, severity)
	}
}
