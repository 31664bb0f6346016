package flows_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// TestI1ParallelTabsAreNeverLoggedOut: browsers whose tabs do not coordinate call, refresh and give up waiting at random,
// over two processes on one database. The simulator does this in virtual time with far more runs; here everything is
// real.
func TestI1ParallelTabsAreNeverLoggedOut(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	settings := []string{"GRACE=2s", "ACCESS_LIFETIME=1s"}
	processes := []*process{start(t, dsn, settings...), start(t, dsn, settings...)}
	const browsers, tabs = 4, 4
	until := time.Now().Add(12 * time.Second)
	var (
		calls, refreshes, abandoned atomic.Int64
		wg                          sync.WaitGroup
	)
	for n := range browsers {
		br := newBrowser(t)
		br.login(processes[n%2], fmt.Sprint("user", n))
		for range tabs {
			wg.Go(func() {
				for time.Now().Before(until) {
					p := processes[rand.IntN(2)]
					a, err := br.try(t.Context(), p, "GET", "/api/me", "")
					switch {
					case err != nil:
						t.Errorf("call: %v", err)
						return
					case a.status == 200:
						calls.Add(1)
					case a.code() != "try_refresh":
						t.Errorf("call: got %d %s", a.status, a.body)
						return
					default:
						ctx, cancel := context.WithCancel(t.Context())
						if rand.IntN(3) == 0 { // this tab is closed while it waits
							time.AfterFunc(rand.N(4*time.Millisecond), cancel)
						}
						a, err = br.try(ctx, p, "POST", refreshPath, "")
						cancel()
						if err != nil {
							abandoned.Add(1)
							continue
						}
						if a.status != 200 {
							t.Errorf("refresh: got %d %s", a.status, a.body)
							return
						}
						refreshes.Add(1)
					}
					time.Sleep(rand.N(60 * time.Millisecond))
				}
			})
		}
	}
	wg.Wait()
	t.Logf("%d calls, %d refreshes answered, %d abandoned", calls.Load(), refreshes.Load(), abandoned.Load())
	if refreshes.Load() == 0 || abandoned.Load() == 0 {
		t.Error("nothing was tried")
	}
}
