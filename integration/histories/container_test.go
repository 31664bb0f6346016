package histories_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	docker "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// container is that of a database server, to be broken.
type container struct {
	docker *testcontainers.DockerClient
	id     string
	off    map[string]*network.EndpointSettings // the networks that it was cut off from
}

// attach finds a container by its id.
func attach(t *testing.T, id string) *container {
	t.Helper()
	reached, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reached.Close() })
	return &container{docker: reached, id: id}
}

func (c *container) signal(ctx context.Context, name string) error {
	_, err := c.docker.ContainerKill(ctx, c.id, docker.ContainerKillOptions{Signal: name})
	return err
}

// kill ends the server as a power cut does, and returns when it has ended.
func (c *container) kill(ctx context.Context) error {
	if err := c.signal(ctx, "SIGKILL"); err != nil {
		return err
	}
	for {
		up, err := c.running(ctx)
		if err != nil || !up {
			return err
		}
		if !pause(ctx, 5*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func (c *container) start(ctx context.Context) error {
	_, err := c.docker.ContainerStart(ctx, c.id, docker.ContainerStartOptions{})
	return err
}

func (c *container) running(ctx context.Context) (bool, error) {
	found, err := c.docker.ContainerInspect(ctx, c.id, docker.ContainerInspectOptions{})
	if err != nil {
		return false, err
	}
	return found.Container.State != nil && found.Container.State.Running, nil
}

// freeze stops all of the server's threads. By a signal, since pausing a container fails on busy machines.
func (c *container) freeze(ctx context.Context) error { return c.signal(ctx, "SIGSTOP") }

// thaw lets them go on.
func (c *container) thaw(ctx context.Context) error { return c.signal(ctx, "SIGCONT") }

// cut takes the container off its networks.
func (c *container) cut(ctx context.Context) error {
	found, err := c.docker.ContainerInspect(ctx, c.id, docker.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	if found.Container.NetworkSettings == nil || len(found.Container.NetworkSettings.Networks) == 0 {
		return errors.New("it is on no network")
	}
	c.off = map[string]*network.EndpointSettings{}
	for name, endpoint := range found.Container.NetworkSettings.Networks {
		if _, err := c.docker.NetworkDisconnect(ctx, name, docker.NetworkDisconnectOptions{Container: c.id, Force: true}); err != nil {
			return fmt.Errorf("cut it off from %s: %w", name, err)
		}
		c.off[name] = endpoint
	}
	return nil
}

// join puts it back, with the addresses and names that it had.
func (c *container) join(ctx context.Context) error {
	for name, endpoint := range c.off {
		if _, err := c.docker.NetworkConnect(ctx, name, docker.NetworkConnectOptions{
			Container:      c.id,
			EndpointConfig: &network.EndpointSettings{Aliases: endpoint.Aliases, IPAMConfig: endpoint.IPAMConfig},
		}); err != nil {
			return fmt.Errorf("join it to %s: %w", name, err)
		}
		delete(c.off, name)
	}
	return nil
}
