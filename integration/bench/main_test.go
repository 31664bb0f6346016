package main

import (
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args string
		only int    // how many parts run
		want string // of the complaint; empty: none
	}{
		{"", len(parts()), ""},
		{"-only verify", 1, ""},
		{"-only verify,request -out somewhere", 2, ""},
		{"-short", len(parts()), ""},
		{"-only nothing", 0, `no part "nothing"`},
		{"-only verify,", 0, `no part ""`},
		{"-short -out somewhere", 0, "-short"},
		{"verify", 0, `"verify" is no flag`},
	} {
		o, err := parse(strings.Fields(test.args))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got error %v, want %q", test.args, err, test.want)
		}
		if err == nil && len(o.only) != test.only {
			t.Errorf("%q: got %d parts, want %d", test.args, len(o.only), test.only)
		}
	}
}

// The page and the command line tell parts apart by their names.
func TestPartsHaveNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range parts() {
		if p.Name == "" || p.About == "" || p.Run == nil || strings.ContainsAny(p.Name, ", ") || seen[p.Name] {
			t.Errorf("part %q, %q: want a name of one word that no other part has, and what it is about", p.Name, p.About)
		}
		seen[p.Name] = true
	}
}
