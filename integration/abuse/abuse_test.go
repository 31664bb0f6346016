// Package abuse_test attacks the demo, as a process over a real MySQL, by everything that costs the attacker little: garbage by the
// thousand connections, headers and bodies without end, clients that dawdle, tokens of keys that nobody has. It measures what that
// costs the server, its database and its other clients.
//
// The short form is part of the suite. The long form asks for more of the same, and is stricter where the short one has to allow for
// whatever else a machine does that runs the suite:
//
//	go test -count=1 -timeout=90m ./abuse -args -duration=60s -pairs=3 -share=0.8 -kids=100000
package abuse_test

import (
	"flag"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/integration/program"
)

var (
	duration    = flag.Duration("duration", 2*time.Second, "how long one attack lasts")
	pairs       = flag.Int("pairs", 1, "how many windows with and without an attack are compared")
	share       = flag.Float64("share", 0.5, "the part of the legitimate requests that has to be answered in time during an attack, of those without it")
	deadline    = flag.Duration("deadline", time.Second, "what in time means")
	connections = flag.Int("connections", 10_000, "how many connections an attack with many of them has")
	rate        = flag.Int("rate", 1500, "requests a second of an attack: attackers and server share the machine's cores")
	kids        = flag.Int("kids", 25_000, "how many keys that nobody has are named")
	legitRate   = flag.Int("legit", 100, "requests a second of the legitimate clients")
)

func TestMain(m *testing.M) {
	flag.Parse()
	mysqltest.Main(m, program.Remove)
}
