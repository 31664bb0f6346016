// Package sessionsim runs the real session.Manager against simulated clients, networks, clocks, crashes and thieves, in
// virtual time and deterministically by seed, and checks the invariants of the rotation protocol (docs/how-it-works.md).
//
// Start with Random, which draws a Scenario from a seed, and Scenario.Run; Crashes, StoreCrashes, Revocations and Clocks draw
// others. The tests of the package run thousands of them; a failing one prints its seed, and with -seed=N the same run once
// more with the trace of its events. -total=N spreads N runs over all tests, -from=N begins with another seed.
//
// Nothing here sleeps or reads a wall clock. Several Managers, as of several processes, share one store, a memstore unless a
// test breaks it, whose clock is the simulation's. A refresh is a coroutine that is suspended before each of its store calls, so
// that any other event may fall between its reading of the row and its compare-and-set. So are the jobs of Manager.Run.
package sessionsim
