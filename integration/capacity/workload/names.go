package workload

import (
	"regexp"
	"strings"
)

// pattern is what the texts of a statement show that has a name in the model, in the form of plain: all of it.
type pattern struct {
	name  string
	shows []string
}

// patterns are tried in this order. They fit what a process sends, and also what Vitess makes of that for its shards, and MySQL for its digests.
var patterns = []pattern{
	{"feed", []string{"unionall"}},
	// Its parts, which Vitess sends to where they belong.
	{"feed", []string{"fed_at>="}},
	{"feed", []string{"select", "revoked_at>="}},
	{"feed", []string{"select", "coalesce(retires_at,activates_at)>="}},
	{"keys", []string{"select", "material", "signing_keys"}},
	// Its clock alone.
	{"feed", []string{"select", "now_at"}},
	{"election", []string{"_lock("}},
	{"login", []string{"insert", "sessions"}},
	{"read of a session", []string{"selectpayload,"}},
	{"new refresh token", []string{"update", "setpending_mark="}},
	{"confirmation", []string{"update", "setprevious_mark="}},
	{"cleanup: end", []string{"update", "setended_at=expires_at"}},
	// In one statement, or by their handles, after a look at each.
	{"end of a user's sessions", []string{"ending_detail=", "user_id="}},
	{"end of a user's sessions", []string{"ending_detail=", "expires_at+"}},
	{"end of a session", []string{"update", "ending_detail="}},
	{"cleanup: find", []string{"selecthandle,expires_at"}},
	{"cleanup: find", []string{"selecthandle,ended_at"}},
	{"cleanup: remove revocations", []string{"delete", "revocations"}},
	{"cleanup: remove", []string{"delete", "sessions"}},
	{"find a user's sessions", []string{"selecthandle", "user_id="}},
	{"endings", []string{"select", "orderbyended_atdesc"}},
	{"list", []string{"select", "orderbyhandledesc"}},
	{"cleanup: tell", []string{"select", "ending_id="}},
	{"read of data", []string{"selectdata,data_version"}},
	{"write of data", []string{"update", "setdata="}},
}

// Other is the name of what the model has no name for.
const Other = "other"

var (
	remark = regexp.MustCompile(`/\*.*?\*/`)
	owner  = regexp.MustCompile(`\w+ ?\. ?`) // the table of a column
)

// plain is a statement's text without what differs from server to server: remarks, quotes of names, tables of columns, spaces, capitals.
func plain(text string) string {
	text = remark.ReplaceAllString(text, "")
	text = owner.ReplaceAllString(strings.ReplaceAll(text, "`", ""), "")
	return strings.ToLower(strings.Join(strings.Fields(text), ""))
}

// Name is the name that the model has for a statement.
func Name(text string) string {
	text = plain(text)
	for _, p := range patterns {
		fits := true
		for _, part := range p.shows {
			fits = fits && strings.Contains(text, part)
		}
		if fits {
			return p.name
		}
	}
	return Other
}
