//go:build race

package denylist_test

// raceEnabled: the race detector's memory would be measured, too.
const raceEnabled = true
