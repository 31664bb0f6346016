package vitess

import (
	"encoding/json"
	"fmt"

	"github.com/watchword-dev/watchword/store/mysql"
	"github.com/watchword-dev/watchword/store/mysql/vschema"
)

// The keyspaces.
const (
	Unsharded = "unsharded"
	Sharded   = "sharded"
)

// stores is how many sets of tables may be made beside those of the default prefix. A test cannot have a schema of its own, since it would
// not be sharded; it has a set of tables to itself.
const stores = 24

// Prefixes are those of the sets of tables, the default one first.
func Prefixes() []string {
	all := []string{mysql.DefaultTablePrefix}
	for i := range stores {
		all = append(all, fmt.Sprintf("t%02d_", i+1))
	}
	return all
}

// VSchemas are those of the keyspaces, by their names, as JSON. The tables are made by Migrate.
func VSchemas() (map[string]string, error) {
	texts := map[string]string{}
	for name, of := range map[string]func(prefix string) string{Unsharded: vschema.Unsharded, Sharded: vschema.Sharded} {
		var all struct {
			Sharded  bool                       `json:"sharded"`
			Vindexes map[string]json.RawMessage `json:"vindexes,omitempty"`
			Tables   map[string]json.RawMessage `json:"tables"`
		}
		for _, prefix := range Prefixes() {
			if err := json.Unmarshal([]byte(of(prefix)), &all); err != nil { // into the same maps
				return nil, fmt.Errorf("vitess: VSchema of the %s keyspace: %w", name, err)
			}
		}
		if name == Unsharded { // the demo's, which integration/flows drives
			for _, table := range []string{"demo_users", "demo_attempts"} {
				all.Tables[mysql.DefaultTablePrefix+table] = json.RawMessage("{}")
			}
		}
		text, err := json.Marshal(all)
		if err != nil {
			return nil, fmt.Errorf("vitess: VSchema of the %s keyspace: %w", name, err)
		}
		texts[name] = string(text)
	}
	return texts, nil
}
