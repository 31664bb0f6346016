package command

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// pageSize is how many rows are asked for, kept and written at once.
const pageSize = 500

// list prints rows as they come: as a table, or as one JSON object on each line. The first page says how wide the columns are; what is
// longer later on sticks out.
type list struct {
	*program
	titles []string
	widths []int
	rows   [][]string // of this page
	pages  int
	count  int
}

func (p *program) list(titles ...string) *list {
	l := &list{program: p, titles: titles, widths: make([]int, len(titles))}
	for i, title := range titles {
		l.widths[i] = utf8.RuneCountInString(title)
	}
	return l
}

// add takes a row: its cells, and what it is as JSON.
func (l *list) add(object any, cells ...string) error {
	l.count++
	if l.json {
		return l.object(object)
	}
	for i, cell := range cells {
		cells[i] = shown(cell)
	}
	l.rows = append(l.rows, cells)
	return nil
}

// page writes what was added.
func (l *list) page() error {
	if !l.json {
		l.lay()
	}
	l.rows = nil
	l.pages++
	return l.out.Flush()
}

// lay writes the rows as a table.
func (l *list) lay() {
	if len(l.rows) == 0 {
		return
	}
	if l.pages == 0 {
		for _, row := range l.rows {
			for i, cell := range row {
				l.widths[i] = max(l.widths[i], utf8.RuneCountInString(cell))
			}
		}
		l.line(l.titles)
	}
	for _, row := range l.rows {
		l.line(row)
	}
}

func (l *list) line(cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(l.widths[i]-utf8.RuneCountInString(cell), 0)+2))
		}
	}
	_, _ = l.out.WriteString(strings.TrimRight(b.String(), " ") + "\n") // Flush has the error
}

// end writes what is left. To people it says so where there was nothing.
func (l *list) end(nothing string) error {
	if err := l.page(); err != nil {
		return err
	}
	if l.count == 0 && !l.json {
		l.say("%s", nothing)
	}
	return nil
}

// object writes one JSON object on a line of its own.
func (p *program) object(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// shown is text as a terminal may have it: what clients and users chose must not move its cursor, nor turn the text around.
func shown(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// stamp is a time in a table.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
