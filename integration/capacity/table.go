package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/watchword-dev/watchword/integration/capacity/model"
)

// write writes the sections, one column for each prediction.
func write(out io.Writer, sections []section, columns []column, markdown bool) error {
	if markdown {
		return writeMarkdown(out, sections, columns)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, s := range sections {
		if i > 0 {
			fmt.Fprintln(w, "\t")
		}
		fmt.Fprint(w, s.title, "\t")
		for _, c := range columns {
			fmt.Fprint(w, c.title, "\t")
		}
		fmt.Fprintln(w)
		for _, l := range s.lines(columns) {
			fmt.Fprint(w, l.what, "\t")
			for _, c := range columns {
				fmt.Fprint(w, l.value(c.Prediction), "\t")
			}
			fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

func writeMarkdown(out io.Writer, sections []section, columns []column) error {
	text := new(strings.Builder)
	text.WriteString("| |")
	for _, c := range columns {
		text.WriteString(" " + c.title + " |")
	}
	text.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(columns)) + "\n")
	for _, s := range sections {
		if len(sections) > 1 {
			text.WriteString("| **" + s.title + "** |" + strings.Repeat(" |", len(columns)) + "\n")
		}
		for _, l := range s.lines(columns) {
			text.WriteString("| " + l.what + " |")
			for _, c := range columns {
				text.WriteString(" " + l.value(c.Prediction) + " |")
			}
			text.WriteString("\n")
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func both(m model.Mean) string { return count(m.Mean) + " / " + count(m.Peak) }

func percent(share float64) string { return number(share*100, "") + " %" }

// count writes a number with three digits that say something, and commas.
func count(n float64) string {
	switch {
	case math.IsInf(n, 1):
		return "–"
	case n >= 1e9:
		return number(n/1e9, " G")
	case n >= 1e6:
		return number(n/1e6, " M")
	default:
		return number(n, "")
	}
}

func bytes(n float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1 << 40, " TiB"}, {1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}} {
		if n >= unit.size {
			return number(n/unit.size, unit.name)
		}
	}
	return number(n, " B")
}

func number(n float64, unit string) string {
	switch {
	case n >= 1000:
		whole := fmt.Sprintf("%.0f", n)
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + "," + whole[i:]
		}
		return whole + unit
	case n >= 100 || n == 0:
		return fmt.Sprintf("%.0f", n) + unit
	case n >= 10:
		return fmt.Sprintf("%.1f", n) + unit
	case n >= 0.01:
		return fmt.Sprintf("%.2f", n) + unit
	default:
		return fmt.Sprintf("%.1g", n) + unit
	}
}
