// Command clusters brings up a cluster of databases in containers and runs a command on it, or keeps it up until it is interrupted. --help says
// which ones there are.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/galera"
	"github.com/watchword-dev/watchword/integration/clusters/groupreplication"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
	"github.com/watchword-dev/watchword/integration/clusters/vitessreal"
)

// kind is a cluster that can be brought up.
type kind struct {
	name   string
	about  string
	memory int64 // that it takes, in MiB
	up     func(ctx context.Context, log func(format string, args ...any)) (*cluster.Cluster, func() error, error)
}

func kinds() []kind {
	return []kind{
		{"galera", "MariaDB with Galera: three nodes that all take writes", 1800, galera.Up},
		{"group-replication", "MySQL Group Replication: three servers, behind a router that finds the one which takes writes", 2500, groupreplication.Up},
		{"vitess", "Vitess: a keyspace of two shards and one that is not sharded, behind vtgate", 1500, vitess.Up},
		{"vitess-shards", "Vitess with its own failover: the same, each shard with a primary and two replicas", 4500, vitessreal.Up},
	}
}

// Exit codes of this program's own; else it is the command's.
const (
	badUsage    = 2
	noCluster   = 125
	interrupted = 130

	upWithin    = 20 * time.Minute // with the images built, and what of Vitess has to be compiled
	endsWithin  = 20 * time.Second
	memoryExtra = 512 // MiB, for the command
)

func main() {
	// Not signal.NotifyContext: a second signal has to do something, too.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], signals, os.Stdout, os.Stderr))
}

func run(args []string, signals <-chan os.Signal, out, errs io.Writer) int {
	log := func(format string, args ...any) { fmt.Fprintf(errs, "clusters: "+format+"\n", args...) }
	if len(args) == 1 && slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]) {
		fmt.Fprint(out, usage())
		return 0
	}
	if len(args) < 2 || args[0] != "run" && args[0] != "up" || args[0] == "up" && len(args) > 2 || args[0] == "run" && len(args) == 2 {
		fmt.Fprint(errs, usage())
		return badUsage
	}
	all := kinds()
	at := slices.IndexFunc(all, func(k kind) bool { return k.name == args[1] })
	if at < 0 {
		log("there is no kind %q; --help lists them", args[1])
		return badUsage
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	wasInterrupted := make(chan struct{})
	go func() {
		<-signals
		log("interrupted; taking the cluster down (once more: at once, which may leave containers behind)")
		close(wasInterrupted)
		cancel()
		<-signals
		os.Exit(interrupted)
	}()
	code := on(ctx, all[at], args[2:], out, errs, log)
	select {
	case <-wasInterrupted:
		return interrupted
	default:
		return code
	}
}

// on brings the cluster up, runs the command on it, or waits for the end of ctx where there is none, and takes it down.
func on(ctx context.Context, k kind, command []string, out, errs io.Writer, log func(format string, args ...any)) (code int) {
	began := time.Now()
	c, down, err := up(ctx, k, log)
	if err != nil {
		log("%s cannot be brought up: %v", k.name, err)
		return noCluster
	}
	log("%s is up after %.1f s", k.name, time.Since(began).Seconds())
	defer func() {
		if err := down(); err != nil {
			log("take %s down: %v", k.name, err)
			code = max(code, noCluster)
		}
	}()
	environment, err := c.Environment()
	if err != nil {
		log("%v", err)
		return noCluster
	}
	if len(command) == 0 {
		for _, variable := range environment {
			name, value, _ := strings.Cut(variable, "=")
			fmt.Fprintf(out, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
		}
		<-ctx.Done()
		return 0
	}
	return execute(ctx, command, environment, out, errs, log)
}

func up(ctx context.Context, k kind, log func(format string, args ...any)) (*cluster.Cluster, func() error, error) {
	if err := cluster.NeedMemory(ctx, k.memory+memoryExtra); err != nil {
		if !errors.Is(err, cluster.ErrTooSmall) {
			err = fmt.Errorf("%w\n`./engine.sh run clusters …` in integration/ finds a container engine, or on Debian starts one", err)
		}
		return nil, nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, upWithin)
	defer cancel()
	return k.up(bounded, log)
}

// execute runs the command with what it starts in a process group of their own. When ctx ends the group is asked to end, and then made to.
func execute(ctx context.Context, command, environment []string, out, errs io.Writer, log func(format string, args ...any)) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // running what it is told is what this program is for
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = endsWithin
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what of the group is left
	}
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended) && ended.ExitCode() >= 0:
		return ended.ExitCode()
	default:
		log("%s: %v", command[0], err)
		return noCluster
	}
}

func usage() string {
	var b strings.Builder
	b.WriteString(`usage: clusters run KIND COMMAND...   bring a cluster up, run COMMAND on it, take it down
       clusters up KIND               bring it up, print its environment for a shell, and keep it until interrupted

The kinds:

`)
	for _, k := range kinds() {
		fmt.Fprintf(&b, "  %-18s %s; takes %d MiB\n", k.name, k.about, k.memory)
	}
	fmt.Fprintf(&b, `
The servers are containers of the engine that docker reaches; `+"`engine.sh run clusters …`"+` in integration/ finds or starts one.
COMMAND gets %s, the DSN of a server that takes writes, so that the tests of integration/ run on it as on one server,
and %s, which says where each node is.

The exit code is COMMAND's; %d where the cluster could not be brought up or taken down, or COMMAND not be run; %d after an interrupt.
`, cluster.DSNEnv, cluster.Env, noCluster, interrupted)
	return b.String()
}
