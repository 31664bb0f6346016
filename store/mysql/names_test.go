package mysql

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestNamesAreReplaced(t *testing.T) {
	t.Parallel()
	n := newNames("app_")
	for range 2 { // made, then remembered
		for text, want := range map[string]string{
			"":                               "",
			"SELECT 1":                       "SELECT 1",
			"DELETE FROM `{{prefix}}things`": "DELETE FROM `app_things`",
			"SELECT {{now}}, {{now}}":        "SELECT " + clock + ", " + clock,
			"{{other}} {{prefix}":            "{{other}} {{prefix}",
		} {
			if got := n.Replace(text); got != want {
				t.Errorf("%q: got %q, want %q", text, got, want)
			}
		}
	}
}

// A statement's text is made once; lists of handles, of which there is no end, are not kept.
func TestTextsAreRemembered(t *testing.T) {
	n := newNames("app_")
	n.Replace(confirm.plain)
	if allocs := testing.AllocsPerRun(100, func() { n.Replace(confirm.plain) }); allocs != 0 {
		t.Errorf("a text that is known allocates %v times, want never", allocs)
	}
	for i := range 100 {
		n.Replace("DELETE FROM `{{prefix}}sessions` WHERE handle IN (" + strings.Repeat("?", i) + ")")
	}
	if known := len(*n.known.Load()); known != 1 {
		t.Errorf("%d texts are remembered, want 1", known)
	}
}

func TestTextsAreMadeByManyAtOnce(t *testing.T) {
	t.Parallel()
	n := newNames("app_")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 100 {
				text := fmt.Sprintf("SELECT %d FROM `{{prefix}}things`", i%10)
				if got, want := n.Replace(text), fmt.Sprintf("SELECT %d FROM `app_things`", i%10); got != want {
					t.Errorf("%q: got %q, want %q", text, got, want)
				}
			}
		})
	}
	all.Wait()
}
