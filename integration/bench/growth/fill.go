package growth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/sample"
)

// A table's sessions began evenly over this time, so that new ones are as many steps from the oldest in each.
const span = 25 * 24 * time.Hour

const (
	perUser = 10     // sessions of an ordinary user
	bigUser = "hub"  // the one who has very many
	chunk   = 50_000 // rows of one statement
	fillers = 2      // connections that fill
	dead    = 500    // sessions that have expired, and as many that have ended long ago
)

// table is one of the sizes.
type table struct {
	prefix string
	rows   int
	big    int // one row in so many is the big user's

	noData, noDevice bool // sessions are without payload and data, or without user agent and address
}

// user is the name of an ordinary one.
func (t *table) user(n int) string { return fmt.Sprintf("user-%08d", n%t.users()) }

// users is how many ordinary ones there are, between whom the sessions are divided that are not the big one's nor dead.
func (t *table) users() int { return (t.rows - t.rows/t.big - 2*dead) / perUser }

// sessionOf is the statement that fills: one session for each number of a table of numbers, from a first one on, in the order of their
// handles. Half of them have been refreshed, and have a previous and a pending mark.
const sessionOf = "INSERT INTO `{{prefix}}sessions` (handle, user_id, current_mark, current_at, generation, pending_mark, pending_at," +
	" handed_at, handed, previous_mark, rotated_at, auth_at, user_agent, address, label, payload, data, data_version, created_at, expires_at," +
	" ended_at, ending_id, ending_reason)" +
	" SELECT CONCAT(UNHEX(LPAD(HEX({{began}} DIV 1000), 12, '0')), 'p', RANDOM_BYTES(1), 0x80, RANDOM_BYTES(7))," +
	" IF(i % {{big}} = 0, '" + bigUser + "', CONCAT('user-', LPAD((i + i DIV {{users}}) % {{users}}, 8, '0')))," +
	" RANDOM_BYTES(32), {{began}}, i % 5, IF(i % 2, RANDOM_BYTES(32), NULL), IF(i % 2, {{began}}, NULL), IF(i % 2, {{began}}, NULL), i % 2," +
	" IF(i % 2, RANDOM_BYTES(32), NULL), IF(i % 2, {{began}}, NULL), {{began}}, {{agent}}, {{address}}, ''," +
	" IF({{ended}}, NULL, {{payload}}), IF({{ended}}, NULL, {{data}}), i, {{began}}," +
	" IF({{expired}}, {{began}} + 1, {{now}} + FLOOR(RAND() * {{span}}))," + // refreshes have moved it
	" IF({{ended}}, {{began}} + 2, NULL), IF({{ended}}, i, NULL), IF({{ended}}, 'logout', NULL)" +
	" FROM (SELECT n + ? AS i FROM `{{prefix}}numbers` WHERE n < ?) AS numbered"

// fill makes the rows.
func (t *table) fill(ctx context.Context, db *sql.DB) error {
	each := min(chunk, t.rows)
	if err := t.numbers(ctx, db, each); err != nil {
		return err
	}
	defer unlogged(ctx, db)()
	now := time.Now().UnixMicro()
	every := t.rows / dead
	payload, data, agent, address := "'"+sample.Payload+"'", "'"+sample.Data+"'", "'"+sample.UserAgent+"'", "'"+sample.Address+"'"
	if t.noData {
		payload, data = "NULL", "NULL"
	}
	if t.noDevice {
		agent, address = "''", "''"
	}
	statement := strings.NewReplacer(
		"{{payload}}", payload, "{{data}}", data, "{{agent}}", agent, "{{address}}", address,
		"{{prefix}}", t.prefix, "{{big}}", fmt.Sprint(t.big), "{{users}}", fmt.Sprint(t.users()),
		"{{began}}", fmt.Sprintf("(%d + i * %d)", now-span.Microseconds(), span.Microseconds()/int64(t.rows)),
		"{{expired}}", fmt.Sprintf("i %% %d = 1", every), "{{ended}}", fmt.Sprintf("i %% %d = 2", every),
		"{{now}}", fmt.Sprint(now+time.Hour.Microseconds()), "{{span}}", fmt.Sprint(span.Microseconds()),
	).Replace(sessionOf)
	var (
		all    sync.WaitGroup
		next   atomic.Int64
		failed = make([]error, fillers)
	)
	for filler := range fillers {
		all.Go(func() {
			for failed[filler] == nil {
				from := int(next.Add(int64(each))) - each
				if from >= t.rows {
					return
				}
				_, failed[filler] = db.ExecContext(ctx, statement, from, min(each, t.rows-from))
			}
		})
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("fill %ssessions: %w", t.prefix, err)
	}
	_, err := db.ExecContext(ctx, "ANALYZE TABLE `"+t.prefix+"sessions`")
	return err
}

// unlogged switches the redo log off where the server can do without, until what it returns is called. Nothing has to survive a crash.
func unlogged(ctx context.Context, db *sql.DB) func() {
	if _, err := db.ExecContext(ctx, "ALTER INSTANCE DISABLE INNODB REDO_LOG"); err != nil {
		return func() {}
	}
	return func() { _, _ = db.ExecContext(context.WithoutCancel(ctx), "ALTER INSTANCE ENABLE INNODB REDO_LOG") }
}

// numbers makes a table of the numbers below n.
func (t *table) numbers(ctx context.Context, db *sql.DB, n int) error {
	name := "`" + t.prefix + "numbers`"
	if _, err := db.ExecContext(ctx, "CREATE TABLE "+name+" (n INT NOT NULL PRIMARY KEY)"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO "+name+" VALUES (0)"); err != nil { //nolint:gosec // a name of ours
		return err
	}
	for have := 1; have < n; have *= 2 {
		if _, err := db.ExecContext(ctx, "INSERT INTO "+name+" SELECT n + ? FROM "+name+" WHERE n + ? < ?", have, have, n); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// size is what a session takes on disk, with its share of the indexes, in bytes.
func (t *table) size(ctx context.Context, db *sql.DB) (each float64, err error) {
	var size, rows float64
	err = db.QueryRowContext(ctx, "SELECT (SELECT FILE_SIZE FROM information_schema.INNODB_TABLESPACES WHERE NAME = CONCAT(DATABASE(), ?)),"+
		" (SELECT COUNT(*) FROM `"+t.prefix+"sessions`)", "/"+t.prefix+"sessions").Scan(&size, &rows)
	return size / max(rows, 1), err
}
