package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/integration/capacity/model"
)

func output(t *testing.T, args ...string) string {
	t.Helper()
	var out strings.Builder
	if err := run(&out, io.Discard, args); err != nil {
		t.Fatalf("capacity %q: %v", args, err)
	}
	return out.String()
}

func TestJSONIsThePrediction(t *testing.T) {
	t.Parallel()
	var got model.Prediction
	if err := json.Unmarshal([]byte(output(t, "-json", "-users", "1e9", "-access-lifetime", "5m")), &got); err != nil {
		t.Fatal(err)
	}
	d := model.Default()
	d.Users, d.AccessLifetime = 1e9, d.AccessLifetime/3
	if want := d.Predict(); got.Shards.Count != want.Shards.Count || got.Refreshes != want.Refreshes || got.Disk != want.Disk {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	text := output(t, "-markdown", "-only", "deployment", "-vary", "users=1e6,1e9")
	want := []string{"| | users 1e6 | users 1e9 |", "| live sessions | 1.00 M | 1.00 G |"}
	for _, w := range want {
		if !strings.Contains(text, w+"\n") {
			t.Errorf("got\n%s\nwithout the line %s", text, w)
		}
	}
	if n := strings.Count(text, "\n"); n != 6 {
		t.Errorf("got %d lines, want a header of two and the four of the section:\n%s", n, text)
	}
	if text = output(t); !strings.Contains(text, "Shards, at the peak") || !strings.Contains(text, "readings a second, at each shard") {
		t.Errorf("without flags some sections are missing:\n%s", text)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-users", "0"}, {"-active", "1.5"}, {"-active", "NaN"}, {"-revocation", "sometimes"}, {"-peak", "0.5"}, {"-headroom", "0"},
		{"-only", "weather"}, {"-vary", "users"}, {"-vary", "users=1,x"}, {"-shards", "-1"}, {"-data-bytes", "-1"}, {"surplus"},
	} {
		if err := run(io.Discard, io.Discard, args); err == nil {
			t.Errorf("capacity %q: got no error", args)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]string{
		0: "0", 0.00125: "0.001", 0.5: "0.50", 12.34: "12.3", 123.4: "123", 1234: "1,234", 123456: "123,456", 1.5e6: "1.50 M", 2.5e9: "2.50 G",
	} {
		if got := count(n); got != want {
			t.Errorf("count(%g): got %q, want %q", n, got, want)
		}
	}
	if got := bytes(1536); got != "1.50 KiB" {
		t.Errorf("bytes(1536): got %q, want 1.50 KiB", got)
	}
}
