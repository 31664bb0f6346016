package settings

import (
	"fmt"
	"strings"
)

const intro = `Settings are variables of the environment, with the names that the demo has for them:
give the command what the application is given. A secret may come from a file as well,
whose name is in the variable that ends in _FILE; it is never an argument, since everybody
who may list processes sees those. Durations are written as in Go: 90s, 15m, 720h.
`

// Help lists every setting.
func Help() string {
	var b strings.Builder
	b.WriteString(intro)
	for _, s := range all {
		fmt.Fprintf(&b, "\n  %s%s  %s", prefix, s.name, s.form)
		if s.def != "" {
			fmt.Fprintf(&b, "  (default %s)", s.def)
		}
		b.WriteByte('\n')
		if s.secret {
			fmt.Fprintf(&b, "  %s%s%s  path\n", prefix, s.name, inFile)
		}
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
