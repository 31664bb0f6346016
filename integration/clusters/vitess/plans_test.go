//go:build clusters

package vitess_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
	"github.com/watchword-dev/watchword/session"
)

// plan is how vtgate runs a statement, as its page /debug/query_plans has it.
type plan struct {
	Original     string
	Instructions instruction
}

type instruction struct {
	OperatorType string
	Variant      string
	Inputs       []instruction
}

// routes are the ways in which the plan goes to shards, sorted, each once.
func (i instruction) routes() []string {
	var all []string
	if slices.Contains([]string{"Route", "Update", "Delete", "Insert", "Send"}, i.OperatorType) {
		all = append(all, i.Variant)
	}
	for _, input := range i.Inputs {
		all = append(all, input.routes()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestPlans holds vtgate to what docs/scaling.md says of each statement: one session is one shard's, what is read or changed by user or by
// time is asked of every shard, and the rest is of the keyspace that has one.
func TestPlans(t *testing.T) {
	t.Parallel()
	c, _ := on(t)
	prefix := tables(t)
	store := open(t, prefix, "", 4)
	want := map[string]int{"feed": 1, "unsharded": 7, "insert": 1, "by handle": 9, "by handles": 4, "by user or time": 5}
	var got map[string]int
	// vtgate keeps the plan of a statement that it has met before, and does so in its own time.
	for tries := 20; ; tries-- {
		everything(t, store)
		if got = countPlans(t, plansOf(t, c, prefix)); t.Failed() {
			return
		}
		missing := false
		for kind, least := range want {
			missing = missing || got[kind] < least
		}
		if !missing {
			return
		}
		if tries == 0 {
			t.Fatalf("vtgate has the plans of so many statements: %v, want as many or more as %v", got, want)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// countPlans counts the plans of each kind of statement, and looks at where they go.
func countPlans(t *testing.T, plans map[string]plan) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, p := range plans {
		text := strings.ToLower(p.Original)
		var kind, want string
		switch {
		case strings.Contains(text, "signing_keys") && strings.Contains(text, "_sessions"):
			kind, want = "feed", "Reference Scatter Unsharded"
		case !strings.Contains(text, "_sessions"):
			kind, want = "unsharded", "Unsharded"
		case strings.HasPrefix(text, "insert"):
			kind, want = "insert", "Sharded"
		case strings.Contains(text, "handle = unhex"):
			kind, want = "by handle", "EqualUnique"
		case strings.Contains(text, "handle in "):
			kind, want = "by handles", "IN"
			if !strings.Contains(text[strings.Index(text, "handle in "):], "), unhex(") {
				want = "EqualUnique" // a list of one
			}
		case strings.HasPrefix(text, "select"):
			kind, want = "by user or time", "Scatter"
		default:
			// Making the store's tables empty for the next test is not the store's.
			if strings.HasPrefix(text, "delete") && !strings.Contains(text, " where ") {
				continue
			}
			kind = "of no known kind"
		}
		got[kind]++
		if routes := strings.Join(p.Instructions.routes(), " "); routes != want {
			t.Errorf("a statement %s goes by %q, want %q:\n%s", kind, routes, want, p.Original)
		}
	}
	return got
}

// plansOf reads the plans of the statements on a set of tables.
func plansOf(t *testing.T, c *cluster.Cluster, prefix string) map[string]plan {
	t.Helper()
	server, err := cluster.Attach(t.Context(), c.Nodes[0].Container)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Detach() }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr(vitess.PagesPort)+"/debug/query_plans", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var all map[string]plan
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for text := range all {
		if !strings.Contains(text, prefix) {
			delete(all, text)
		}
	}
	return all
}

var serial byte

// everything calls each method of the store, most of them so that there is something to do.
func everything(t *testing.T, store session.Store) {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	serial++
	one, two := session.Handle{serial, 1}, session.Handle{serial, 2}
	life := session.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour}
	renewal := session.Renewal{Lifetimes: life, Device: session.Device{UserAgent: "agent"}}
	current, next := session.Mark{1}, session.Successor{Mark: session.Mark{2}, MintedAt: time.Now()}
	end := session.End{ID: session.Version(serial), Reason: session.ReasonRevoked, Fed: true}
	for _, h := range []session.Handle{one, two, {serial, 3}, {serial, 4}} {
		check(store.Insert(ctx, session.NewRow{Handle: h, UserID: "user", Current: current, DataVersion: 1, Lifetimes: life}))
	}
	check(store.Insert(ctx, session.NewRow{Handle: session.Handle{serial, 5}, UserID: "user", Current: current, DataVersion: 1,
		Lifetimes: session.Lifetimes{Idle: -time.Hour, Absolute: time.Hour}}))
	_, _, err := store.Get(ctx, one)
	check(err)
	_, err = store.Mint(ctx, one, current, session.Mark{}, time.Time{}, next, renewal)
	check(err)
	_, err = store.HandOut(ctx, one, current, next.Mark, true, renewal)
	check(err)
	_, err = store.Confirm(ctx, one, next.Mark, nil, renewal)
	check(err)
	for _, page := range []session.Page{{Limit: 10}, {Limit: 10, Before: session.Handle{0xff}}} {
		_, err = store.List(ctx, "user", page)
		check(err)
	}
	_, err = store.SetPayload(ctx, one, []byte("1"))
	check(err)
	_, err = store.SetLabel(ctx, one, fmt.Sprint("label ", serial))
	check(err)
	_, _, err = store.Data(ctx, one)
	check(err)
	_, err = store.SetData(ctx, one, 1, 2, []byte("1"))
	check(err)
	for range 2 {
		_, err = store.End(ctx, one, end)
		check(err)
	}
	_, err = store.EndUser(ctx, "user", two, end, 1)
	check(err)
	_, err = store.EndAll(ctx, time.Now().Add(time.Hour), end, 10)
	check(err)
	_, err = store.EndExpired(ctx, session.Handle{}, time.Hour, 9, 10)
	check(err)
	_, err = store.Ending(ctx, one)
	check(err)
	for _, page := range []session.EndingsPage{{Limit: 10}, {Limit: 10, EndedAt: time.Now(), Handle: session.Handle{0xff}}} {
		_, err = store.Endings(ctx, "user", page)
		check(err)
	}
	check(store.Publish(ctx, session.Revocation{UserID: "user"}))
	_, _, err = store.Revocations(ctx, time.Now().Add(-time.Minute), 10)
	check(err)
	_, err = store.Purge(ctx, -time.Hour, -time.Hour, 10)
	check(err)
	key := session.Key{ID: fmt.Sprint("key ", serial), Purpose: session.PurposeAccess, Sequence: int(serial), Algorithm: "HS256", Material: []byte{1}, ActivatesAt: time.Now()}
	check(store.InsertKey(ctx, key))
	_, _, err = store.Keys(ctx)
	check(err)
	_, err = store.SetKeyMaterial(ctx, key.ID, []byte{1}, []byte{2})
	check(err)
	_, err = store.RetireKey(ctx, key.ID)
	check(err)
	_, err = store.DeleteKey(ctx, key.ID)
	check(err)
}
