package machine

import (
	"os"
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]usage{
		"cpu  10 20 30 400 50 6 7 8 900 1000": {idle: 450, all: 531},
		"cpu0 10 20 30 400 50 6 7 8 0 0":      {},
		"cpu  10 20 x 400 50 6 7 8":           {},
		"":                                    {},
	} {
		if got := parseTicks(line); got != want {
			t.Errorf("%q: got %+v, want %+v", line, got, want)
		}
	}
}

// What the page says of the machine is what it is made of, and not what it is called.
func TestDescribeNamesNobody(t *testing.T) {
	t.Parallel()
	got := Describe()
	if !strings.Contains(got, "core") {
		t.Errorf("got %q, want it to tell the number of cores", got)
	}
	if name, err := os.Hostname(); err == nil && len(name) > 3 && strings.Contains(got, name) {
		t.Errorf("got %q, which has the host's name in it", got)
	}
}

func TestVersionsBeginWithGo(t *testing.T) {
	t.Parallel()
	got := Versions("example.com/not/there")
	if len(got) != 1 || !strings.HasPrefix(got[0], "Go 1.") {
		t.Errorf("got %q, want Go's alone, since the module is not part of this program", got)
	}
}
