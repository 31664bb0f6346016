// Package cluster is what the clusters of databases have in common: the containers that they run in, how a program takes such a container
// down and brings it back, and how the tests of another process are told where everything is.
package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// The environment that a command gets that runs on a cluster.
const (
	// DSNEnv holds the DSN, without a schema, of the single writer or the first node.
	DSNEnv = "WATCHWORD_TEST_MYSQL_DSN"
	// Env holds the Cluster as JSON, for tests that need several nodes, or break them.
	Env = "WATCHWORD_TEST_CLUSTER"
)

// Cluster is where a running cluster is.
type Cluster struct {
	// Kind is "galera", "group-replication" or "vitess".
	Kind string
	// Writers are DSNs without a schema, each of which takes writes: the router's for group replication, one for each node of
	// Galera, vtgate's for Vitess. Their user may create schemas.
	Writers []string
	// Nodes are the servers themselves.
	Nodes []Node
}

// Node is one server of a cluster.
type Node struct {
	Name string
	// Container is the id of its container, for Attach.
	Container string
	// DSN reaches this server past any router, without a schema. It is empty where nothing but the cluster's own parts does.
	DSN string
}

// ErrNoCluster says that the environment names no cluster.
var ErrNoCluster = errors.New(Env + " is not set: these tests run on a cluster, as `clusters run KIND go test …` starts it")

// FromEnvironment is the cluster that this process was started for.
func FromEnvironment() (*Cluster, error) {
	text := os.Getenv(Env)
	if text == "" {
		return nil, ErrNoCluster
	}
	c := new(Cluster)
	if err := json.Unmarshal([]byte(text), c); err != nil {
		return nil, fmt.Errorf("%s: %w", Env, err)
	}
	if c.Kind == "" || len(c.Writers) == 0 {
		return nil, fmt.Errorf("%s: it names no kind or no writer", Env)
	}
	return c, nil
}

// Environment is what tells another process of the cluster, as os/exec takes it.
func (c *Cluster) Environment() ([]string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("describe the cluster: %w", err)
	}
	if len(c.Writers) == 0 {
		return nil, errors.New("describe the cluster: it has no writer")
	}
	return []string{DSNEnv + "=" + c.Writers[0], Env + "=" + string(text)}, nil
}
