// Package leaktest fails a run of tests that leaves goroutines behind. Modules that may have more dependencies than this one
// use go.uber.org/goleak.
package leaktest

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines may take to end after the last test.
const patience = 5 * time.Second

// Main runs the package's tests and exits. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if left := Leaked(patience); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "leaktest: %d goroutines are left after the tests:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// Leaked returns the stacks of goroutines other than the caller's that are still there after a while.
func Leaked(patience time.Duration) []string {
	http.DefaultClient.CloseIdleConnections()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if left := others(); len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// others are the stacks of all goroutines but the caller's and those of the testing package.
func others() []string {
	buffer := make([]byte, 1<<20)
	stacks := strings.Split(strings.TrimSpace(string(buffer[:runtime.Stack(buffer, true)])), "\n\n")
	var left []string
	for _, stack := range stacks[1:] { // the caller's comes first
		if !strings.Contains(stack, "testing.tRunner") && !strings.Contains(stack, "testing.(*F).Fuzz") &&
			!strings.Contains(stack, "os/signal.signal_recv") && !strings.Contains(stack, "testing.(*M)") {
			left = append(left, stack)
		}
	}
	return left
}
