package statements

import (
	"context"
	"database/sql"
)

// served is what a server has done, by its own counters: bytes of redo log, and pages read from and written to its files.
type served struct{ logged, pages int64 }

// countersOf reads a server's counters; nil: nobody's.
func countersOf(ctx context.Context, db *sql.DB) (s served, err error) {
	if db == nil {
		return s, nil
	}
	rows, err := db.QueryContext(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_redo_log_current_lsn', 'Innodb_lsn_current',"+
		" 'Innodb_pages_read', 'Innodb_pages_written')") // the first is MySQL's name, the second MariaDB's
	if err != nil {
		return s, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var (
			name string
			n    int64
		)
		if err := rows.Scan(&name, &n); err != nil {
			return s, err
		}
		if name == "Innodb_pages_read" || name == "Innodb_pages_written" {
			s.pages += n
		} else {
			s.logged += n
		}
	}
	return s, rows.Err()
}

// served is what an operation of the step had the server do on average over all rounds.
func (c *contender) served(step int) (logged, pages float64) {
	ops := 0
	for _, o := range c.outlays[step] {
		ops += o.work.Ops
		logged += float64(o.served.logged)
		pages += float64(o.served.pages)
	}
	return logged / float64(ops), pages / float64(ops)
}
