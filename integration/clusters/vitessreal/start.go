package vitessreal

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
)

// startControl starts what the parts find each other by, and makes the keyspaces.
func (t *Topology) startControl(ctx context.Context, network *cluster.Network, image, address string) error {
	schemas, err := vitess.VSchemas()
	if err != nil {
		return err
	}
	files := map[string]string{"/vt/control.sh": controlScript}
	for keyspace, text := range schemas {
		files[schemaFile(keyspace)] = text
	}
	own, err := netip.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("start %s: %w", controlName, err)
	}
	if t.control, err = network.Start(ctx, cluster.Spec{
		Name: controlName, Image: image, Command: []string{"/vt/control.sh", address}, Files: files, Address: own,
	}); err != nil {
		return err
	}
	order := func(command ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := t.Order(ctx, command...)
			return err
		}
	}
	if err := cluster.Await(ctx, "vtctld", startWithin, order("GetKeyspaces")); err != nil {
		return t.explain(ctx, err)
	}
	for keyspace := range schemas {
		for _, f := range []func(context.Context) error{
			order("CreateKeyspace", "--durability-policy", "semi_sync", keyspace),
			order("ApplyVSchema", "--vschema-file", schemaFile(keyspace), keyspace),
		} {
			if err := f(ctx); err != nil {
				return t.explain(ctx, err)
			}
		}
	}
	return nil
}

func schemaFile(keyspace string) string { return "/vt/schema/" + keyspace + ".json" }

// startTablets starts them all, and waits for none.
func (t *Topology) startTablets(ctx context.Context, network *cluster.Network, image, control string) error {
	for _, s := range shards {
		for i := range tabletsEach {
			address, uid := network.Reserve(), strconv.Itoa(s.before+i+1)
			tablet, err := network.Start(ctx, cluster.Spec{
				Name: tabletPrefix + uid, Image: image, Address: address,
				Command: []string{"/vt/tablet.sh", control, address.String(), uid, s.keyspace, s.shard},
				Files:   map[string]string{"/vt/tablet.sh": tabletScript, "/vt/watchword.cnf": settings},
			})
			if err != nil {
				return err
			}
			t.containers = append(t.containers, tablet)
		}
	}
	return nil
}

// explain adds to an error what the parts have to say.
func (t *Topology) explain(ctx context.Context, err error) error {
	for _, c := range append([]*cluster.Container{t.control}, t.containers...) {
		const lines = 8
		said, _ := c.Logs(context.WithoutCancel(ctx), lines)
		err = fmt.Errorf("%w\n%s said:\n%s", err, c.Name(), said)
	}
	return err
}
