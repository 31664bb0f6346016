// Package sessionsim runs the real session.Manager against simulated clients, networks, crashes and thieves, in virtual
// time and deterministically by seed, and checks the invariants of the rotation protocol (docs/how-it-works.md).
//
// Start with Random, which draws a Scenario from a seed, and Scenario.Run. The tests of the package run thousands of
// them; a failing one prints its seed, and with -seed=N the same run once more with the trace of its events.
//
// Nothing here sleeps or reads a wall clock. Several Managers, as of several processes, share one memstore whose clock is
// the simulation's. A refresh is a coroutine that is suspended before each of its store calls, so that any other event
// may fall between its reading of the row and its compare-and-set.
package sessionsim
