package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		code int
		says string // on either stream
	}{
		{[]string{"--help"}, 0, "usage: clusters run KIND COMMAND"},
		{nil, badUsage, "usage:"},
		{[]string{"run"}, badUsage, "usage:"},
		{[]string{"run", "galera"}, badUsage, "usage:"},
		{[]string{"up", "galera", "true"}, badUsage, "usage:"},
		{[]string{"down", "galera"}, badUsage, "usage:"},
		{[]string{"up", "oracle"}, badUsage, `there is no kind "oracle"`},
	} {
		var out, errs bytes.Buffer
		code := run(test.args, make(chan os.Signal), &out, &errs)
		if said := out.String() + errs.String(); code != test.code || !strings.Contains(said, test.says) {
			t.Errorf("clusters %q: got code %d and %q, want %d and %q", test.args, code, said, test.code, test.says)
		}
	}
}

// The command's exit code is the program's, its environment has what it needs, and it ends when it is told to.
func TestExecute(t *testing.T) {
	t.Parallel()
	c := &cluster.Cluster{Kind: "none", Writers: []string{"root@tcp(127.0.0.1:1)/"}}
	environment, err := c.Environment()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := execute(t.Context(), []string{"sh", "-c", `echo "$WATCHWORD_TEST_MYSQL_DSN $WATCHWORD_TEST_CLUSTER"; exit 7`}, environment, &out, &out, t.Logf)
	if want := c.Writers[0] + ` {"Kind":"none",`; code != 7 || !strings.HasPrefix(out.String(), want) {
		t.Errorf("got code %d and %q, want 7 and %q first", code, out.String(), want)
	}
	if code := execute(t.Context(), []string{"/does/not/exist"}, nil, &out, &out, t.Logf); code != noCluster {
		t.Errorf("a command that is not there: got code %d, want %d", code, noCluster)
	}
}

// An interrupt ends the command with what it has started, and then the cluster is taken down.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	var out bytes.Buffer
	execute(ctx, []string{"sh", "-c", "sleep 60 & wait"}, nil, &out, &out, t.Logf)
	if took := time.Since(began); took > endsWithin/2 {
		t.Errorf("the command and what it started ended after %v, want at once", took)
	}
}
