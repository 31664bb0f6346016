package groupreplication

import "testing"

// seen is a view of three servers by one of them. Each word is a host's state: P and S are an online primary and secondary, R one that
// is recovering, U one that is not reached, E one that has left in error, and - one that is no member any more.
func seen(number, by int, states string) view {
	v := view{number: number}
	for i, state := range states {
		if state == '-' {
			continue
		}
		m := member{host: string(rune('a' + i)), self: i == by, state: "ONLINE", role: "SECONDARY"}
		switch state {
		case 'P':
			m.role = "PRIMARY"
		case 'R':
			m.state = "RECOVERING"
		case 'U':
			m.state = "UNREACHABLE"
		case 'p':
			m.state, m.role = "UNREACHABLE", "PRIMARY"
		case 'E':
			m.state, m.role = "ERROR", ""
		}
		v.members = append(v.members, m)
	}
	return v
}

func TestElect(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		views []view
		want  string
	}{
		"nobody answers":                          {nil, ""},
		"all agree":                               {[]view{seen(3, 0, "PSS"), seen(3, 1, "PSS"), seen(3, 2, "PSS")}, "a"},
		"the founder alone":                       {[]view{seen(1, 0, "P--")}, "a"},
		"by a secondary":                          {[]view{seen(3, 2, "PSS")}, "a"},
		"one is joining":                          {[]view{seen(2, 0, "PR-")}, "a"},
		"the primary is dead, not given up yet":   {[]view{seen(3, 1, "pSS"), seen(3, 2, "pSS")}, "a"},
		"the primary is dead, another was chosen": {[]view{seen(4, 1, "-PS"), seen(4, 2, "-PS")}, "b"},
		"the primary is cut off and does not know": {
			[]view{seen(3, 0, "PUU"), seen(4, 1, "-PS"), seen(4, 2, "-PS")}, "b"},
		"the primary stood still":                 {[]view{seen(3, 0, "PSS"), seen(4, 1, "-PS")}, "b"},
		"a majority is lost":                      {[]view{seen(3, 0, "PUU")}, ""},
		"a server that was expelled says nothing": {[]view{seen(4, 0, "E--")}, ""},
		"no server is in a group":                 {[]view{{}, {}}, ""},
		"the role moves: the new one knows first": {[]view{seen(3, 0, "PSS"), seen(3, 1, "SPS"), seen(3, 2, "PSS")}, "a"},
		"the role moves: the old one knows first": {[]view{seen(3, 0, "SPS"), seen(3, 1, "SPS"), seen(3, 2, "PSS")}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := elect(test.views); got != test.want {
				t.Errorf("elect(%+v): got %q, want %q", test.views, got, test.want)
			}
		})
	}
}
