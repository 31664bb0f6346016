package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
)

// Labels of a container, by which another process finds its way back.
const (
	networkLabel = "dev.watchword.cluster.network"
	addressLabel = "dev.watchword.cluster.address"
	aliasesLabel = "dev.watchword.cluster.aliases"
)

// Spec is a container to be started.
type Spec struct {
	// Name is what the others on the network reach it by, and what messages call it.
	Name  string
	Image string
	// Command replaces the image's; empty: the image's own.
	Command []string
	Env     map[string]string
	// Ports of the container that are published on 127.0.0.1, such as "3306".
	Ports []string
	// Files are put into the container before it starts: their contents by their absolute paths. What begins with "#!" may be run.
	Files map[string]string
	// Aliases are further names on the network.
	Aliases    []string
	Privileged bool
	// Address is one that Network.Reserve has set aside; zero: any.
	Address netip.Addr
}

// Start starts a container on the network. It does not wait for what runs in it; see Await. The container goes with the network.
func (n *Network) Start(ctx context.Context, spec Spec) (_ *Container, err error) {
	defer func() {
		if r := recover(); r != nil { // testcontainers; see connect
			err = fmt.Errorf("start %s: %v", spec.Name, r)
		}
	}()
	bindings, published := network.PortMap{}, map[string]string{}
	for _, port := range spec.Ports {
		parsed, err := network.ParsePort(strings.TrimSuffix(port, "/tcp") + "/tcp")
		if err != nil {
			return nil, fmt.Errorf("start %s: port %q: %w", spec.Name, port, err)
		}
		host, err := freePort(ctx)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", spec.Name, err)
		}
		// On loopback, since the passwords are in the source; and a port of our choice, as one of the engine's changes with a restart.
		bindings[parsed] = []network.PortBinding{{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: host}}
		published[parsed.Port()] = host
	}
	address := spec.Address
	if !address.IsValid() {
		address = n.Reserve()
	}
	names := append([]string{spec.Name}, spec.Aliases...)
	request := testcontainers.ContainerRequest{
		Image: spec.Image, Cmd: spec.Command, Env: spec.Env,
		Networks: []string{n.name}, NetworkAliases: map[string][]string{n.name: names},
		Labels: map[string]string{
			networkLabel: n.id, addressLabel: address.String(), aliasesLabel: strings.Join(names, ","),
		},
		ConfigModifier: func(c *container.Config) { c.Hostname = spec.Name },
		HostConfigModifier: func(h *container.HostConfig) {
			h.PortBindings = bindings
			h.Privileged = spec.Privileged
		},
		EndpointSettingsModifier: func(settings map[string]*network.EndpointSettings) {
			if s := settings[n.name]; s != nil {
				s.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: address}
			}
		},
	}
	for port := range bindings {
		request.ExposedPorts = append(request.ExposedPorts, port.String())
	}
	for file, content := range spec.Files {
		if !path.IsAbs(file) {
			return nil, fmt.Errorf("start %s: the path %q is not absolute", spec.Name, file)
		}
		mode := int64(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		request.Files = append(request.Files, testcontainers.ContainerFile{
			Reader: strings.NewReader(content), ContainerFilePath: file, FileMode: mode,
		})
	}
	slices.SortFunc(request.Files, func(a, b testcontainers.ContainerFile) int {
		return strings.Compare(a.ContainerFilePath, b.ContainerFilePath)
	})
	made, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{ContainerRequest: request, Started: true})
	if made == nil || made.GetContainerID() == "" {
		return nil, fmt.Errorf("start %s of image %s: %w", spec.Name, spec.Image, err)
	}
	c := &Container{docker: n.docker, id: made.GetContainerID(), name: spec.Name, ports: published}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s of image %s: %w", spec.Name, spec.Image, err), c.Remove())
	}
	n.mu.Lock()
	n.containers = append(n.containers, c)
	n.mu.Unlock()
	return c, nil
}

// freePort finds a port on loopback. Somebody else may take it before the container does; then the container does not start, and says so.
func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return "", errors.Join(errors.New("find a free port: not a TCP listener"), l.Close())
	}
	return strconv.Itoa(addr.Port), l.Close()
}
