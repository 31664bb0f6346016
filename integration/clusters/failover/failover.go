// Package failover has clients of several processes work on a database while it fails and comes back, and holds the store to everything that
// was acknowledged. A cluster's tests say where the database is and how it is broken:
//
//	func TestMain(m *testing.M) { failover.Main(m) }
//
//	func TestFaults(t *testing.T) {
//		failover.Exercise(t, failover.Database{Processes: dsns, Engine: dsns}, failover.Fault{Name: "a node is killed", …})
//	}
//
// [Exercise] is about calls and what they left behind, [Revocations] about how soon processes hear of revocations (I4), and [Rotations] about
// signing keys (I5).
package failover

import (
	"context"
	"testing"
	"time"
)

// Settings of the processes: shorter than the defaults, so that each session is rotated and confirmed many times in a test.
const (
	Grace        = 3 * time.Second
	StoreTimeout = 2 * time.Second
)

// Recovery bounds how long a cluster, and the clients of it, may take to recover from one fault.
const Recovery = time.Minute

// Database is what clients work on. It is empty, or has the store's tables.
type Database struct {
	// Processes are DSNs with a schema: one for each process.
	Processes []string
	// Engine are DSNs of the same schema at which bare INSERTs go on: what the engine itself makes possible at the best.
	Engine []string
}

// Fault is one way to break a cluster.
type Fault struct {
	Name string
	// Break breaks it. It may take its time, where the fault is one that lasts.
	Break func(t *testing.T)
	// Recovered is nil once the cluster takes writes again, as far as it can by itself.
	Recovered func(ctx context.Context) error
	// Mend has every server back that was broken. It is called while clients go on.
	Mend func(t *testing.T)
}
