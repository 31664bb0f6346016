package groupreplication

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// member is one server of the group, as another one, or itself, sees it.
type member struct {
	host  string
	state string // ONLINE, RECOVERING, UNREACHABLE, OFFLINE or ERROR
	role  string // PRIMARY, SECONDARY, or nothing
	self  bool   // it is the server that was asked
}

// view is what one server says of the group.
type view struct {
	number  int // grows with each change of the membership
	members []member
}

// viewQuery reads tables of performance_schema alone: other queries have to wait on a new primary until it has caught up.
const viewQuery = "SELECT m.MEMBER_HOST, m.MEMBER_STATE, m.MEMBER_ROLE, m.MEMBER_ID = @@server_uuid, COALESCE(s.VIEW_ID, '')" +
	" FROM performance_schema.replication_group_members AS m" +
	" LEFT JOIN performance_schema.replication_group_member_stats AS s ON s.MEMBER_ID = m.MEMBER_ID"

// ask asks a server for its view.
func ask(ctx context.Context, db *sql.DB) (v view, err error) {
	rows, err := db.QueryContext(ctx, viewQuery)
	if err != nil {
		return v, fmt.Errorf("read the group's members: %w", err)
	}
	defer func() { _ = rows.Close() }() // it only repeats what rows.Err says
	for rows.Next() {
		var (
			m    member
			self sql.NullBool
			id   string // "16270938219283746:5"; the part behind the colon counts
		)
		if err := rows.Scan(&m.host, &m.state, &m.role, &self, &id); err != nil {
			return v, fmt.Errorf("read the group's members: %w", err)
		}
		m.self = self.Bool
		v.members = append(v.members, m)
		if _, counter, ok := strings.Cut(id, ":"); ok {
			if n, err := strconv.Atoi(counter); err == nil {
				v.number = max(v.number, n)
			}
		}
	}
	return v, rows.Err()
}

// online is how many servers are.
func (v view) online() (n int) {
	for _, m := range v.members {
		if m.state == "ONLINE" {
			n++
		}
	}
	return n
}

// trusted reports whether the server that gave the view is part of the group and reaches a majority. One that was cut off
// sees itself as the primary for as long as it is alone.
func (v view) trusted() bool {
	part, reached := false, 0
	for _, m := range v.members {
		if m.self {
			part = m.state == "ONLINE" || m.state == "RECOVERING"
		}
		if m.state == "ONLINE" || m.state == "RECOVERING" {
			reached++
		}
	}
	return part && 2*reached > len(v.members)
}

// primary is whom the view names, and whether that is the server that gave it; "": nobody.
func (v view) primary() (host string, self bool) {
	for _, m := range v.members {
		if m.role == "PRIMARY" {
			return m.host, m.self
		}
	}
	return "", false
}

// elect says who the primary is by all that is known: the newest view counts, since a server that stood still for a while has an old
// one; of several as new as each other that of the server which it names. "": nobody knows a primary.
func elect(views []view) (host string) {
	newest, own := -1, false
	for _, v := range views {
		named, self := v.primary()
		if !v.trusted() || v.number < newest || v.number == newest && (own || named == "") {
			continue
		}
		host, newest, own = named, v.number, self
	}
	return host
}
