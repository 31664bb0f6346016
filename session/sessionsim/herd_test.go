//go:build !race

// The race detector would take minutes for what goes on in one goroutine anyway.

package sessionsim_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/sessionsim"
)

// peak is the most of some windows in terms of their mean, or of another mean.
func peak(windows []int, mean float64) float64 { return float64(slices.Max(windows)) / mean }

func mean(windows []int) float64 {
	sum := 0
	for _, n := range windows {
		sum += n
	}
	return float64(sum) / float64(len(windows))
}

// TestHerdsAfterADeployAndARotation: what happens to all processes at once, or to the keys, does not send the clients to the store together.
func TestHerdsAfterADeployAndARotation(t *testing.T) {
	t.Parallel()
	const happens = time.Hour
	restartAll := func(_ context.Context, processes []*session.Manager, restart func(int) error) error {
		for i := range processes {
			if err := restart(i); err != nil {
				return err
			}
		}
		return nil
	}
	rotate := func(purpose session.KeyPurpose, compromised bool) func(context.Context, []*session.Manager, func(int) error) error {
		return func(ctx context.Context, processes []*session.Manager, _ func(int) error) error {
			return processes[0].RotateNow(ctx, purpose, "test", compromised)
		}
	}
	for _, test := range []struct {
		name    string
		what    func(context.Context, []*session.Manager, func(int) error) error
		atLeast float64
		atMost  float64
	}{
		{"deploy", restartAll, 1, 2},
		{"access keys are rotated", rotate(session.PurposeAccess, false), 1, 2},
		{"refresh keys are rotated", rotate(session.PurposeRefresh, false), 1, 2},
		{"access keys are cut off", rotate(session.PurposeAccess, true), 4, 40}, // which all have to feel: the test can see it
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := sessionsim.Herd{
				Seed: 1, Clients: 1500, Processes: 4, Logins: session.DefaultAccessLifetime, Gap: time.Minute,
				Horizon: 80 * time.Minute, Window: 20 * time.Second, Happens: []sessionsim.Happening{{At: happens, What: test.what}},
			}
			report, err := h.Run()
			if err != nil {
				t.Fatal(err)
			}
			at := int(happens / h.Window)
			usual := mean(report.Calls[at/2 : at])
			got := peak(report.Calls[at:len(report.Calls)-1], usual)
			t.Logf("%d requests, %.0f calls of the store in %v; at most %.2f times as many afterwards", report.Requests, usual, h.Window, got)
			if got < test.atLeast || got > test.atMost {
				t.Errorf("got a burst of %.2f times the mean, want between %v and %v", got, test.atLeast, test.atMost)
			}
		})
	}
}

// TestHerdsDissolve: clients that logged in together, and refresh as soon as they have to, come back together for ever without jitter, and with
// it no more after a hundred access lifetimes.
func TestHerdsDissolve(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		jitter  float64
		atLeast float64
		atMost  float64
	}{
		{"by default", 0, 1, 2},
		{"without jitter", session.NoJitter, 4, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := sessionsim.Herd{
				Seed: 1, Clients: 600, Processes: 2, Logins: 5 * time.Second, Gap: 100 * time.Millisecond, OnExpiry: true,
				Horizon: 105 * time.Minute, Window: 5 * time.Second, Config: session.Config{AccessLifetime: time.Minute, AccessJitter: test.jitter},
			}
			report, err := h.Run()
			if err != nil {
				t.Fatal(err)
			}
			last := report.Refreshes[len(report.Refreshes)-61 : len(report.Refreshes)-1] // five lifetimes
			got := peak(last, mean(last))
			t.Logf("%d requests; %.0f refreshes in 5 s, at most %.2f times as many", report.Requests, mean(last), got)
			if got < test.atLeast || got > test.atMost {
				t.Errorf("got a burst of %.2f times the mean, want between %v and %v", got, test.atLeast, test.atMost)
			}
		})
	}
}
