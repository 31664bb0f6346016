package statements

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	driverpkg "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/report"
)

// experiment is one try at making statements cost less.
type experiment struct {
	about    string
	rows     int   // how many each table has to begin with
	shown    []int // the steps that it concerns
	variants []variant
}

// variant is a way to do the same. The first of an experiment is the product's.
type variant struct {
	name     string
	dsn      []driverpkg.Option
	schema   string              // what is done to the table of sessions before
	text     func(string) string // what becomes of each statement; nil: nothing
	bare     func(*bare)         // how else the loop is another one
	prepares bool                // statements are prepared once
}

func prepared(cfg *driverpkg.Config) error {
	cfg.InterpolateParams = false
	return nil
}

const (
	moves   = "expires_at = LEAST(" + now + " + ?, created_at + ?)"
	now     = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
	inHours = "expires_at = LEAST(" + now + " + ?, created_at + ?) DIV 3600000000 * 3600000000 + 3600000000"
	stays   = "expires_at = IF(? + ? > 0, expires_at, 0)"
)

func replaced(old, by string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, old, by) }
}

var experiments = []experiment{
	{"how values travel", 0, []int{create, refresh, verify, list}, []variant{
		{name: "in the text, by the driver"},
		{name: "statements prepared once, binary protocol", dsn: []driverpkg.Option{prepared}, prepares: true},
		{name: "statements prepared for each use", dsn: []driverpkg.Option{prepared}},
		{name: "in the text, handles and marks as bytes", text: replaced("UNHEX(?)", "?"), bare: func(b *bare) { b.raw = true }},
	}},
	{"a session's end, which each refresh and confirmation moves", 20_000, []int{refresh, verify}, []variant{
		{name: "to the microsecond"},
		{name: "by whole hours", text: replaced(moves, inHours)},
		{name: "not at all", text: replaced(moves, stays)},
	}},
	{"row format", 20_000, all, []variant{
		{name: "DYNAMIC"},
		{name: "COMPACT", schema: "ROW_FORMAT = COMPACT"},
		{name: "COMPRESSED, 8 KiB", schema: "ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8"},
	}},
}

// run compares the variants by turns.
func (x experiment) run(ctx context.Context, e *env.Env, life [steps][]template) (report.Table, error) {
	const clients = 8
	rounds, about, most := 41, 50*time.Millisecond, x.rows
	if e.Short {
		rounds, about, most = 1, 5*time.Millisecond, 400
	}
	t := report.Table{
		Caption: "What was tried: " + x.about + " (throughput of the bare loop with 8 clients, in terms of the first row's)",
		Header:  []string{""},
	}
	for _, step := range x.shown {
		t.Header = append(t.Header, names[step])
	}
	t.Header = append(t.Header, "redo log, bytes of "+names[refresh]+" and "+names[verify])
	if x.rows > 0 {
		t.Header = append(t.Header, "bytes a row on disk")
	}
	tried := make([]*contender, len(x.variants))
	for i, v := range x.variants {
		b, err := v.open(ctx, e, life)
		if err != nil {
			return t, fmt.Errorf("%s: %w", v.name, err)
		}
		defer func() { _ = b.db.Close() }()
		if err := b.fill(ctx, min(x.rows, most)); err != nil {
			return t, fmt.Errorf("fill: %w", err)
		}
		tried[i] = &contender{name: v.name, side: b, server: b.db}
	}
	if err := compare(ctx, rounds, clients, about, all, append([]*contender(nil), tried...)...); err != nil {
		return t, err
	}
	for _, c := range tried {
		row := []string{c.name}
		for _, step := range x.shown {
			row = append(row, spread(measure.Ratio(c.result(step), tried[0].result(step)), "%.2f"))
		}
		refreshed, _ := c.served(refresh)
		verified, _ := c.served(verify)
		row = append(row, fmt.Sprintf("%.0f and %.0f", refreshed, verified))
		if x.rows > 0 {
			bytes, err := onDisk(ctx, c.server)
			if err != nil {
				return t, err
			}
			row = append(row, fmt.Sprintf("%.0f", bytes))
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// open makes the variant's tables and its loop.
func (v variant) open(ctx context.Context, e *env.Env, life [steps][]template) (*bare, error) {
	dsn, err := e.Schema(ctx)
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if v.schema != "" {
		if _, err := store.DB().ExecContext(ctx, "ALTER TABLE watchword_sessions "+v.schema); err != nil {
			return nil, err
		}
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	b := &bare{life: life}
	if b.db, err = openPool(dsn, v.dsn...); err != nil {
		return nil, err
	}
	if v.bare != nil {
		v.bare(b)
	}
	for step := range b.life {
		b.life[step] = append([]template(nil), life[step]...)
		for i := range b.life[step] {
			t := &b.life[step][i]
			if v.text != nil {
				if text := v.text(t.text); text != t.text {
					t.text = text
				}
			}
			if !v.prepares {
				continue
			}
			if b.prepared == nil {
				b.prepared = map[string]*sql.Stmt{}
			}
			if b.prepared[t.text], err = b.db.PrepareContext(ctx, t.text); err != nil { //nolint:sqlclosecheck // closed with the pool
				return nil, err
			}
		}
	}
	return b, nil
}
