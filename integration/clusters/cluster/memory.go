package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// ErrTooSmall says that the machine has not the memory that a cluster takes.
var ErrTooSmall = errors.New("too little memory")

// NeedMemory returns an error that matches ErrTooSmall where less than that many mebibytes are free. Where the system does not say what is
// free, what the engine has in all has to do.
func NeedMemory(ctx context.Context, mebibytes int64) error {
	const mebibyte = 1 << 20
	docker, err := connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = docker.Close() }()
	free, err := engineMemory(ctx, docker)
	if err != nil {
		return err
	}
	if here, known := available(); known {
		free = min(free, here)
	}
	if free < mebibytes*mebibyte {
		return fmt.Errorf("%w: the cluster takes about %d MiB, and there are %d MiB", ErrTooSmall, mebibytes, free/mebibyte)
	}
	return nil
}

func engineMemory(ctx context.Context, docker *testcontainers.DockerClient) (int64, error) {
	info, err := docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return 0, fmt.Errorf("ask the container engine for its memory: %w", err)
	}
	return info.Info.MemTotal, nil
}

// available is how many bytes Linux could give to new processes; elsewhere it is not known.
func available() (free int64, known bool) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var kibibytes int64
		if n, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kibibytes); err == nil && n == 1 {
			return kibibytes << 10, true
		}
	}
	return 0, false
}
