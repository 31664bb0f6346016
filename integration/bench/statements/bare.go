package statements

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// values are what fills a session's slots.
type values [slots]any

// newValues makes those of the n-th session of a round. Handles have the product's form, so that rows are inserted in the same order.
func newValues(began time.Time, n int, anywhere, raw bool) values {
	var b [16 + 2*32]byte
	_, _ = rand.Read(b[:]) // it never fails
	if !anywhere {
		binary.BigEndian.PutUint64(b[:], uint64(began.UnixMicro())<<12+uint64(n)) //nolint:gosec // both are positive
	}
	if raw {
		return values{b[:16], []byte(userOf(n)), b[16:48], b[48:]}
	}
	digits := hex.EncodeToString(b[:])
	return values{digits[:32], []byte(userOf(n)), digits[32:96], digits[96:]}
}

// userOf names the user of the n-th session of a round; they have a few each.
func userOf(n int) string { return fmt.Sprintf("user-%08d", n/perUser) }

const perUser = 4

// bare is a loop over database/sql that sends what the product sends, and does nothing else: it draws no tokens and signs none, knows
// no policy, and looks at no row that it reads.
type bare struct {
	db       *sql.DB
	life     [steps][]template
	prepared map[string]*sql.Stmt // by text; nil: values are put into the text
	raw      bool                 // handles and marks go as bytes
	anywhere bool                 // handles are random
	sessions []values
}

func (b *bare) begin(n int) {
	now := time.Now()
	b.sessions = make([]values, n)
	for i := range b.sessions {
		b.sessions[i] = newValues(now, i, b.anywhere, b.raw)
	}
}

func (b *bare) do(ctx context.Context, step, i int) error {
	for _, t := range b.life[step] {
		if err := b.send(ctx, &t, &b.sessions[i]); err != nil {
			return fmt.Errorf("%.60s: %w", t.text, err)
		}
	}
	return nil
}

// send sends a statement for one session, which has to change or return a row.
func (b *bare) send(ctx context.Context, t *template, own *values) error {
	args := make([]any, len(t.args))
	for i, arg := range t.args {
		if s, ok := arg.(slot); ok {
			arg = own[s]
		}
		args[i] = arg
	}
	if t.reads {
		n, err := discard(b.query(ctx, t.text, args))
		if err == nil && n == 0 {
			err = errors.New("no row was read")
		}
		return err
	}
	result, err := b.exec(ctx, t.text, args)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d rows were changed, want one: %w", n, err)
	}
	return nil
}

func (b *bare) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if b.prepared != nil {
		return b.prepared[text].QueryContext(ctx, args...)
	}
	return b.db.QueryContext(ctx, text, args...)
}

func (b *bare) exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	if b.prepared != nil {
		return b.prepared[text].ExecContext(ctx, args...)
	}
	return b.db.ExecContext(ctx, text, args...)
}

// discard reads all rows, as bytes that stay where they are, and counts them.
func discard(rows *sql.Rows, err error) (n int, _ error) {
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	raw, to := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range raw {
		to[i] = &raw[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}
