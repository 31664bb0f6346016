package config

import (
	"cmp"
	"fmt"
	"strings"
)

const intro = `Watchword demo: an API with sessions, and a front end that shows them at work.

Usage: api [--help]

It takes no arguments. Without any setting it keeps sessions in memory, listens on
http://127.0.0.1:8080 and prints a login: "demo" with the password "watchword-demo-login",
which is good on loopback addresses only. Settings are variables of the environment, all
optional; durations are written as in Go: 90s, 15m, 720h.
`

// Help is the text of --help.
func Help() string {
	var b strings.Builder
	b.WriteString(intro)
	for _, s := range settings {
		fmt.Fprintf(&b, "\n  %s  %s", s.variable(), s.form)
		if def := cmp.Or(s.def, s.shown); def != "" {
			fmt.Fprintf(&b, "  (default %s)", def)
		}
		b.WriteByte('\n')
		wrap(&b, s.help, "      ", 92)
	}
	return b.String()
}

// wrap writes words in lines of at most width characters.
func wrap(b *strings.Builder, words, indent string, width int) {
	column := 0
	for word := range strings.FieldsSeq(words) {
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}
