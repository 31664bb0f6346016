// Package machine says what the figures were taken with.
package machine

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Describe names the processor, how many of its cores there are to use, and the memory: nothing that tells whose machine it is.
func Describe() string {
	parts := []string{}
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		parts = append(parts, model)
	}
	cores := "1 core"
	if n := runtime.NumCPU(); n > 1 {
		cores = fmt.Sprintf("%d cores", n)
	}
	parts = append(parts, cores)
	if kib, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		parts = append(parts, fmt.Sprintf("%.0f GiB of memory", kib/(1<<20)))
	}
	return strings.Join(append(parts, runtime.GOOS+"/"+runtime.GOARCH), ", ")
}

// field finds the first line "name : value" of a file of the kernel's; nothing where there is none.
func field(file, name string) string {
	f, err := os.Open(file) //nolint:gosec // one of two constants
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

// Versions are those of Go and of the modules named.
func Versions(modules ...string) []string {
	all := []string{"Go " + strings.TrimPrefix(runtime.Version(), "go")}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return all
	}
	known := map[string]string{}
	for _, m := range info.Deps {
		known[m.Path] = m.Version
	}
	for _, path := range modules {
		if version := known[path]; version != "" {
			all = append(all, strings.TrimPrefix(path, "github.com/")+" "+version)
		}
	}
	return all
}
