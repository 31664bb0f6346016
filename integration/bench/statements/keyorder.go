package statements

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// smallPool are the flags of a server whose memory holds a small part of the tables.
var smallPool = []string{
	"--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--innodb-doublewrite=OFF",
	"--innodb-flush-method=O_DIRECT",
}

// keyOrder compares handles that begin with the time with random ones, where the table is several times as large as the server's memory.
func keyOrder(ctx context.Context, e *env.Env, life [steps][]template) (report.Table, error) {
	const clients = 8
	rows, rounds, about := 60_000, 41, 50*time.Millisecond
	t := report.Table{
		Caption: fmt.Sprintf("What was tried: order of keys (inserts by the bare loop with 8 clients into a table of %d rows, several times as large as the buffer pool)", rows),
		Header:  []string{"", "throughput, in terms of the first row's", "pages read and written an insert", "redo log, bytes an insert", "bytes a row on disk"},
	}
	own := *e
	if e.Short {
		rows, rounds, about = 500, 1, 5*time.Millisecond
	} else {
		server, err := mysqltest.Start(ctx, smallPool...)
		if err != nil {
			return t, err
		}
		defer func() { _ = server.Close() }()
		own.Schema = func(ctx context.Context) (string, error) {
			dsn, _, err := server.Schema(ctx)
			return dsn, err
		}
	}
	var tried []*contender
	for _, v := range []variant{
		{name: "by time (UUIDv7)"},
		{name: "random", bare: func(b *bare) { b.anywhere = true }},
	} {
		b, err := v.open(ctx, &own, life)
		if err != nil {
			return t, err
		}
		defer func() { _ = b.db.Close() }()
		if err := b.fill(ctx, rows); err != nil {
			return t, fmt.Errorf("fill: %w", err)
		}
		tried = append(tried, &contender{name: v.name, side: b, server: b.db})
	}
	if err := compare(ctx, rounds, clients, about, []int{create}, append([]*contender(nil), tried...)...); err != nil {
		return t, err
	}
	for _, c := range tried {
		bytes, err := onDisk(ctx, c.server)
		if err != nil {
			return t, err
		}
		logged, pages := c.served(create)
		t.Rows = append(t.Rows, []string{
			c.name, spread(measure.Ratio(c.result(create), tried[0].result(create)), "%.2f"), fmt.Sprintf("%.1f", pages),
			fmt.Sprintf("%.0f", logged), fmt.Sprintf("%.0f", bytes),
		})
	}
	return t, nil
}

// onDisk is how many bytes a row takes on disk, with its share of the indexes.
func onDisk(ctx context.Context, db *sql.DB) (bytes float64, err error) {
	var size, rows float64
	err = db.QueryRowContext(ctx, "SELECT (SELECT FILE_SIZE FROM information_schema.INNODB_TABLESPACES"+
		" WHERE NAME = CONCAT(DATABASE(), '/watchword_sessions')), (SELECT COUNT(*) FROM watchword_sessions)").Scan(&size, &rows)
	return size / max(rows, 1), err
}

// fill inserts rows by the loop's own statement, many with each.
func (b *bare) fill(ctx context.Context, rows int) error {
	const at = 200
	t := b.life[create][0]
	head, values, _ := strings.Cut(t.text, " VALUES ")
	text := head + " VALUES " + values + strings.Repeat(", "+values, at-1) //nolint:gosec // the product's own
	for from := 0; from < rows; from += at {
		b.begin(at)
		var args []any
		for i := range b.sessions {
			for _, arg := range t.args {
				if s, ok := arg.(slot); ok {
					arg = b.sessions[i][s]
				}
				args = append(args, arg)
			}
		}
		if _, err := b.db.ExecContext(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}
