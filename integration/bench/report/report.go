// Package report writes what was measured as a page.
package report

// Section is what one part of the benchmarks has to say.
type Section struct {
	Title   string
	Text    string // paragraphs of Markdown: what was done, and how it is to be read
	Budgets []Budget
	Tables  []Table
	Plots   []Plot
}

// Budget is a figure that was promised, and what it is.
type Budget struct {
	What string // such as "Verify of the same token again"
	Want string // such as "≤ 300 ns"
	Got  string // such as "212 ns (205 to 231)"
	Met  bool
	// Counted is said of a figure that is a count and no time: it does not depend on the machine, and the run fails if it is not met.
	Counted bool
}

// Table is a table of Markdown.
type Table struct {
	Caption string
	Header  []string
	Rows    [][]string
}

// Plot is a line plot or, with Bars, one bar for each name; it becomes an SVG.
type Plot struct {
	File           string // such as "peers.svg"
	Title          string
	XLabel, YLabel string
	LogX, LogY     bool
	Bars           []Bar
	Lines          []Line
}

// Bar is one of a bar plot's.
type Bar struct {
	Name  string
	Value float64
}

// Line is one of a line plot's.
type Line struct {
	Name string
	X, Y []float64
}
