package faults_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in docs/reliability.md")

const (
	beginMark = "<!-- fault matrix: written by `go test ./faults -update` in integration/ -->"
	endMark   = "<!-- end of the fault matrix -->"
)

var document = filepath.Join("..", "..", "docs", "reliability.md")

// matrix collects the cells.
type matrix struct {
	mu    sync.Mutex
	cells map[[2]string]string
}

func newMatrix() *matrix { return &matrix{cells: map[[2]string]string{}} }

// put notes a cell, and fails where it is not what is promised.
func (m *matrix) put(t *testing.T, op operation, fault, cell string) {
	t.Helper()
	if want := op.promise(fault); cell != want {
		t.Errorf("%s, %s: got %s, want %s", op.name, fault, cell, want)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cells[[2]string{op.name, fault}] = cell
}

// text writes the outcomes of a column's cells: one where they are all alike.
func text(outcomes []outcome) string {
	if len(outcomes) == 0 {
		return "–"
	}
	var b strings.Builder
	alike := true
	for _, o := range outcomes {
		b.WriteString(string(o))
		alike = alike && o == outcomes[0]
	}
	if alike {
		return string(outcomes[0])
	}
	return b.String()
}

// sections are the tables: of what befalls single statements and their callers, and of what befalls the store.
var sections = []struct {
	title   string
	columns []string
}{
	{"One connection, one statement or one caller", []string{
		"cut before", "cut after", "cut within the answer", "deadlock, once", "lock timeout, once",
		"cancelled before", "cancelled, carried out later", "cancelled after",
	}},
	{"All connections, or all statements", []string{
		"connection refused", "pool exhausted", "all answers lost", "all answers to changes lost", "deadlocks", "lock timeouts",
	}},
	{"The server", []string{
		"frozen 5 s", "frozen for long, at the first statement", "frozen for long, at the change", "killed", "killed after the change",
		"super_read_only", "disk full",
	}},
}

// markdown writes the tables; incomplete says which cells there are none for.
func (m *matrix) markdown() (text string, incomplete []string) {
	var b strings.Builder
	for _, l := range legend {
		b.WriteString("- **" + string(l.outcome) + "** " + l.text + "\n")
	}
	b.WriteString("- Several signs, such as **✓R**: one for each statement of the operation that the fault can befall; **–**: it has none\n")
	for _, section := range sections {
		b.WriteString("\n**" + section.title + "**\n\n| | " + strings.Join(section.columns, " | ") + " |\n|" +
			strings.Repeat(" --- |", len(section.columns)+1) + "\n")
		for _, op := range operations {
			b.WriteString("| " + op.name + " |")
			for _, f := range section.columns {
				cell := m.cells[[2]string{op.name, f}]
				if cell == "" {
					incomplete = append(incomplete, op.name+", "+f)
				}
				b.WriteString(" " + cell + " |")
			}
			b.WriteString("\n")
		}
	}
	return b.String(), incomplete
}

// compare holds the table in the documentation to what was found, or rewrites it.
func (m *matrix) compare(t *testing.T) {
	t.Helper()
	got, incomplete := m.markdown()
	t.Logf("the matrix:\n%s", got)
	switch {
	case t.Failed():
		return // what is wrong was said
	case len(incomplete) > 0 && strings.Contains(flag.Lookup("test.run").Value.String(), "/"):
		t.Logf("the table is not looked at: -run leaves %d cells out", len(incomplete))
		return
	case len(incomplete) > 0:
		t.Fatalf("cells that nobody has filled: %q", incomplete)
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), beginMark+"\n")
	want, after, ended := strings.Cut(rest, endMark)
	switch {
	case !begun || !ended:
		t.Fatalf("%s does not hold %q and %q", document, beginMark, endMark)
	case got == want:
	case *update:
		text := before + beginMark + "\n" + got + endMark + after
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s holds another table; if the new one is right: go test ./faults -update\ngot\n%s", document, got)
	}
}
