package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/lab"
)

// watch is a stream of the lab that is being read.
type watch struct {
	t      *testing.T
	answer *http.Response
	ended  chan struct{}

	mu       sync.Mutex
	text     strings.Builder // everything that was sent
	names    []string        // of the events, in order
	lineage  lab.Lineage
	state    lab.State
	requests []lab.Request
	events   []lab.Event
	now      *int64
}

// watch opens the stream of the client's session; headers come in pairs.
func (c *client) watch(headers ...string) *watch {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.demo.URL+"/api/lab/stream", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.http.Do(r) //nolint:bodyclose // read closes it
	if err != nil {
		c.t.Fatal(err)
	}
	w := &watch{t: c.t, answer: response, ended: make(chan struct{})}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		c.t.Fatalf("the stream: got %d, %v", response.StatusCode, response.Header)
	}
	go w.read()
	w.until("the snapshot", func() bool { return w.now != nil })
	return w
}

func (w *watch) read() {
	defer close(w.ended)
	defer func() { _ = w.answer.Body.Close() }()
	var name string
	for lines := bufio.NewScanner(w.answer.Body); lines.Scan(); {
		line := lines.Text()
		w.mu.Lock()
		w.text.WriteString(line + "\n")
		if value, ok := strings.CutPrefix(line, "event: "); ok {
			name = value
			w.names = append(w.names, name)
		} else if value, ok := strings.CutPrefix(line, "data: "); ok {
			w.take(name, []byte(value))
		} else if line != "" && !strings.HasPrefix(line, ":") {
			w.t.Errorf("the stream has a line %q", line)
		}
		w.mu.Unlock()
	}
}

func (w *watch) take(name string, data []byte) {
	var (
		snapshot lab.Snapshot
		request  lab.Request
		event    lab.Event
		err      error
	)
	switch name {
	case "snapshot":
		err = json.Unmarshal(data, &snapshot)
		w.lineage, w.state, w.requests, w.events, w.now = snapshot.Lineage, snapshot.State, snapshot.Requests, snapshot.Events, snapshot.Now
	case "lineage":
		w.lineage = lab.Lineage{}
		err = json.Unmarshal(data, &w.lineage)
	case "state":
		w.state = lab.State{}
		err = json.Unmarshal(data, &w.state)
	case "request":
		err = json.Unmarshal(data, &request)
		w.requests = append(w.requests, request)
	case "event":
		err = json.Unmarshal(data, &event)
		w.events = append(w.events, event)
	default:
		err = fmt.Errorf("an unknown event")
	}
	if err != nil {
		w.t.Errorf("%s %s: %v", name, data, err)
	}
}

// until waits for something to have been told. The condition is called with the watch locked.
func (w *watch) until(what string, condition func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		met := condition()
		w.mu.Unlock()
		if met {
			return
		}
		if time.Now().After(deadline) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("%s was not told: %s", what, w.text.String())
		}
	}
}

// untilEnd waits for the stream to end by itself.
func (w *watch) untilEnd() {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(10 * time.Second):
		w.t.Fatal("the stream does not end")
	}
}

// wantRequests waits for as many requests as there are lines, and compares: "you POST /api/login 200 ok [Insert]".
func (w *watch) wantRequests(want ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("request %d", len(want)), func() bool { return len(w.requests) >= len(want) })
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range w.requests {
		got := fmt.Sprintf("%s %s %s %d %s %v", r.Client, r.Method, r.Path, r.Status, r.Verdict, r.Statements)
		if r.Reason != nil {
			got += " " + *r.Reason
		}
		if r.Lost {
			got += " lost"
		}
		if i >= len(want) || got != want[i] {
			w.t.Errorf("request %d: got %s, want %s", i, got, append(want, "no more", "")[min(i, len(want))])
		}
		if r.ID != i+1 || r.MS < 0 || r.MS > 10_000 || r.At == nil {
			w.t.Errorf("request %d: got %+v", i, r)
		}
	}
}

// wantTokens waits for the lineage to be as said: "0 previous x1 [thief 1]; 1 current x1 confirmed [you]", and its edges: "0-minted-1 you".
func (w *watch) wantTokens(nodes, edges string) {
	w.t.Helper()
	var gotNodes, gotEdges string
	describe := func() {
		var parts []string
		generations := map[string]string{}
		for _, n := range w.lineage.Nodes {
			name := fmt.Sprint(n.Generation)
			for _, taken := range generations {
				if taken == name {
					name += "'"
				}
			}
			generations[n.ID] = name
			confirmed := ""
			if n.ConfirmedAt != nil {
				confirmed = " confirmed"
			}
			parts = append(parts, fmt.Sprintf("%s %s x%d%s %v", name, n.Class, n.HandOuts, confirmed, n.Holders))
		}
		gotNodes, parts = strings.Join(parts, "; "), nil
		for _, e := range w.lineage.Edges {
			parts = append(parts, fmt.Sprintf("%s-%s-%s %s", generations[e.From], e.Kind, generations[e.To], e.By))
		}
		gotEdges = strings.Join(parts, "; ")
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		describe()
		w.mu.Unlock()
		if gotNodes == nodes && gotEdges == edges {
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("tokens: got  %s\n                 want %s\n           edges: got  %s\n                 want %s", gotNodes, nodes, gotEdges, edges)
			return
		}
	}
}
