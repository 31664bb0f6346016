package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// Container is a container of a cluster, to be broken and mended. Its methods may be called by several goroutines, and each says when the
// engine did not do what was asked.
type Container struct {
	docker *testcontainers.DockerClient
	id     string
	name   string
	ports  map[string]string // of the container to 127.0.0.1's
}

// Attach finds a container of a running cluster by its id, from any process. Detach when it is no longer used.
func Attach(ctx context.Context, id string) (*Container, error) {
	docker, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	found, err := docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find container %s: %w", id, err), docker.Close())
	}
	c := &Container{docker: docker, id: id, name: id, ports: map[string]string{}}
	if found.Container.Config != nil {
		c.name = found.Container.Config.Hostname
	}
	if found.Container.HostConfig != nil {
		for port, bindings := range found.Container.HostConfig.PortBindings {
			for _, b := range bindings {
				c.ports[port.Port()] = b.HostPort
			}
		}
	}
	return c, nil
}

// Detach closes what Attach has opened. The container stays.
func (c *Container) Detach() error { return c.docker.Close() }

// ID is the engine's.
func (c *Container) ID() string { return c.id }

// Name is the one of its Spec.
func (c *Container) Name() string { return c.name }

// Addr is where a published port is reached, as 127.0.0.1:N. It stays the same over restarts. A port that is not published has none.
func (c *Container) Addr(port string) string {
	host, ok := c.ports[strings.TrimSuffix(port, "/tcp")]
	if !ok {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", host)
}

// Kill ends every process in the container at once, as a power cut does, and returns when they have ended. The disk stays.
func (c *Container) Kill(ctx context.Context) error {
	_, err := c.docker.ContainerKill(ctx, c.id, client.ContainerKillOptions{Signal: "KILL"})
	return c.wrap("kill", err)
}

// Stop asks what runs in the container to shut down, and waits for that. After the grace it is killed.
func (c *Container) Stop(ctx context.Context, grace time.Duration) error {
	seconds := int(grace / time.Second)
	_, err := c.docker.ContainerStop(ctx, c.id, client.ContainerStopOptions{Timeout: &seconds})
	return c.wrap("stop", err)
}

// StartAgain starts the container after Kill or Stop, with the disk that it had.
func (c *Container) StartAgain(ctx context.Context) error {
	_, err := c.docker.ContainerStart(ctx, c.id, client.ContainerStartOptions{})
	return c.wrap("start", err)
}

// Running reports whether the container's first process lives.
func (c *Container) Running(ctx context.Context) (bool, error) {
	found, err := c.docker.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
	if err != nil {
		return false, c.wrap("inspect", err)
	}
	return found.Container.State != nil && found.Container.State.Running, nil
}

// Pause freezes everything in the container: connections to it stay open, and nobody answers.
func (c *Container) Pause(ctx context.Context) error {
	const tries = 5 // on a busy machine the engine gives up now and then before all threads stand still
	var err error
	for range tries {
		if _, err = c.docker.ContainerPause(ctx, c.id, client.ContainerPauseOptions{}); err == nil || ctx.Err() != nil {
			break
		}
		if found, asked := c.docker.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{}); asked == nil &&
			found.Container.State != nil && found.Container.State.Paused {
			return nil
		}
	}
	return c.wrap("pause", err)
}

// Unpause lets a paused container go on.
func (c *Container) Unpause(ctx context.Context) error {
	_, err := c.docker.ContainerUnpause(ctx, c.id, client.ContainerUnpauseOptions{})
	return c.wrap("unpause", err)
}

// Cut takes the container off its network: neither the others nor this machine reach it, while it runs on.
func (c *Container) Cut(ctx context.Context) error {
	e, err := c.endpoint(ctx)
	if err != nil {
		return err
	}
	_, err = c.docker.NetworkDisconnect(ctx, e.network, client.NetworkDisconnectOptions{Container: c.id, Force: true})
	return c.wrap("cut off", err)
}

// Join puts the container back on its network, with the address, names and published ports that it had.
func (c *Container) Join(ctx context.Context) error {
	e, err := c.endpoint(ctx)
	if err != nil {
		return err
	}
	_, err = c.docker.NetworkConnect(ctx, e.network, client.NetworkConnectOptions{
		Container: c.id,
		EndpointConfig: &network.EndpointSettings{
			Aliases: e.aliases, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: e.address},
		},
	})
	return c.wrap("join to the network", err)
}

// endpoint is the container's place on the network.
type endpoint struct {
	network string
	address netip.Addr
	aliases []string
}

// endpoint is read from the labels, so that one process may cut the container off and another join it again.
func (c *Container) endpoint(ctx context.Context) (endpoint, error) {
	found, err := c.docker.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
	if err != nil {
		return endpoint{}, c.wrap("inspect", err)
	}
	if found.Container.Config == nil || found.Container.Config.Labels[networkLabel] == "" {
		return endpoint{}, fmt.Errorf("%s: it was not started by this package", c.name)
	}
	labels := found.Container.Config.Labels
	address, err := netip.ParseAddr(labels[addressLabel])
	if err != nil {
		return endpoint{}, c.wrap("read the address of", err)
	}
	return endpoint{network: labels[networkLabel], address: address, aliases: strings.Split(labels[aliasesLabel], ",")}, nil
}

// Exec runs a command in the container and returns what it wrote to its standard output. The error of one that failed holds what it wrote to
// the other.
func (c *Container) Exec(ctx context.Context, cmd ...string) (string, error) {
	made, err := c.docker.ExecCreate(ctx, c.id, client.ExecCreateOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return "", c.wrap("run a command in", err)
	}
	attached, err := c.docker.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", c.wrap("run a command in", err)
	}
	defer attached.Close()
	// The connection does not know of ctx, and a command in a frozen container never ends.
	defer context.AfterFunc(ctx, attached.Close)()
	var out, wrong bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &wrong, attached.Reader); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), c.wrap("run a command in", err)
	}
	ended, err := c.docker.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	if err != nil {
		return out.String(), c.wrap("run a command in", err)
	}
	if ended.ExitCode != 0 {
		return out.String(), fmt.Errorf("%s: %s ended with %d: %s", c.name, cmd[0], ended.ExitCode, strings.TrimSpace(wrong.String()))
	}
	return out.String(), nil
}

// Logs returns the last lines that the container wrote.
func (c *Container) Logs(ctx context.Context, lines int) (string, error) {
	stream, err := c.docker.ContainerLogs(ctx, c.id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(lines),
	})
	if err != nil {
		return "", c.wrap("read the log of", err)
	}
	defer func() { _ = stream.Close() }()
	var out bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &out, stream)
	return out.String(), c.wrap("read the log of", err)
}

// Remove removes the container and its data, running or not. It may be called again.
func (c *Container) Remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), removeWithin)
	defer cancel()
	_, err := c.docker.ContainerRemove(ctx, c.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return c.wrap("remove", err)
}

func (c *Container) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, c.name, err)
}
