package otelsession_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
)

// what is told of the store's calls and of operations.
const (
	dbCall    = "db.client.operation.duration"
	operation = "watchword.operation.duration"
)

func calls(method string) string {
	return dbCall + "{db.operation.name=" + method + ",db.system.name=mysql}"
}

func failedCalls(method, failure string) string {
	return dbCall + "{db.operation.name=" + method + ",db.system.name=mysql,error.type=" + failure + "}"
}

func operations(name string) string { return operation + "{watchword.operation=" + name + "}" }

func failedOperations(name, failure string) string {
	return operation + "{error.type=" + failure + ",watchword.operation=" + name + "}"
}

// TestMetricsOfEachFlow: each step moves exactly these series, by so much.
func TestMetricsOfEachFlow(t *testing.T) {
	t.Parallel()
	w := measure(t)
	ctx := t.Context()
	before := w.collect()
	step := func(what string, want series) {
		t.Helper()
		now := w.collect()
		got := now.moved(before)
		before = now
		for _, timed := range []string{"watchword.feed.lag", "watchword.feed.stale", "watchword.key.lag", "watchword.key.age{watchword.key.purpose=access}", "watchword.key.age{watchword.key.purpose=refresh}"} {
			delete(got, timed) // see TestStateMetrics
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s moved\n%v, want\n%v", what, got, want)
		}
	}
	verified := func(result string) string {
		return "watchword.access_token.verified{watchword.verify.result=" + result + "}"
	}
	refreshed := func(result string) string {
		return "watchword.session.refreshed{watchword.refresh.result=" + result + "}"
	}
	ended := func(reason session.Reason) string {
		return "watchword.session.ended{watchword.end.reason=" + string(reason) + "}"
	}

	first := w.login("alice")
	step("create", series{"watchword.session.created": 1, operations("create"): 1, calls("Insert"): 1})
	w.use(ctx, first.AccessToken)
	step("miss", series{verified("miss"): 1})
	for range 5 {
		w.use(ctx, first.AccessToken)
	}
	step("hit", series{verified("hit"): 5})
	_, _ = w.Verify(ctx, "nonsense", session.VerifyOptions{})
	step("nonsense", series{verified("malformed"): 1})

	w.refresh(first.RefreshToken)
	step("a new token", series{refreshed("kept"): 1, operations("refresh"): 1, calls("Get"): 1})
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken)
	step("refresh", series{refreshed("rotated"): 1, operations("refresh"): 1, calls("Get"): 1, calls("Mint"): 1})
	s := w.use(ctx, second.AccessToken)
	step("first use", series{verified("confirmed"): 1, "watchword.refresh_token.confirmed": 1, operations("verify"): 1, calls("Confirm"): 1})

	w.clock.advance(time.Minute)
	_, _, err := w.Refresh(ctx, first.RefreshToken, session.RefreshOptions{})
	if !errors.Is(err, session.ErrUnauthorised) {
		t.Fatal(err)
	}
	step("theft", series{
		refreshed("theft"): 1, "watchword.refresh_token.stolen{watchword.theft.kind=reuse}": 1, ended(session.ReasonTheft): 1, "watchword.feed.size": 1,
		failedOperations("refresh", "theft"): 1, calls("Get"): 1, calls("End"): 1,
	})
	_, _ = w.Verify(ctx, second.AccessToken, session.VerifyOptions{})
	step("revoked", series{verified("ended"): 1})
	_, err = s.Data(ctx)
	if !errors.Is(err, session.ErrUnauthorised) {
		t.Fatal(err)
	}
	step("data of none", series{failedOperations("data", "unauthorised"): 1, calls("Data"): 1})

	third := w.login("bob")
	s = w.use(ctx, third.AccessToken)
	if _, err := s.Revoke(ctx, session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	step("logout", series{
		"watchword.session.created": 1, operations("create"): 1, calls("Insert"): 1, verified("miss"): 1,
		ended(session.ReasonLogout): 1, "watchword.feed.size": 1, operations("revoke"): 1, calls("End"): 1,
	})
	fourth := w.login("bob")
	w.store.Play(storetest.From(1, storetest.Refused))
	_, _, err = w.Refresh(ctx, fourth.RefreshToken, session.RefreshOptions{})
	if !errors.Is(err, session.ErrUnavailable) {
		t.Fatal(err)
	}
	w.store.Play(storetest.From(1, storetest.NoFault))
	step("outage", series{
		"watchword.session.created": 1, operations("create"): 1, calls("Insert"): 1,
		refreshed("unavailable"): 1, failedOperations("refresh", "unavailable"): 1, failedCalls("Get", "unavailable"): 1,
	})
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, _ = w.Lookup(gone, s.Handle())
	step("hung up", series{failedOperations("lookup", "cancelled"): 1, failedCalls("Get", "cancelled"): 1})

	w.clock.advance(session.DefaultIdleLifetime + time.Minute)
	if _, err := w.Cleanup(ctx); err != nil {
		t.Fatal(err)
	}
	now := w.collect()
	got := now.moved(before)
	for name, want := range (series{
		ended(session.ReasonIdle): 1, "watchword.cleanup.removed{watchword.cleanup.kind=expired}": 1,
		"watchword.cleanup.run{watchword.cleanup.result=complete}": 1, calls("EndExpired"): 2, calls("Elect"): 1,
	}) {
		if got[name] != want {
			t.Errorf("cleanup moved %s by %v, want %v", name, got[name], want)
		}
	}
	if got["watchword.cleanup.removed{watchword.cleanup.kind=purged}"] == 0 || got[calls("Purge")] == 0 {
		t.Errorf("cleanup moved %v", got)
	}
	if got := now["watchword.cleanup.running"]; got != 0 {
		t.Errorf("%v cleanups are said to be under way", got)
	}
}

