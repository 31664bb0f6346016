package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

const (
	removeWithin = time.Minute // of a container, on a machine that is busy
	firstHost    = 16          // of the addresses of a network: the engine may take those before it for itself
)

// Network is a network of the container engine's with the containers that were started on it. They reach each other by their names and
// aliases, and keep their addresses over a restart and over Cut and Join, as machines do.
type Network struct {
	docker *testcontainers.DockerClient
	id     string
	name   string

	mu         sync.Mutex
	next       netip.Addr
	containers []*Container
}

// NewNetwork makes a network. Remove removes it.
func NewNetwork(ctx context.Context) (*Network, error) {
	docker, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	n := &Network{docker: docker, name: "watchword-" + strings.ToLower(rand.Text()[:12])}
	if err := n.create(ctx); err != nil {
		return nil, errors.Join(err, docker.Close())
	}
	return n, nil
}

// connect reaches the engine, as testcontainers finds it.
func connect(ctx context.Context) (docker *testcontainers.DockerClient, err error) {
	defer func() { // testcontainers panics in places when it finds no engine
		if r := recover(); r != nil {
			err = fmt.Errorf("no container engine answers: %v", r)
		}
	}()
	tclog.SetDefault(tclog.NewNoopLogger()) // it tells each step of each container
	docker, err = testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, fmt.Errorf("no container engine answers: %w", err)
	}
	return docker, nil
}

// create makes the network with a range of addresses that is said outright: only in such a one may containers have addresses of our
// choice. Which range is free the engine knows best, so it is asked by making a network, and then that one is made anew.
func (n *Network) create(ctx context.Context) error {
	const tries = 5 // another program may take the range in between
	var failed error
	for range tries {
		probe, err := n.docker.NetworkCreate(ctx, n.name, client.NetworkCreateOptions{Driver: "bridge"})
		if err != nil {
			return fmt.Errorf("create a network: %w", err)
		}
		found, err := n.docker.NetworkInspect(ctx, probe.ID, client.NetworkInspectOptions{})
		if _, removed := n.docker.NetworkRemove(ctx, probe.ID, client.NetworkRemoveOptions{}); removed != nil {
			return fmt.Errorf("create a network: %w", errors.Join(err, removed))
		}
		if err != nil {
			return fmt.Errorf("create a network: %w", err)
		}
		i, ranges := 0, found.Network.IPAM.Config
		for i < len(ranges) && !ranges[i].Subnet.Addr().Is4() {
			i++
		}
		if i == len(ranges) {
			return errors.New("create a network: the engine gives it no IPv4 addresses")
		}
		made, err := n.docker.NetworkCreate(ctx, n.name, client.NetworkCreateOptions{
			Driver: "bridge",
			IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: ranges[i].Subnet}}},
			Labels: testcontainers.GenericLabels(),
		})
		if err != nil {
			failed = fmt.Errorf("create a network: %w", err)
			continue
		}
		n.id, n.next = made.ID, ranges[i].Subnet.Masked().Addr()
		for range firstHost {
			n.next = n.next.Next()
		}
		return nil
	}
	return failed
}

// Reserve sets an address on the network aside, for a Spec whose neighbours have to know it before it is started.
func (n *Network) Reserve() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.next
	n.next = a.Next()
	return a
}

// Remove removes the network and every container that was started on it, running or not. It waits for no server to shut down.
func (n *Network) Remove() error {
	n.mu.Lock()
	containers := n.containers
	n.containers = nil
	n.mu.Unlock()
	var (
		all  sync.WaitGroup
		errs = make([]error, len(containers)+1)
	)
	for i, c := range containers {
		all.Go(func() { errs[i] = c.Remove() })
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), removeWithin)
	defer cancel()
	if _, err := n.docker.NetworkRemove(ctx, n.id, client.NetworkRemoveOptions{}); err != nil {
		errs[len(containers)] = fmt.Errorf("remove the network %s: %w", n.name, err)
	}
	return errors.Join(append(errs, n.docker.Close())...)
}
