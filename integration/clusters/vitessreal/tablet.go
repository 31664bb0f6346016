package vitessreal

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

// Tablet is a mysqld with its vttablet.
type Tablet struct {
	*cluster.Container
	UID             int
	Keyspace, Shard string
	Primary         bool
}

// parseTablets reads lines such as "cell-0000000201 sharded -80 primary 172.18.0.20:15100 …".
func parseTablets(text string) ([]Tablet, error) {
	var all []Tablet
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			return nil, fmt.Errorf("read the tablets: %q is none", line)
		}
		_, number, _ := strings.Cut(fields[0], "-")
		uid, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("read the tablets: %w in %q", err, line)
		}
		all = append(all, Tablet{UID: uid, Keyspace: fields[1], Shard: fields[2], Primary: fields[3] == "primary"})
	}
	return all, nil
}

// Alias is what Vitess calls the tablet.
func (t Tablet) Alias() string { return fmt.Sprintf("cell-%010d", t.UID) }

// dir is where its mysqld has its files.
func (t Tablet) dir() string { return fmt.Sprintf("/vt/vtdataroot/vt_%010d", t.UID) }

// Ask runs a query on the tablet's own mysqld, and returns the one value that it gives.
func (t Tablet) Ask(ctx context.Context, query string) (string, error) {
	out, err := t.Exec(ctx, "mysql", "--no-defaults", "--user=vt_dba", "--socket="+t.dir()+"/mysql.sock", "--skip-column-names", "--batch",
		"--execute="+query)
	return strings.TrimSpace(out), err
}

// KillMySQL ends the tablet's mysqld at once, and leaves its vttablet.
func (t Tablet) KillMySQL(ctx context.Context) error {
	_, err := t.Exec(ctx, "bash", "-c", `kill -KILL "$(cat `+t.dir()+`/mysql.pid)"`)
	return err
}

// Forget has the tablet begin anew when its container is started the next time.
func (t Tablet) Forget(ctx context.Context) error {
	_, err := t.Exec(ctx, "touch", "/vt/vtdataroot/anew")
	return err
}

// Follows reports whether the tablet's mysqld follows another.
func (t Tablet) Follows(ctx context.Context) (bool, error) {
	state, err := t.Ask(ctx, "SELECT COUNT(*) FROM performance_schema.replication_connection_status WHERE SERVICE_STATE = 'ON'")
	return state != "0", err
}

// sharedBy is nil where the others of a primary's shard have carried out what it has.
func (t Tablet) sharedBy(ctx context.Context, tablets []Tablet) error {
	has, err := t.Ask(ctx, "SELECT REPLACE(@@global.gtid_executed, CHAR(10), '')")
	if err != nil {
		return err
	}
	for _, other := range tablets {
		if other.Keyspace != t.Keyspace || other.Shard != t.Shard || other.UID == t.UID {
			continue
		}
		timedOut, err := other.Ask(ctx, "SELECT WAIT_FOR_EXECUTED_GTID_SET('"+has+"', 3)") // seconds
		if err != nil {
			return err
		}
		if timedOut != "0" {
			return fmt.Errorf("%s is behind its primary %s", other.Name(), t.Name())
		}
	}
	return nil
}