// TestStateMetrics: what is known of the feed and of the keys.
func TestStateMetrics(t *testing.T) {
	t.Parallel()
	w := measure(t)
	want := func(values series) {
		t.Helper()
		got := w.collect()
		for name, value := range values {
			if n, ok := got[name]; !ok || n != value {
				t.Errorf("%s: got %v (%v), want %v", name, n, ok, value)
			}
		}
	}
	const access, refresh = "{watchword.key.purpose=access}", "{watchword.key.purpose=refresh}"
	want(series{
		"watchword.feed.lag": 0, "watchword.feed.stale": 0, "watchword.feed.size": 0, "watchword.key.lag": 0, "watchword.event.dropped": 0,
		"watchword.key.age" + access: 0, "watchword.key.good" + access: 1, "watchword.key.good" + refresh: 1,
		"watchword.key.published" + access: 1, "watchword.key.published" + refresh: 1,
	})
	w.clock.advance(time.Minute)
	want(series{
		"watchword.feed.lag": 60, "watchword.feed.stale": 1, "watchword.key.lag": 60, "watchword.key.age" + access: 60, "watchword.key.age" + refresh: 60,
	})
	if err := w.RotateNow(t.Context(), session.PurposeAccess, "test", true); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Second)
	want(series{
		"watchword.key.age" + access: 1, "watchword.key.age" + refresh: 61, "watchword.key.good" + access: 1, "watchword.key.published" + access: 2,
		operations("rotate_keys"): 1,
	})
	if _, err := w.RevokeAll(t.Context(), session.RevokeOptions{}); err != nil { // reads the feed
		t.Fatal(err)
	}
	want(series{"watchword.feed.lag": 0, "watchword.feed.stale": 0})

	strict := measure(t, func(cfg *session.Config) { cfg.Revocation = session.RevocationStrict })
	for name := range strict.collect() {
		if strings.HasPrefix(name, "watchword.feed.") {
			t.Errorf("without a feed there is %s", name)
		}
	}
}

// TestDroppedEvents: what the application's own hook was too slow for.
func TestDroppedEvents(t *testing.T) {
	t.Parallel()
	slow := make(chan struct{})
	w := measure(t, func(cfg *session.Config) { cfg.OnEvent = func(session.Event) { <-slow } })
	for range 5000 {
		w.login("alice")
	}
	got := w.collect()
	close(slow)
	if n := got["watchword.event.dropped"]; n < 1000 {
		t.Errorf("%v events were dropped, want more than 1000", n)
	}
	if n := got["watchword.session.created"]; n != 5000 {
		t.Errorf("got %v created, want 5000, the dropped ones included", n)
	}
}

// TestCleanupUnderWay is seen while it is.
func TestCleanupUnderWay(t *testing.T) {
	t.Parallel()
	var w *measured
	running := 0.0
	w = measure(t, func(cfg *session.Config) {
		cfg.CleanupHold = func(context.Context) bool {
			running = max(running, w.collect()["watchword.cleanup.running"])
			return false
		}
	})
	if _, err := w.Cleanup(t.Context()); err != nil || running != 1 {
		t.Errorf("got %v running, %v, want 1", running, err)
	}
}

// TestMetricsAfterClose: who is closed is asked no more.
func TestMetricsAfterClose(t *testing.T) {
	t.Parallel()
	w := measure(t)
	w.login("alice")
	if err := w.telemetry.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.collect()["watchword.session.created"]; ok {
		t.Error("it is still observed")
	}
}

// TestInstruments: names, kinds and units are a contract with dashboards.
func TestInstruments(t *testing.T) {
	t.Parallel()
	w := measure(t)
	w.login("alice")
	var got []string
	for _, m := range w.metrics() {
		kind := ""
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			kind = "up-down"
			if data.IsMonotonic {
				kind = "counter"
			}
		case metricdata.Gauge[int64], metricdata.Gauge[float64]:
			kind = "gauge"
		case metricdata.Histogram[float64]:
			kind = "histogram"
		}
		got = append(got, m.Name+" "+kind+" "+m.Unit)
		if m.Description == "" {
			t.Errorf("%s has no description", m.Name)
		}
	}
	slices.Sort(got)
	want := []string{
		"db.client.operation.duration histogram s",
		"watchword.access_token.verified counter {token}",
		"watchword.cleanup.removed counter {record}",
		"watchword.cleanup.run counter {cleanup}",
		"watchword.cleanup.running up-down {cleanup}",
		"watchword.event.dropped counter {event}",
		"watchword.feed.lag gauge s",
		"watchword.feed.size gauge {revocation}",
		"watchword.feed.stale gauge ",
		"watchword.key.age gauge s",
		"watchword.key.good gauge {key}",
		"watchword.key.lag gauge s",
		"watchword.key.published counter {key}",
		"watchword.operation.duration histogram s",
		"watchword.refresh_token.confirmed counter {token}",
		"watchword.refresh_token.stolen counter {theft}",
		"watchword.session.created counter {session}",
		"watchword.session.ended counter {session}",
		"watchword.session.reauthenticated counter {session}",
		"watchword.session.refreshed counter {refresh}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
