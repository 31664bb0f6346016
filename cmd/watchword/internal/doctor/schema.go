package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// schema looks whether all tables are there, of the version that this library wants.
func schema(ctx context.Context, p *Patient) ([]Result, error) {
	pending, err := p.Schema.Pending(ctx)
	if err != nil {
		return nil, err
	}
	if len(pending) > 0 {
		var names []string
		for _, m := range pending {
			names = append(names, m.Name)
		}
		return []Result{problem("run `watchword migrate`", "the schema is behind: %s", strings.Join(names, ", "))}, nil
	}
	engines, err := pairs(ctx, p.DB, "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
	if err != nil {
		return nil, err
	}
	results := []Result{ok("the schema is up to date")}
	for _, table := range tables {
		name := p.Prefix + table.name
		if engine := engines[strings.ToLower(name)]; engine != "" && !strings.EqualFold(engine, "InnoDB") {
			results = append(results, problem("convert it", "table %s is kept by %s, which has no transactions", name, engine))
		}
	}
	return results, nil
}

// pairs reads two columns, the first in lower case.
func pairs(ctx context.Context, db *sql.DB, statement string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var key, value sql.NullString
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		all[strings.ToLower(key.String)] = value.String
	}
	return all, rows.Err()
}

// table is a table as this version has it, without the prefix.
type table struct {
	name string
	// needs are what the application does with it. Each statement is only explained, for which a server asks for the same rights as for
	// running it, and is one that would change nothing.
	needs   map[string]string
	indexes map[string]string // names and columns
}

var tables = []table{
	{
		name: "sessions",
		needs: map[string]string{
			"SELECT": "SELECT handle FROM `%s` WHERE handle = ''",
			"INSERT": "INSERT INTO `%s` (handle, user_id, current_mark, current_at, generation, handed, auth_at, user_agent, address, label, data_version, created_at, expires_at) VALUES ('', '', '', 0, 0, 0, 0, '', '', '', 0, 0, 0)",
			"UPDATE": "UPDATE `%s` SET handed = 0 WHERE handle = ''",
			"DELETE": "DELETE FROM `%s` WHERE handle = ''",
		},
		indexes: map[string]string{
			"PRIMARY": "handle",
			"by_user": "user_id,ended_at,handle",
			"by_end":  "ended_at,expires_at",
			"by_feed": "fed_at",
		},
	},
	{
		name: "signing_keys",
		needs: map[string]string{
			"SELECT": "SELECT kid FROM `%s` WHERE kid = ''",
			"INSERT": "INSERT INTO `%s` (kid, purpose, sequence, algorithm, material, activates_at) VALUES ('', '', 0, '', '', 0)",
			"UPDATE": "UPDATE `%s` SET retires_at = NULL WHERE kid = ''",
			"DELETE": "DELETE FROM `%s` WHERE kid = ''",
		},
		indexes: map[string]string{
			"PRIMARY":     "kid",
			"by_sequence": "purpose,sequence",
		},
	},
	{
		name: "revocations",
		needs: map[string]string{
			"SELECT": "SELECT id FROM `%s` WHERE revoked_at = 0",
			"INSERT": "INSERT INTO `%s` (revoked_at, id, user_id, reason) VALUES (0, '', '', '')",
			"DELETE": "DELETE FROM `%s` WHERE revoked_at = 0",
		},
		indexes: map[string]string{
			"PRIMARY": "revoked_at,id",
		},
	},
	{
		name:    "schema_version",
		needs:   map[string]string{"SELECT": "SELECT version FROM `%s` WHERE version = 0"},
		indexes: map[string]string{"PRIMARY": "version"},
	},
}

// The server's errors for what a user may not do: in a database, with a table, with some of its columns.
const (
	errDatabaseDenied = 1044
	errTableDenied    = 1142
	errColumnDenied   = 1143
	errNoTable        = 1146
)

// privileges looks whether the user may do what the application does.
func privileges(ctx context.Context, p *Patient) ([]Result, error) {
	var missing, absent []string
	for _, t := range tables {
		name := p.Prefix + t.name
		for _, right := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
			statement, needed := t.needs[right]
			if !needed {
				continue
			}
			err := explain(ctx, p.DB, fmt.Sprintf(statement, name))
			switch number(err) {
			case errDatabaseDenied, errTableDenied, errColumnDenied:
				missing = append(missing, right+" on "+name)
			case errNoTable:
				if !slices.Contains(absent, name) {
					absent = append(absent, name)
				}
			default:
				if err != nil {
					return nil, err
				}
			}
		}
	}
	var results []Result
	if len(absent) > 0 {
		results = append(results, problem("run `watchword migrate`", "there are no tables %s", strings.Join(absent, ", ")))
	}
	if len(missing) > 0 {
		results = append(results, problem("grant it to the user of WATCHWORD_MYSQL_DSN", "the user may not %s", strings.Join(missing, ", ")))
	}
	if len(results) == 0 {
		results = append(results, ok("the user may do what the application does"))
	}
	return results, nil
}

// explain has a statement explained.
func explain(ctx context.Context, db *sql.DB, statement string) error {
	rows, err := db.QueryContext(ctx, "EXPLAIN "+statement)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		continue
	}
	return rows.Err()
}

// indexes looks whether all are there, and of the columns that they should be.
func indexes(ctx context.Context, p *Patient) ([]Result, error) {
	rows, err := p.DB.QueryContext(ctx, "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS"+
		" WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := map[string]string{}
	for rows.Next() {
		var table, index, column sql.NullString
		if err := rows.Scan(&table, &index, &column); err != nil {
			return nil, err
		}
		key := strings.ToLower(table.String + "." + index.String)
		if found[key] != "" {
			found[key] += ","
		}
		found[key] += column.String
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var results []Result
	for _, t := range tables {
		for _, index := range sorted(t.indexes) {
			name, want := p.Prefix+t.name, t.indexes[index]
			switch got := found[strings.ToLower(name+"."+index)]; {
			case got == "":
				results = append(results, problem("make it: ALTER TABLE `"+name+"` ADD KEY "+index+" ("+want+"), ALGORITHM = INPLACE, LOCK = NONE",
					"table %s has no index %s: statements read the whole table", name, index))
			case got != want:
				results = append(results, problem("make it anew", "index %s of table %s is of %s, and should be of %s", index, name, got, want))
			}
		}
	}
	if len(results) == 0 {
		results = append(results, ok("all indexes are there"))
	}
	return results, nil
}

func sorted(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
