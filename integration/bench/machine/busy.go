package machine

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

// Busy is which part of the processors' time others use, as seen for a while in which this process does nothing; zero where the system
// does not tell.
func Busy(ctx context.Context, d time.Duration) float64 {
	before := ticks()
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	after := ticks()
	if all := after.all - before.all; all > 0 {
		return 1 - (after.idle-before.idle)/all
	}
	return 0
}

type usage struct{ idle, all float64 }

func ticks() usage {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return usage{}
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	return parseTicks(line)
}

// parseTicks reads the first line of /proc/stat, proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal, and guests, whose
// time is part of the user's.
func parseTicks(line string) usage {
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[0] != "cpu" {
		return usage{}
	}
	var u usage
	for i, field := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return usage{}
		}
		u.all += n
		if i == 3 || i == 4 {
			u.idle += n
		}
	}
	return u
}
