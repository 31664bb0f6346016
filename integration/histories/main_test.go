// Package histories_test has many clients use many server processes at once, breaks the processes, the database and what is
// between them, and checks the recorded history of every call and its answer: that each session behaved as one of which
// there is a single copy (with a model written from the rotation protocol, and porcupine to find the order), that the
// protocol's invariants I1 to I4 hold, and that nothing which was acknowledged is lost after the last restart of the server.
//
// The short form runs with the other tests; the long one is
//
//	go test -timeout 20m ./histories -run TestHistories -args -duration=60s -processes=8 -clients=16
//
// With -defect=NAME every process gets a store with one defect, and the run has to be refused.
//
// On a cluster of integration/clusters that is up, which the environment names, the faults are those of a cluster:
//
//	../.bin/clusters-run run galera go test -run 'TestHistories$' -v ./histories -args -duration=60s
package histories_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

var (
	duration  = flag.Duration("duration", 15*time.Second, "how long the clients of TestHistories go on")
	processes = flag.Int("processes", 4, "how many server processes TestHistories has")
	clients   = flag.Int("clients", 8, "how many clients there are for each process")
	grace     = flag.Duration("grace", 0, "the grace of TestHistories; slow machines need more of it; 0: 1.6 s, and 3 s on a cluster")
	seed      = flag.Uint64("seed", 0, "what the choices of clients and faults are drawn from; 0: chosen and printed")
	defective = flag.String("defect", "", "the defect that the processes' store is to have")
)

// TestMain is the server process when this binary is started as one.
func TestMain(m *testing.M) {
	if asked := os.Getenv(serverEnv); asked != "" {
		os.Exit(serve(asked))
	}
	mysqltest.Main(m)
}

// chosenSeed is the one that was asked for, or any.
func chosenSeed(t *testing.T) uint64 {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed=%d", s)
	return s
}
