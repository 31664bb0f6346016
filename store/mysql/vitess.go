package mysql

import (
	"context"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// onVitess reports whether a DSN names no database but a type of Vitess's tablets, as package vschema says.
func onVitess(cfg *mysql.Config) bool { return strings.HasPrefix(cfg.DBName, "@") }

// unshared makes a reading statement one that is always run. A tablet of Vitess answers a statement by the result of another of the same
// text that runs already, and that may be from before a change that was acknowledged meanwhile: a session that was revoked would be
// read as alive.
func unshared(statement string) string {
	return strings.Replace(statement, "SELECT ", "SELECT /*vt+ CONSOLIDATOR=disabled */ ", 1)
}

// onEachShard makes a statement that changes sessions by their handles, wherever they lie. On Vitess each shard commits its part by itself,
// so that none waits with its locks for another: what is done is done for each session, and that is all that is asked for. To
// others this is a comment.
func onEachShard(verb, rest string) string {
	return verb + " /*vt+ MULTI_SHARD_AUTOCOMMIT=1 */ " + rest
}

// spreadChange is a change of some sessions that lie on several shards. They are found first, and changed by their handles, where
// their state is looked at again: Vitess makes an UPDATE with a LIMIT of the same two, but in a transaction over the shards, in which two
// of them lock each other out where no shard sees it.
type spreadChange struct {
	doing      string
	find       string // SELECT handle … LIMIT ?
	findArgs   []any
	change     string // … AND handle
	changeArgs []any
}

// run changes up to limit sessions, and says how many. It goes on where others were faster with some of those that it had found, so that
// a result below limit means that none were left.
func (c spreadChange) run(ctx context.Context, s *Store, limit int) (changed int, err error) {
	for {
		most := min(limit-changed, maxBatch)
		handles, err := query(ctx, s, scanHandle, c.doing, c.find, with(c.findArgs, max(most, 0))...)
		if err != nil || len(handles) == 0 {
			return changed, err
		}
		n, err := s.exec(ctx, c.doing, c.change+among(handles), with(c.changeArgs, handles...)...)
		changed += int(n)
		if err != nil || len(handles) < most || changed == limit {
			return changed, err
		}
	}
}
