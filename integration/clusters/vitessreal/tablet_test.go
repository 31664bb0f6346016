package vitessreal

import (
	"slices"
	"testing"
)

func TestParseTablets(t *testing.T) {
	t.Parallel()
	got, err := parseTablets("cell-0000000101 unsharded 0 primary 10.0.0.1:15100 10.0.0.1:3306 [] 2026-01-02T03:04:05Z\n" +
		"cell-0000000202 sharded -80 replica 10.0.0.2:15100 10.0.0.2:3306 [] <null>\n")
	want := []Tablet{{UID: 101, Keyspace: "unsharded", Shard: "0", Primary: true}, {UID: 202, Keyspace: "sharded", Shard: "-80"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"cell-0000000101\n", "cell unsharded 0 primary\n"} {
		if got, err := parseTablets(bad); err == nil {
			t.Errorf("parseTablets(%q): got %+v, want an error", bad, got)
		}
	}
}
