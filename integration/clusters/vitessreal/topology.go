package vitessreal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

const (
	tabletPrefix = "tablet-"
	notYet       = 400 * time.Millisecond // between two looks at a topology that is not whole: each starts programs in containers
)

// Topology is who is who in a cluster, and what carries orders out.
type Topology struct {
	control    *cluster.Container
	containers []*cluster.Container // of tablets
}

// Attach finds the topology of a cluster that runs. Detach when it is no longer used.
func Attach(ctx context.Context, c *cluster.Cluster) (*Topology, error) {
	if c.Kind != kind {
		return nil, fmt.Errorf("the cluster is of kind %q, want %s", c.Kind, kind)
	}
	t := &Topology{}
	for _, node := range c.Nodes {
		if node.Name != controlName && !strings.HasPrefix(node.Name, tabletPrefix) {
			continue
		}
		container, err := cluster.Attach(ctx, node.Container)
		if err != nil {
			return nil, errors.Join(err, t.Detach())
		}
		if node.Name == controlName {
			t.control = container
		} else {
			t.containers = append(t.containers, container)
		}
	}
	return t, nil
}

// Detach closes what Attach has opened.
func (t *Topology) Detach() error {
	var errs []error
	for _, c := range append(slices.Clone(t.containers), t.control) {
		if c != nil {
			errs = append(errs, c.Detach())
		}
	}
	return errors.Join(errs...)
}

// Order has vtctld do what a command of vtctldclient says, and returns what it answers.
func (t *Topology) Order(ctx context.Context, command ...string) (string, error) {
	return t.control.Exec(ctx, append([]string{"vtctldclient", "--server", "localhost:15999", "--action-timeout", "30s"}, command...)...)
}

// Tablets are all tablets, as the topology has them.
func (t *Topology) Tablets(ctx context.Context) ([]Tablet, error) {
	text, err := t.Order(ctx, "GetTablets")
	if err != nil {
		return nil, err
	}
	all, err := parseTablets(text)
	if err != nil {
		return nil, err
	}
	for i, tablet := range all {
		at := slices.IndexFunc(t.containers, func(c *cluster.Container) bool { return c.Name() == tabletPrefix+strconv.Itoa(tablet.UID) })
		if at < 0 {
			return nil, fmt.Errorf("read the tablets: no container is of %s", tablet.Alias())
		}
		all[i].Container = t.containers[at]
	}
	return all, nil
}

// Whole is nil once each shard has a primary that takes writes, all others acknowledge them, and have what the primary had when it was asked.
func (t *Topology) Whole(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			time.Sleep(notYet)
		}
	}()
	tablets, err := t.Tablets(ctx)
	if err != nil {
		return err
	}
	primaries := 0
	for _, tablet := range tablets {
		if !tablet.Primary {
			continue
		}
		primaries++
		followers, err := tablet.Ask(ctx, "SELECT VARIABLE_VALUE FROM performance_schema.global_status"+
			" WHERE VARIABLE_NAME = 'Rpl_semi_sync_source_clients' AND NOT @@super_read_only")
		if err != nil {
			return err
		}
		if want := strconv.Itoa(tabletsEach - 1); followers != want {
			return fmt.Errorf("the primary %s of %s/%s has %q replicas that acknowledge its writes, want %s", tablet.Name(), tablet.Keyspace,
				tablet.Shard, followers, want)
		}
		if err := tablet.sharedBy(ctx, tablets); err != nil {
			return err
		}
	}
	if primaries != len(shards) {
		return fmt.Errorf("%d tablets are primaries, want %d", primaries, len(shards))
	}
	return nil
}
