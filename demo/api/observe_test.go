package main

import (
	"net"
	"regexp"
	"strings"
	"testing"
)

var metricsAt = regexp.MustCompile(`metrics are at http://(\S+)/metrics`)

// TestMetrics: they are on an address of their own, tell what has happened, and nobody's name.
func TestMetrics(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "WATCHWORD_METRICS_ADDR=127.0.0.1:0", "WATCHWORD_DEMO_LAB=1")
	match := metricsAt.FindStringSubmatch(p.stdout.String())
	if match == nil {
		t.Fatalf("no address of metrics: %q", p.stdout.String())
	}
	v, prometheus := visitor{t: t, addr: p.addr}, visitor{t: t, addr: match[1]}
	if a := v.do("POST", "/api/login", demoCredentials); a.status != 200 {
		t.Fatalf("login: got %d %s", a.status, a.body)
	}
	for range 3 {
		if a := v.do("GET", "/api/me", ""); a.status != 200 {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	got := prometheus.do("GET", "/metrics", "")
	if got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	for _, want := range []string{
		"watchword_session_created_total 1\n",
		`watchword_access_token_verified_total{watchword_verify_result="hit"} 2` + "\n",
		`watchword_access_token_verified_total{watchword_verify_result="miss"} 1` + "\n",
		`watchword_session_ended_total{watchword_end_reason="theft"} 0` + "\n",
		`watchword_session_refreshed_total{watchword_refresh_result="rotated"} 0` + "\n",
		`watchword_operation_duration_seconds_count{watchword_operation="create"} 1` + "\n",
		`db_client_operation_duration_seconds_count{db_operation_name="Insert",db_system_name="memory"} 1` + "\n",
		"watchword_feed_lag_seconds ", "watchword_feed_stale 0\n",
		`watchword_key_age_seconds{watchword_key_purpose="access"} `, "watchword_cleanup_running 0\n", "go_goroutines ",
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("%q is not among the metrics", want)
		}
	}
	if strings.Contains(got.body, `"demo"`) {
		t.Error("the metrics name a user")
	}
	for _, path := range []string{"/", "/api/me", "/debug/pprof/"} {
		if a := prometheus.do("GET", path, ""); a.status != 404 {
			t.Errorf("%s where the metrics are: got %d", path, a.status)
		}
	}
	if a := v.do("GET", "/metrics", ""); strings.Contains(a.body, "watchword_session_created_total") {
		t.Errorf("the metrics are public: %d", a.status)
	}
	p.stop()
	p.exit(t, 0)
	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", match[1]); err == nil {
		t.Error("the metrics are served after the end")
	}
}

// TestNoMetricsUnasked: nothing listens that nobody has asked for.
func TestNoMetricsUnasked(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	if strings.Contains(p.stdout.String(), "metrics") {
		t.Errorf("got %q", p.stdout.String())
	}
	if a := (&visitor{t: t, addr: p.addr}).do("GET", "/metrics", ""); strings.Contains(a.body, "watchword_session_created_total") {
		t.Errorf("the metrics are public: %d", a.status)
	}
	p.stop()
	p.exit(t, 0)
}
