//go:build race

package sessionsim_test

// slowdown divides the number of runs.
const slowdown = 10
