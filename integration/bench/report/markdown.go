package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const preface = `# Benchmarks

What the product costs, measured side by side with what one would use in its place. Everything here was written by ` + "`make bench`" + `, from
[its program](../integration/bench/main.go); nothing was edited by hand. Contenders work by turns within one run of one process, in rounds whose order is
reversed each time. A figure is the median of the rounds, with the lowest and the highest in brackets; a ratio was taken within each round first,
so it holds although the machine drifts. Absolute times hold for the machine that is named, and for no other.

## Budgets

What was promised, and what it is. Counts do not depend on the machine: the run fails where one is not met. Times are reported as they are.

`

// quiet is how much others may use of the processors without a word about it.
const quiet = 0.1

// Markdown is the page: the budgets of all parts, then each part's figures.
func (b *Book) Markdown() string {
	var w strings.Builder
	w.WriteString(preface)
	var budgets [][]string
	for _, c := range b.Chapters {
		for _, budget := range c.Section.Budgets {
			met := "met"
			if !budget.Met {
				met = "**not met**"
			}
			budgets = append(budgets, []string{budget.What, budget.Want, budget.Got, met})
		}
	}
	table(&w, []string{"What", "Wanted", "Got", "Result"}, budgets)
	for _, c := range b.Chapters {
		fmt.Fprintf(&w, "\n## %s\n\n", c.Section.Title)
		if c.Section.Text != "" {
			fmt.Fprintf(&w, "%s\n\n", wrap(strings.TrimSpace(c.Section.Text)))
		}
		for _, p := range c.Section.Plots {
			fmt.Fprintf(&w, "![%s](%s/%s)\n\n", p.Title, plotsDir, p.File)
		}
		for _, t := range c.Section.Tables {
			if t.Caption != "" {
				fmt.Fprintf(&w, "%s:\n\n", t.Caption)
			}
			table(&w, t.Header, t.Rows)
			w.WriteString("\n")
		}
		fmt.Fprintf(&w, "Measured on %s with `make bench PARTS=%s` on %s; %s.\n", c.Measured.UTC().Format("2 January 2006"), c.Part, c.Machine, strings.Join(c.Versions, ", "))
		if c.Busy > quiet {
			fmt.Fprintf(&w, "\n**The machine was not quiet: when this began, others used %.0f %% of its processors. Times are too long, and what depends on two cores is too low.**\n", 100*c.Busy)
		}
	}
	return w.String()
}

// table writes its first column to the left, and columns that hold figures alone to the right.
func table(w *strings.Builder, header []string, rows [][]string) {
	line := func(cells []string) {
		w.WriteString("|")
		for i := range header {
			cell := ""
			if i < len(cells) {
				cell = cells[i]
			}
			fmt.Fprintf(w, " %s |", strings.NewReplacer("|", `\|`, "\n", " ").Replace(cell))
		}
		w.WriteString("\n")
	}
	line(header)
	w.WriteString("|")
	for i := range header {
		figures := len(rows) > 0 && !slices.ContainsFunc(rows, func(row []string) bool { return i >= len(row) || !figure(row[i]) })
		if i > 0 && figures {
			w.WriteString(" ---: |")
		} else {
			w.WriteString(" --- |")
		}
	}
	w.WriteString("\n")
	for _, row := range rows {
		line(row)
	}
}

func figure(cell string) bool {
	cell = strings.TrimLeft(cell, "-+±≤≥~ ")
	return cell == "" || cell[0] >= '0' && cell[0] <= '9'
}

// special is a line that begins a list, a table, a heading, a block of code or the like.
var special = regexp.MustCompile("(?m)^(\\||[-*+] |#| |```|[0-9]+\\. |$)")

// wrap fills the lines of paragraphs, so that they can be read in an editor as well. What has a list, a table or a heading in it stays
// as it is.
func wrap(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, paragraph := range paragraphs {
		if !special.MatchString(paragraph) {
			paragraphs[i] = fill(paragraph)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

func fill(paragraph string) string {
	const most = 130
	var b strings.Builder
	length := 0
	for word := range strings.FieldsSeq(paragraph) {
		switch {
		case length == 0:
		case length+1+len(word) > most:
			b.WriteByte('\n')
			length = 0
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}
