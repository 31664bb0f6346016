package histories_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
)

// galera is MariaDB with Galera: all nodes take writes.
type galera struct{}

// Both catch up with what other nodes have acknowledged, before a SELECT as well as before a change.
func (galera) writing() map[string]string { return map[string]string{"wsrep_sync_wait": "3"} }
func (galera) reading() map[string]string { return map[string]string{"wsrep_sync_wait": "3"} }

func (galera) victim(_ context.Context, c *cluster, rng *rand.Rand) (*node, error) {
	return c.nodes[rng.IntN(len(c.nodes))], nil
}

func (galera) spokesman(_ context.Context, c *cluster, n int) (*node, error) {
	return c.nodes[n%len(c.nodes)], nil
}

// heal only looks: nodes find each other by themselves.
func (galera) heal(ctx context.Context, n *node, of int) error {
	var (
		state, ready string
		size         int
	)
	const status = "SELECT COALESCE(MAX(IF(VARIABLE_NAME = 'wsrep_local_state_comment', VARIABLE_VALUE, '')), '')," +
		" COALESCE(MAX(IF(VARIABLE_NAME = 'wsrep_ready', VARIABLE_VALUE, '')), '')," +
		" COALESCE(MAX(IF(VARIABLE_NAME = 'wsrep_cluster_size', CAST(VARIABLE_VALUE AS UNSIGNED), 0)), 0)" +
		" FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME LIKE 'wsrep\\_%'"
	bounded, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if err := n.admin.QueryRowContext(bounded, status).Scan(&state, &ready, &size); err != nil {
		return err
	}
	if state != "Synced" || ready != "ON" || size != of {
		return fmt.Errorf("its state is %q, ready is %q, and it sees %d nodes, want %d", state, ready, size, of)
	}
	return nil
}

// A node that is not part of the cluster refuses reads.
func (galera) trusted(context.Context, *sql.Conn) error { return nil }

// Each has written down whom it last saw, and they find each other by that.
func (galera) revive(context.Context, *cluster) error { return nil }

func (galera) move(context.Context, *cluster, *rand.Rand) error { return nil }

func (galera) faults() []string { return []string{killedServer, frozenServer, cutServer, lostMajority} }
