package leaktest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session/internal/leaktest"
)

func TestLeaked(t *testing.T) {
	if left := leaktest.Leaked(time.Second); len(left) > 0 {
		t.Fatalf("got %d goroutines, want none:\n%s", len(left), left[0])
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		<-stop
	}()
	if left := leaktest.Leaked(10 * time.Millisecond); len(left) != 1 || !strings.Contains(left[0], "TestLeaked") {
		t.Errorf("with one that waits: got %q, want its stack", left)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		close(stop)
	}()
	if left := leaktest.Leaked(time.Second); len(left) > 0 {
		t.Errorf("with two that end in time: got %q, want none", left)
	}
	<-done
}
