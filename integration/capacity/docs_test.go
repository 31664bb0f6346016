package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/scaling.md anew")

// A table of the page stands between two comments, the first of which has the flags that make it.
var tableOf = regexp.MustCompile(`(?s)<!-- capacity (.*?) -->\n.*?<!-- end of the table -->`)

// TestPageIsUpToDate: the tables of docs/scaling.md are what the program writes.
func TestPageIsUpToDate(t *testing.T) {
	t.Parallel()
	const page = "../../docs/scaling.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	fresh := tableOf.ReplaceAllStringFunc(string(text), func(old string) string {
		tables++
		args := tableOf.FindStringSubmatch(old)[1]
		return "<!-- capacity " + args + " -->\n`go run ./capacity " + args + "`:\n\n" +
			output(t, append([]string{"-markdown"}, strings.Fields(args)...)...) + "<!-- end of the table -->"
	})
	if tables == 0 {
		t.Fatal("the page has no tables")
	}
	if fresh == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("docs/scaling.md is not what the program writes: go test ./capacity -run TestPageIsUpToDate -update")
}
