package compose_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// demoWeb is the demo's page with its browser tests.
const demoWeb = "../../demo/web"

// testBrowser has the page's own journey go through the proxy in a real browser: of two devices each has a process of its own. The
// lifetimes are those that it expects.
func testBrowser(t *testing.T, p *project) {
	defer func(env []string) { p.env = env }(p.env)
	p.env = append(slices.Clone(p.env), "WATCHWORD_ACCESS_LIFETIME=5s", "WATCHWORD_GRACE=3s")
	p.compose(t, "up", "--detach", "--wait", "--wait-timeout", "120")

	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	npm := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(ctx, "npm", args...)
		cmd.Dir = demoWeb
		cmd.Env = append(slices.Clone(p.env), "WATCHWORD_URL="+p.base)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm %v: %v\n%s", args, err, out)
		}
	}
	if _, err := os.Stat(demoWeb + "/node_modules"); err != nil {
		npm("ci", "--no-audit", "--no-fund")
	}
	npm("exec", "--", "playwright", "test", "journey")
}
