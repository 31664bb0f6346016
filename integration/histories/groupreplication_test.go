package histories_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// askWithin is how long a server may take to say how it is.
const askWithin = 3 * time.Second

// groupReplication is MySQL Group Replication: one server, the primary, takes writes, and a router leads to it.
type groupReplication struct{}

// A store works on the primary alone, which needs nothing.
func (groupReplication) writing() map[string]string { return nil }

// A secondary, too, catches up with what the primary has acknowledged.
func (groupReplication) reading() map[string]string {
	return map[string]string{"group_replication_consistency": "'BEFORE'"}
}

// member is what a server says of itself and of the group.
type member struct {
	state   string
	online  int // members that it sees so
	primary bool
	id      string
}

func (groupReplication) ask(ctx context.Context, n *node) (m member, err error) {
	bounded, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	err = n.admin.QueryRowContext(bounded, "SELECT COALESCE(MAX(IF(MEMBER_ID = @@server_uuid, MEMBER_STATE, '')), ''),"+
		" COUNT(IF(MEMBER_STATE = 'ONLINE', 1, NULL)),"+
		" COALESCE(MAX(MEMBER_ID = @@server_uuid AND MEMBER_STATE = 'ONLINE' AND MEMBER_ROLE = 'PRIMARY'), 0), @@server_uuid"+
		" FROM performance_schema.replication_group_members").Scan(&m.state, &m.online, &m.primary, &m.id)
	return m, err
}

// victim is the primary.
func (g groupReplication) victim(ctx context.Context, c *cluster, _ *rand.Rand) (*node, error) {
	return g.primary(ctx, c)
}

// spokesman is the primary, too: a secondary may show a change before the primary does.
func (g groupReplication) spokesman(ctx context.Context, c *cluster, _ int) (*node, error) {
	return g.primary(ctx, c)
}

// primary asks all at once, since those that are broken do not answer.
func (g groupReplication) primary(ctx context.Context, c *cluster) (*node, error) {
	answers := make(chan *node, len(c.nodes))
	for _, n := range c.nodes {
		go func() {
			m, err := g.ask(ctx, n)
			if err != nil || !m.primary || 2*m.online <= len(c.nodes) {
				answers <- nil
				return
			}
			answers <- n
		}()
	}
	for range c.nodes {
		if n := <-answers; n != nil {
			return n, nil
		}
	}
	return nil, errors.New("there is no primary")
}

// heal has a server join the group again that has left it: none does so by itself after a restart.
func (g groupReplication) heal(ctx context.Context, n *node, of int) error {
	m, err := g.ask(ctx, n)
	switch {
	case err != nil:
		return err
	case m.state == "ONLINE" && m.online == of:
		return nil
	case m.state == "ERROR":
		_, err = n.admin.ExecContext(ctx, "STOP GROUP_REPLICATION")
	case m.state == "OFFLINE" || m.state == "":
		_, err = n.admin.ExecContext(ctx, "START GROUP_REPLICATION")
	}
	return errors.Join(fmt.Errorf("it is %q and sees %d online, want %d", m.state, m.online, of), err)
}

// trusted: a server that has started again and is no member answers from what it has.
func (groupReplication) trusted(ctx context.Context, conn *sql.Conn) error {
	var state string
	if err := conn.QueryRowContext(ctx, "SELECT COALESCE(MAX(MEMBER_STATE), '') FROM performance_schema.replication_group_members"+
		" WHERE MEMBER_ID = @@server_uuid").Scan(&state); err != nil {
		return err
	}
	if state != "ONLINE" {
		return fmt.Errorf("the server is %q, not a member that is online", state)
	}
	return nil
}

// revive founds the group anew on the server that has everything, as an administrator would.
func (groupReplication) revive(ctx context.Context, c *cluster) error {
	bounded, cancel := context.WithTimeout(ctx, wholeAfter)
	defer cancel()
	for _, n := range c.nodes {
		for err := n.admin.PingContext(bounded); err != nil; err = n.admin.PingContext(bounded) {
			if !pause(bounded, 50*time.Millisecond) {
				return err
			}
		}
	}
	has := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		if err := n.admin.QueryRowContext(bounded, "SELECT @@global.gtid_executed").Scan(&has[i]); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		all := true
		for _, other := range has {
			var within bool
			if err := n.admin.QueryRowContext(bounded, "SELECT GTID_SUBSET(?, @@global.gtid_executed)", other).Scan(&within); err != nil {
				return err
			}
			all = all && within
		}
		if !all {
			continue
		}
		for _, statement := range []string{
			"SET GLOBAL group_replication_bootstrap_group = ON",
			"START GROUP_REPLICATION",
			"SET GLOBAL group_replication_bootstrap_group = OFF", // else a restart of this server founds another group
		} {
			if _, err := n.admin.ExecContext(bounded, statement); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no server has everything: they have %q", has)
}

// move asks any server that is not the primary to be it.
func (g groupReplication) move(ctx context.Context, c *cluster, rng *rand.Rand) error {
	primary, err := g.primary(ctx, c)
	if err != nil {
		return err
	}
	next := primary
	for next == primary {
		next = c.nodes[rng.IntN(len(c.nodes))]
	}
	m, err := g.ask(ctx, next)
	if err != nil {
		return err
	}
	var said string
	return primary.admin.QueryRowContext(ctx, "SELECT group_replication_set_as_primary(?)", m.id).Scan(&said)
}

func (groupReplication) faults() []string {
	return []string{killedServer, frozenServer, cutServer, lostMajority, switchedPrimary}
}
