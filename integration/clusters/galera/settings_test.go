package galera

import (
	"net/netip"
	"strings"
	"testing"
)

// Every node knows the others' addresses and its own, and writes what it acknowledges to its disk.
func TestSettings(t *testing.T) {
	t.Parallel()
	var addresses [nodes]netip.Addr
	for i := range addresses {
		addresses[i] = netip.AddrFrom4([4]byte{10, 0, 0, byte(16 + i)})
	}
	got := settings("galera2", addresses, 1)
	for _, want := range []string{
		"wsrep_cluster_address = gcomm://10.0.0.16,10.0.0.17,10.0.0.18\n", "wsrep_node_address = 10.0.0.17\n",
		"wsrep_node_name = galera2\n", "innodb_flush_log_at_trx_commit = 1\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("settings: got\n%s\nwant a line %q", got, want)
		}
	}
}
