package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/measure"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{Number(0), "0"},
		{Number(1), "1"},
		{Number(0.0123), "0.012"},
		{Number(0.987), "0.99"},
		{Number(1.234), "1.23"},
		{Number(12.34), "12.3"},
		{Number(123.4), "123"},
		{Number(1234.6), "1,235"},
		{Number(12_345_678), "12,345,678"},
		{Number(-1234), "-1,234"},
		{Count(measure.Spread{Median: 34_512, Low: 33_900, High: 35_020}), "34,512 (33,900 to 35,020)"},
		{Times(measure.Spread{Median: 1.23, Low: 1.2, High: 1.31}), "1.23 × (1.20 to 1.31)"},
		{Times(measure.Spread{Median: 2, Low: 2, High: 2}), "2 ×"},
		{Duration(measure.Spread{Median: 212, Low: 205, High: 1231}), "212 ns (205 to 1,231)"},
		{Duration(measure.Spread{Median: 1500, Low: 900, High: 2500}), "1.50 µs (0.90 to 2.50)"},
		{Duration(measure.Spread{Median: 2.5e9, Low: 2.5e9, High: 2.5e9}), "2.50 s"},
		{Bytes(512), "512 B"},
		{Bytes(3 << 20), "3 MiB"},
		{Bytes(1.5 * (1 << 10)), "1.50 KiB"},
		{Bytes(-1.5 * (1 << 30)), "-1.50 GiB"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func chapter(part, title string) Chapter {
	return Chapter{
		Part: part, Measured: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Machine: "a machine", Versions: []string{"Go 1.26", "MySQL 9.7"},
		Section: Section{
			Title: title, Text: "How it was done.",
			Budgets: []Budget{
				{What: "Time of " + title, Want: "≤ 1 ns", Got: "2 ns"},
				{What: "Statements of " + title, Want: "≤ 1", Got: "1", Met: true, Counted: true},
			},
			Tables: []Table{{Caption: "A table", Header: []string{"Name", "Figure", "Word"}, Rows: [][]string{{"a | b", "1.2 ×", "x"}, {"c", "≤ 3", "4 y"}, {"d"}}}},
			Plots:  []Plot{{File: part + ".svg", Title: "A plot of " + title, Bars: []Bar{{"one", 1}, {"two", 0.25}}}},
		},
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	var b Book
	b.Put(chapter("one", "First"), []string{"one"})
	page := b.Markdown()
	for _, want := range []string{
		"# Benchmarks\n",
		"| Time of First | ≤ 1 ns | 2 ns | **not met** |\n",
		"| Statements of First | ≤ 1 | 1 | met |\n",
		"## First\n\nHow it was done.\n",
		"![A plot of First](plots/one.svg)\n",
		"A table:\n\n| Name | Figure | Word |\n| --- | --- | --- |\n| a \\| b | 1.2 × | x |\n| c | ≤ 3 | 4 y |\n| d |  |  |\n",
		"Measured on 3 February 2026 with `make bench PARTS=one` on a machine; Go 1.26, MySQL 9.7.\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not contain %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "not quiet") {
		t.Errorf("the page says of a quiet machine that it was not:\n%s", page)
	}
	if b.Chapters[0].Busy = 0.97; !strings.Contains(b.Markdown(), "used 97 % of its processors") {
		t.Errorf("the page does not say that the machine was busy:\n%s", b.Markdown())
	}
	if budgets, section := strings.Index(page, "**not met**"), strings.Index(page, "## First"); budgets > section {
		t.Errorf("the budgets stand at %d, after the first section at %d", budgets, section)
	}
}

func TestParagraphsAreFilled(t *testing.T) {
	t.Parallel()
	long := strings.TrimSpace(strings.Repeat("word ", 60))
	kept := "| " + long + " |\n\n- " + long + "\n- b\n\n```\n" + long + "\n```\n\n1. " + long
	got := wrap("`code` and a\nshort line\n\n" + strings.Replace(long, " ", "\n", 1) + "\n\n" + kept)
	rest, ok := strings.CutPrefix(got, "`code` and a short line\n\n")
	filled, after, _ := strings.Cut(rest, "\n\n")
	if !ok || after != kept {
		t.Errorf("got %q, want the first paragraph on one line, and lists, tables and code as they were", got)
	}
	lines := strings.Split(filled, "\n")
	if joined := strings.Join(lines, " "); joined != long || len(lines) != 3 {
		t.Errorf("got %q, want the words of %q on three lines", lines, long)
	}
	for _, line := range lines {
		if len(line) > 130 {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
}

// Columns of figures stand to the right, others to the left.
func TestTableAlignsFigures(t *testing.T) {
	t.Parallel()
	var w strings.Builder
	table(&w, []string{"1", "Figure", "Word"}, [][]string{{"1", "1.2 ×", "x"}, {"2", "≤ 3", "4"}, {"3", "", "5"}})
	if want := "| 1 | Figure | Word |\n| --- | ---: | --- |\n"; !strings.HasPrefix(w.String(), want) {
		t.Errorf("got %q, want it to begin with %q", w.String(), want)
	}
}

// What is not measured again keeps its chapter, in the order of the parts.
func TestBookKeepsOtherParts(t *testing.T) {
	t.Parallel()
	dir, parts := t.TempDir(), []string{"one", "two", "three"}
	b, err := Load(dir)
	if err != nil {
		t.Fatalf("load from an empty folder: %v", err)
	}
	b.Put(chapter("three", "Third"), parts)
	b.Put(chapter("gone", "Gone"), append(parts, "gone"))
	b.Put(chapter("one", "First"), parts)
	if err := b.Save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, b) {
		t.Errorf("loaded: got %+v, want %+v", again, b)
	}
	again.Put(chapter("two", "Second"), parts)
	again.Put(chapter("one", "First, again"), parts)
	if err := again.Save(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	headings := regexp.MustCompile(`(?m)^## .*$`).FindAllString(string(page), -1)
	if want := []string{"## Budgets", "## First, again", "## Second", "## Third"}; !reflect.DeepEqual(headings, want) {
		t.Errorf("headings: got %q, want %q", headings, want)
	}
	for _, part := range parts {
		if _, err := os.Stat(filepath.Join(dir, "plots", part+".svg")); err != nil {
			t.Errorf("the plot of part %s: %v", part, err)
		}
	}
}

func TestLoadRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "benchmarks.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := Load(dir); err == nil {
		t.Errorf("got %+v, want an error: the other parts' chapters would be lost", b)
	}
}

// Only counts fail a run.
func TestMissed(t *testing.T) {
	t.Parallel()
	s := Section{Budgets: []Budget{{What: "time"}, {What: "count", Counted: true}, {What: "count that is met", Counted: true, Met: true}}}
	if got := s.Missed(); len(got) != 1 || got[0].What != "count" {
		t.Errorf("got %+v, want the count that is not met", got)
	}
}

func TestPlots(t *testing.T) {
	t.Parallel()
	line := Line{Name: "line", X: []float64{1, 10, 100}, Y: []float64{5, 7, 60}}
	for name, test := range map[string]struct {
		plot  Plot
		words []string
	}{
		"bars":          {Plot{Title: "Title", YLabel: "ratio", Bars: []Bar{{"one", 1}, {"<two>", 0.25}}}, []string{"Title", "ratio", "one", "&lt;two&gt;", "0.25"}},
		"lines":         {Plot{Title: "Title", XLabel: "size", YLabel: "µs", Lines: []Line{line, {Name: "other", X: line.X, Y: line.X}}}, []string{"size", "µs", "line", "other"}},
		"logarithms":    {Plot{Lines: []Line{{Name: "l", X: []float64{1e4, 1e6, 1e7}, Y: []float64{3, 4, 5}}}, LogX: true, LogY: true}, []string{"10 k", "1 M", "10 M", "5"}},
		"a single dot":  {Plot{Lines: []Line{{Name: "l", X: []float64{1}, Y: []float64{3}}}, LogX: true, LogY: true}, nil},
		"all the same":  {Plot{Lines: []Line{{Name: "l", X: []float64{1, 2}, Y: []float64{0, 0}}}}, nil},
		"nothing in it": {Plot{Bars: []Bar{{"none", 0}}}, []string{"none"}},
	} {
		svg, err := test.plot.SVG()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, word := range test.words {
			if !strings.Contains(string(svg), ">"+word+"<") {
				t.Errorf("%s: the picture does not say %q", name, word)
			}
		}
		if err := wellFormed(string(svg)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func wellFormed(svg string) error {
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestMarksOfLogarithmicAxes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ x, below, above float64 }{{1, 1, 1}, {1.5, 1, 2}, {2, 2, 2}, {3, 2, 5}, {7, 5, 10}, {99, 50, 100}, {0.03, 0.02, 0.05}, {4e6, 2e6, 5e6}} {
		below, above := mark(test.x, false), mark(test.x, true)
		if math.Abs(below/test.below-1) > 1e-9 || math.Abs(above/test.above-1) > 1e-9 {
			t.Errorf("%v: got %v below and %v above, want %v and %v", test.x, below, above, test.below, test.above)
		}
	}
}

func TestPlotsThatCannotBeDrawn(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Plot{
		"nothing":                   {},
		"bars and lines":            {Bars: []Bar{{"one", 1}}, Lines: []Line{{Name: "l", X: []float64{1}, Y: []float64{1}}}},
		"a line without points":     {Lines: []Line{{Name: "l"}}},
		"a point without its other": {Lines: []Line{{Name: "l", X: []float64{1, 2}, Y: []float64{1}}}},
		"the logarithm of zero":     {Lines: []Line{{Name: "l", X: []float64{0, 1}, Y: []float64{1, 2}}}, LogX: true},
	} {
		if _, err := p.SVG(); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}
