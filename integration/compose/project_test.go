package compose_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/program"
)

// dsnEnv stands in for an engine, as in package mysqltest.
const dsnEnv = "WATCHWORD_TEST_MYSQL_DSN"

// project is what docker-compose.yml describes, brought up under a name and a port of its own.
type project struct {
	name string
	port string
	base string // the URL of its page, without a path
	env  []string
}

// up builds and starts everything, waits until it is healthy, and takes it down when the test ends. Where a database stands in for an
// engine, and only there, the test is skipped when there is none, or none that has or gets the images.
func up(t *testing.T) *project {
	t.Helper()
	missing := t.Fatalf
	if os.Getenv(dsnEnv) != "" {
		missing = t.Skipf
	}
	if out, err := run(t.Context(), os.Environ(), "docker", "version"); err != nil {
		missing("no container engine: run `make test`, which brings one along, or install Docker: %s", out)
	}
	setup, err := exec.CommandContext(t.Context(), "./setup.sh").Output()
	if err != nil {
		missing("setup.sh: %v\n%s", err, stderr(err))
	}
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "WATCHWORD_") }) // some are for the demo
	_, port, err := net.SplitHostPort(program.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &project{
		name: "watchword-test-" + strings.ToLower(rand.Text()[:8]),
		port: port,
		base: "http://" + net.JoinHostPort("127.0.0.1", port),
		env:  append(env, append(strings.Fields(string(setup)), "DEMO_PORT="+port)...),
	}
	t.Cleanup(func() { p.down(t) })
	began := time.Now()
	for _, service := range []string{"api1", "api2", "web"} { // one after the other: old engines have crashed when they build side by side
		if out, err := p.try(t, "build", service); err != nil {
			missing("docker compose build %s: %v\n%s", service, err, out)
		}
	}
	t.Logf("built in %v", time.Since(began).Round(time.Second))
	began = time.Now()
	p.compose(t, "up", "--detach", "--wait", "--wait-timeout", "180")
	t.Logf("healthy after %v", time.Since(began).Round(time.Second))
	return p
}

// down removes everything there is of the project, and makes sure of it.
func (p *project) down(t *testing.T) {
	if t.Failed() {
		out, _ := p.try(t, "logs", "--no-color", "--tail", "20") // what there is has to do
		t.Logf("the last of each log:\n%s", out)
	}
	p.compose(t, "down", "--volumes", "--rmi", "local", "--remove-orphans")
	for _, list := range [][]string{
		{"container", "ls", "--all"}, {"volume", "ls"}, {"network", "ls"}, {"image", "ls"},
	} {
		args := append(list, "--quiet", "--filter", "label=com.docker.compose.project="+p.name)
		if left := p.docker(t, args...); left != "" {
			t.Errorf("docker %s: still there: %q", strings.Join(args, " "), left)
		}
	}
}

// compose runs docker compose, and fails the test with what it has said.
func (p *project) compose(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.try(t, args...)
	if err != nil {
		t.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (p *project) try(t *testing.T, args ...string) (string, error) {
	// Also in a cleanup, when the test's context is done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 8*time.Minute)
	defer cancel()
	file := filepath.Join("..", "..", "docker-compose.yml") // alone, without anybody's override
	return run(ctx, p.env, "docker", append([]string{"compose", "--progress", "plain", "--file", file, "--project-name", p.name}, args...)...)
}

func (p *project) docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(context.WithoutCancel(t.Context()), p.env, "docker", args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

// container is what the engine says of one.
type container struct {
	Config struct {
		User   string
		Labels map[string]string
	}
	HostConfig struct {
		CapAdd, CapDrop, SecurityOpt []string
		PortBindings                 map[string][]binding
		Privileged, ReadonlyRootfs   bool
	}
	State struct {
		ExitCode int
		Health   struct{ Status string }
	}
}

type binding struct{ HostIP, HostPort string }

// containers returns those of the project by the names of their services.
func (p *project) containers(t *testing.T) map[string]container {
	t.Helper()
	ids := strings.Fields(p.compose(t, "ps", "--all", "--quiet"))
	var list []container
	if err := json.Unmarshal([]byte(p.docker(t, append([]string{"inspect"}, ids...)...)), &list); err != nil {
		t.Fatal(err)
	}
	named := map[string]container{}
	for _, c := range list {
		named[c.Config.Labels["com.docker.compose.service"]] = c
	}
	return named
}

func run(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return out.String(), err
}

func stderr(err error) string {
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output wraps nothing around it
		return string(exit.Stderr)
	}
	return ""
}
