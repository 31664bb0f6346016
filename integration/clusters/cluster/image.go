package cluster

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Image is an image of a database that is built here where no registry has one.
type Image struct {
	// Env is the variable of the environment that names another image, to be used as it is.
	Env string
	// Tag is what the image is called that is built here.
	Tag string
	// Recipe holds build.sh, which builds the image as its argument names it, and with --check before that says whether there is one that
	// the same recipe has built.
	Recipe fs.FS
	// Needs are the packages of Debian that build.sh calls.
	Needs []string
}

// Find returns the name of the image, after building it if need be.
func (i Image) Find(ctx context.Context, log func(format string, args ...any)) (string, error) {
	if name := os.Getenv(i.Env); name != "" {
		return name, nil // testcontainers pulls it, unless it is local, or says why it cannot
	}
	if out, err := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").CombinedOutput(); err != nil {
		return "", fmt.Errorf("no container engine answers `docker version`: %w\n%s", err, lastLines(out))
	}
	dir, err := os.MkdirTemp("", "watchword-image-")
	if err != nil {
		return "", fmt.Errorf("build image %s: %w", i.Tag, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.CopyFS(dir, i.Recipe); err != nil {
		return "", fmt.Errorf("build image %s: %w", i.Tag, err)
	}
	build := func(args ...string) *exec.Cmd {
		//nolint:gosec // the script is this program's own
		return exec.CommandContext(ctx, "bash", append([]string{filepath.Join(dir, "build.sh")}, args...)...)
	}
	if build("--check", i.Tag).Run() == nil {
		return i.Tag, nil
	}
	if !rootOnDebian() {
		return "", fmt.Errorf("there is no image %s that is up to date, and only root on Debian can build it from Debian's packages: "+
			"set %s to an image that you have, or run this as root on Debian", i.Tag, i.Env)
	}
	if err := i.install(ctx, log); err != nil {
		return "", err
	}
	log("building image %s from Debian's packages; once, in about a minute", i.Tag)
	out, err := build(i.Tag).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build image %s: %w\n%s", i.Tag, err, lastLines(out))
	}
	return i.Tag, nil
}

// install installs what build.sh needs and this machine lacks.
func (i Image) install(ctx context.Context, log func(format string, args ...any)) error {
	var missing []string
	for _, name := range i.Needs {
		//nolint:gosec // the names are this program's own
		if exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=${Version}", name).Run() != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	log("installing %s", strings.Join(missing, ", "))
	apt := func(args ...string) ([]byte, error) {
		//nolint:gosec // the names are this program's own
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		return cmd.CombinedOutput()
	}
	install := append([]string{"install", "-y", "--no-install-recommends"}, missing...)
	if _, err := apt(install...); err == nil {
		return nil
	}
	if out, err := apt("update"); err != nil { // most often the package lists are missing or old
		return fmt.Errorf("apt-get update: %w\n%s", err, lastLines(out))
	}
	if out, err := apt(install...); err != nil {
		return fmt.Errorf("install %s: %w\n%s", strings.Join(missing, ", "), err, lastLines(out))
	}
	return nil
}

func rootOnDebian() bool {
	release, err := os.ReadFile("/etc/os-release")
	return err == nil && os.Geteuid() == 0 && strings.Contains("\n"+string(release), "\nID=debian\n")
}

func lastLines(out []byte) string {
	const most = 20
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
