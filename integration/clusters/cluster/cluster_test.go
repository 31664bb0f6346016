package cluster_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

// Another process reads what the environment says.
func TestEnvironment(t *testing.T) {
	want := &cluster.Cluster{
		Kind: "galera", Writers: []string{"a@tcp(127.0.0.1:1)/", "b@tcp(127.0.0.1:2)/"},
		Nodes: []cluster.Node{{Name: "one", Container: "id", DSN: "a@tcp(127.0.0.1:1)/"}},
	}
	variables, err := want.Environment()
	if err != nil {
		t.Fatal(err)
	}
	if variables[0] != cluster.DSNEnv+"="+want.Writers[0] {
		t.Errorf("got %q, want the first writer", variables[0])
	}
	_, text, _ := strings.Cut(variables[1], "=")
	t.Setenv(cluster.Env, text)
	if got, err := cluster.FromEnvironment(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	t.Setenv(cluster.Env, "")
	if _, err := cluster.FromEnvironment(); !errors.Is(err, cluster.ErrNoCluster) {
		t.Errorf("without a cluster: got %v, want %v", err, cluster.ErrNoCluster)
	}
	for _, bad := range []string{"{", "{}", `{"Kind":"galera"}`} {
		t.Setenv(cluster.Env, bad)
		if got, err := cluster.FromEnvironment(); err == nil {
			t.Errorf("%s: got %+v, want an error", bad, got)
		}
	}
}
