package statements

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/watchword-dev/watchword/integration/sqlrecord"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// The steps of a session's life, in their order.
const (
	create = iota
	refresh
	verify
	list
	revoke
	steps
)

// names and promised: what the steps are called, and how many statements each may send.
var (
	names    = [steps]string{"create", "refresh", "first verify", "list", "revoke"}
	promised = [steps]int{1, 2, 1, 1, 1}
)

var all = []int{create, refresh, verify, list, revoke}

// template is a statement whose arguments are those of some session's, by place.
type template struct {
	text  string
	reads bool
	args  []any // a slot is filled with the session's own
}

// slot is an argument that is another one for each session.
type slot int

const (
	handle  slot = iota // in hexadecimal digits, like the marks
	user                // as bytes
	current             // the mark of the first refresh token
	pending             // the mark of its successor
	slots
)

// record has the product live one session's life on a pool of its own, and returns what it sent for each step.
func record(ctx context.Context, dsn string) (life [steps][]template, err error) {
	connector, err := connector(dsn)
	if err != nil {
		return life, err
	}
	var tape sqlrecord.Tape
	db := sql.OpenDB(tape.Record(connector))
	defer func() { _ = db.Close() }()
	store, err := mysql.New(db, mysql.Options{})
	if err != nil {
		return life, err
	}
	p, err := newProduct(ctx, store)
	if err != nil {
		return life, err
	}
	p.begin(1)
	tape.Take()
	var sent [steps][]sqlrecord.Statement
	for step := range steps {
		if err := p.do(ctx, step, 0); err != nil {
			return life, fmt.Errorf("record %s: %w", names[step], err)
		}
		sent[step] = tape.Take()
		if got := len(sent[step]); got != promised[step] {
			return life, fmt.Errorf("%s sends %d statements, %d were promised: %q", names[step], got, promised[step], sent[step])
		}
	}
	var marks []string // in the order in which they appear
	own := p.sessions[0].handle
	for step := range steps {
		for _, s := range sent[step] {
			t := template{text: s.Text, reads: strings.HasPrefix(s.Text, "SELECT"), args: slices.Clone(s.Args)}
			for i, arg := range t.args {
				text, _ := arg.(string)
				bytesOf, _ := arg.([]byte)
				switch {
				case text == hex.EncodeToString(own[:]):
					t.args[i] = handle
				case bytes.Equal(bytesOf, []byte(p.sessions[0].user)):
					t.args[i] = user
				case len(text) == 2*len(session.Mark{}):
					if !slices.Contains(marks, text) {
						marks = append(marks, text)
					}
					t.args[i] = current + slot(slices.Index(marks, text))
				}
			}
			life[step] = append(life[step], t)
		}
	}
	if want := int(slots - current); len(marks) != want {
		return life, fmt.Errorf("a session's life shows %d marks, want %d", len(marks), want)
	}
	return life, nil
}
