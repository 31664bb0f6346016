package command_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/session"
)

// checkLine is a line of `doctor --json`.
type checkLine struct{ Check, Level, Text, Advice string }

// findings are the checks that found something, and at which level.
func findings(t *testing.T, text string) string {
	t.Helper()
	var all []string
	for _, c := range objects[checkLine](t, text) {
		if c.Level == "warning" || c.Level == "problem" {
			all = append(all, c.Check+" "+c.Level)
		}
	}
	return strings.Join(all, ", ")
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		cfg  session.Config
		ill  func(*rig)
		want string
	}{
		{name: "well"},
		{name: "misspelt", ill: func(r *rig) { r.env = []string{"WATCHWORD_ACESS_LIFETIME=5m"} }, want: "config warning"},
		{name: "no grace", ill: func(r *rig) { r.env = []string{"WATCHWORD_GRACE=0"} }, want: "config warning"},
		{name: "little grace", ill: func(r *rig) { r.env = []string{"WATCHWORD_GRACE=3s"} }, want: "config warning"},
		{name: "thieves are reported", ill: func(r *rig) { r.env = []string{"WATCHWORD_THEFT=report"} }, want: "config warning"},
		{name: "feed off", ill: func(r *rig) { r.env = []string{"WATCHWORD_REVOCATION=off"} }, want: "feed warning"},
		{name: "strict", ill: func(r *rig) { r.env = []string{"WATCHWORD_REVOCATION=strict"} }},
		{name: "clock a little ahead", ill: func(r *rig) { r.skew(3 * time.Second) }, want: "clock warning"},
		{name: "clock far ahead", ill: func(r *rig) { r.skew(31 * time.Second) }, want: "clock problem"},
		{name: "clock far behind", ill: func(r *rig) { r.skew(-time.Minute) }, want: "clock problem"},
		{name: "clock hardly off", ill: func(r *rig) { r.skew(-time.Second) }},
		{name: "nobody rotates", ill: func(r *rig) { r.clock.advance(25 * time.Hour) }, want: "keys warning"},
		{name: "nobody has to", ill: func(r *rig) { r.clock.advance(25 * time.Hour); r.env = []string{"WATCHWORD_KEY_ROTATION=0"} }},
		{name: "cut off", ill: func(r *rig) { r.cutOff() }, want: "keys problem"},
		{name: "other algorithm", ill: func(r *rig) { r.env = []string{"WATCHWORD_ALGORITHM=RS256"} }, want: "keys warning"},
		{name: "in the clear", ill: func(r *rig) { r.env = []string{"WATCHWORD_KEY_ENCRYPTION=" + kek(1)} }, want: "keys warning"},
		{name: "away", ill: func(r *rig) { r.store = feedless{r.store} }, want: "clock problem, feed problem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.cfg)
			if test.ill != nil {
				test.ill(r)
			}
			code := command.ExitFindings
			if test.want == "" {
				code = command.ExitOK
			}
			out := r.want(code, "doctor", "--json")
			if got := findings(t, out.stdout); got != test.want {
				t.Errorf("got %q, want %q\n%s", got, test.want, out.stdout)
			}
			if table := r.want(code, "doctor"); !strings.HasPrefix(table.stdout, "CHECK") || strings.Count(table.stdout, "CHECK") != 1 {
				t.Errorf("got\n%s", table.stdout)
			}
			for _, finding := range strings.Split(test.want, ", ") {
				check, _, _ := strings.Cut(finding, " ")
				if check == "" || strings.Contains(test.want, ",") {
					continue
				}
				r.want(command.ExitOK, "doctor", "--skip", check)
			}
		})
	}
}

// skew has the store's clock differ from the command's.
func (r *rig) skew(d time.Duration) {
	r.here = func() time.Time { return r.clock.Now().Add(-d) }
}

// cutOff cuts all access keys off, as somebody does who gets no further.
func (r *rig) cutOff() {
	r.t.Helper()
	for _, k := range r.keys() {
		if k.Purpose != session.PurposeAccess {
			continue
		}
		if _, err := r.store.RetireKey(r.t.Context(), k.ID); err != nil {
			r.t.Fatal(err)
		}
	}
}

// feedless is a store whose feed cannot be read.
type feedless struct{ session.Store }

func (feedless) Revocations(context.Context, time.Time, int) ([]session.Revocation, time.Time, error) {
	return nil, time.Time{}, fmt.Errorf("read revocations: %w: the table is gone", session.ErrUnavailable)
}
