package mysql

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/store/mysql/vschema"
)

// keyspace is what the tests look at of a VSchema.
type keyspace struct {
	Sharded  bool
	Vindexes map[string]struct{ Type string }
	Tables   map[string]struct {
		ColumnVindexes []columnVindex `json:"column_vindexes"`
	}
}

type columnVindex struct{ Column, Name string }

func keyspaceOf(t *testing.T, text string) keyspace {
	t.Helper()
	var k keyspace
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatalf("%v in the VSchema\n%s", err, text)
	}
	return k
}

// The VSchemas name each table that the migrations make, once, and no other: vtgate would make one that they do not name nowhere, and one
// that both name could be meant by neither.
func TestVSchemasNameEachTable(t *testing.T) {
	t.Parallel()
	const prefix = "app_"
	var got, want []string
	for _, text := range []string{vschema.Sharded(prefix), vschema.Unsharded(prefix)} {
		for table := range keyspaceOf(t, text).Tables {
			got = append(got, table)
		}
	}
	all, err := Migrations(Options{TablePrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, made := range regexp.MustCompile("(?m)^CREATE TABLE IF NOT EXISTS `(\\w+)`").FindAllStringSubmatch(m.SQL(), -1) {
			want = append(want, made[1])
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got the tables %q, want those of the migrations, %q", got, want)
	}
	for _, text := range []string{vschema.Sharded(prefix), vschema.Unsharded(prefix)} {
		if strings.Contains(text, DefaultTablePrefix) {
			t.Errorf("the default prefix is left in\n%s", text)
		}
	}
}

// What is sharded is so by the one column that identifies a session, and by a hash of it: handles begin with the time, so that those of
// one day would lie on one shard.
func TestVSchemasShardByHandle(t *testing.T) {
	t.Parallel()
	k := keyspaceOf(t, vschema.Sharded("app_"))
	if !k.Sharded || keyspaceOf(t, vschema.Unsharded("app_")).Sharded {
		t.Error("want the first keyspace to be sharded, and the second not to be")
	}
	for table, of := range k.Tables {
		if want := []columnVindex{{"handle", "app_hash"}}; !slices.Equal(of.ColumnVindexes, want) {
			t.Errorf("%s: got vindexes %v, want %v", table, of.ColumnVindexes, want)
		}
	}
	if got := k.Vindexes["app_hash"].Type; got != "xxhash" {
		t.Errorf("got a vindex of type %q, want xxhash", got)
	}
}
