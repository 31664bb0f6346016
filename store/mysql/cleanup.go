package mysql

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// maxBatch is how many rows one statement changes by their handles. Galera replicates a statement as a whole, and Vitess
// takes 10,000 rows at most.
const maxBatch = 1000

// sweep is a change of many sessions, whosever they are. They are found by an index, without locks, and changed by primary
// key, where their state is looked at again. An UPDATE or DELETE that went along the index would lock its gaps, and into those
// of by_end every refresh of every session has to insert.
//
// In that second look 0 is added to each column that an index begins with. It keeps every optimiser, whatever its
// statistics, from going along that index after all.
//
// What was changed stays in the index, marked as deleted, until the server purges it, which it does not while anybody has an older
// snapshot open: a backup, say. So each batch begins where the last one ended, and not at the index's beginning, where it would read over all that
// was changed before.
type sweep struct {
	doing      string
	from       *atomic.Int64 // where to begin; no more than a hint
	find       string        // SELECT handle, <the time that is ordered by> … WHERE <that> >= ? … ORDER BY …
	findArgs   []any
	change     string // UPDATE or DELETE … AND handle
	changeArgs []any
}

// reached is how far the cleanups of this process have come, in microseconds since 1970.
type reached struct {
	expired, purged atomic.Int64
}

// found is a session that a sweep has found.
type found struct {
	handle any // an argument of UNHEX(?)
	at     int64
}

func scanFound(rows *sql.Rows) (f found, err error) {
	var handle []byte
	err = rows.Scan(&handle, &f.at)
	f.handle = binary(handle)
	return f, err
}

// run changes one batch. It returns the handles that it found and how many of the sessions it changed; the others were
// changed by other processes meanwhile. If those have changed them all it looks again, a little later: without an error it
// changes nothing only if there was nothing to find, from the very beginning on.
func (w sweep) run(ctx context.Context, s *Store, limit int) (handles []any, changed int, err error) {
	for try := 1; ; try++ {
		from := w.from.Load()
		batch, err := query(ctx, s, scanFound, w.doing, w.find+" LIMIT ?", with([]any{from}, with(w.findArgs, max(min(limit, maxBatch), 0))...)...)
		if err == nil && len(batch) == 0 && from > 0 {
			w.from.Store(0)
			continue
		}
		if err != nil || len(batch) == 0 {
			return nil, 0, err
		}
		handles = nil
		for _, f := range batch {
			handles = append(handles, f.handle)
		}
		changed, err = w.apply(ctx, s, handles)
		if err == nil && changed > 0 {
			w.from.Store(batch[len(batch)-1].at)
		}
		if err != nil || changed > 0 {
			return handles, changed, err
		}
		select {
		case <-ctx.Done(): // the next statement says so
		case <-time.After(pause(min(try, maxTries))):
		}
	}
}

// apply is the second half of run.
func (w sweep) apply(ctx context.Context, s *Store, handles []any) (int, error) {
	n, err := s.exec(ctx, w.doing, w.change+among(handles), with(w.changeArgs, handles...)...)
	return int(n), err
}

// EndAll implements session.EndingStore.
func (s *Store) EndAll(ctx context.Context, before time.Time, end session.End, limit int) ([]session.Ended, error) {
	const doing = "end all sessions"
	args, err := endingArgs(doing, end)
	if err != nil {
		return nil, err
	}
	handles, changed, err := sweep{
		doing: doing,
		// The newest expire last, so that those which began since are not read again with each batch.
		from:       new(atomic.Int64),
		find:       "SELECT handle, expires_at FROM `{{prefix}}sessions` WHERE expires_at >= ? AND created_at < ?" + alive + " ORDER BY expires_at",
		findArgs:   []any{before.UnixMicro()},
		change:     onEachShard("UPDATE", endLive),
		changeArgs: args,
	}.run(ctx, s, limit)
	if err != nil {
		return nil, err
	}
	return s.endedBy(ctx, doing, end.ID, handles, changed)
}

// EndExpired implements session.EndingStore.
func (s *Store) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	const doing = "end expired sessions"
	expired := sweep{
		doing: doing,
		from:  &s.reached.expired,
		find: "SELECT handle, expires_at FROM `{{prefix}}sessions` WHERE expires_at >= ? AND expires_at <= {{now}} AND ended_at IS NULL" +
			" ORDER BY expires_at",
		change: onEachShard("UPDATE", "`{{prefix}}sessions` SET ended_at = expires_at, ending_id = ?,"+
			" ending_reason = IF(expires_at >= created_at + ?, ?, ?), payload = NULL, data = NULL"+
			" WHERE ended_at + 0 IS NULL AND expires_at + 0 <= {{now}} AND handle"),
		changeArgs: []any{uint64(id), micros(absolute), []byte(session.ReasonAbsolute), []byte(session.ReasonIdle)},
	}
	var (
		handles []any
		changed int
		err     error
	)
	if h.IsZero() {
		handles, changed, err = expired.run(ctx, s, limit)
	} else {
		handles = []any{binary(h[:])}
		changed, err = expired.apply(ctx, s, handles)
	}
	if err != nil {
		return nil, err
	}
	return s.endedBy(ctx, doing, id, handles, changed)
}

// endedBy returns those of the sessions that an ending has ended, of which there are so many. It asks the rows, since what was
// found before may have been ended by another process, which has another id: each session is returned to one of them.
func (s *Store) endedBy(ctx context.Context, doing string, id session.Version, handles []any, changed int) ([]session.Ended, error) {
	if changed == 0 {
		return nil, nil
	}
	return s.endings(ctx, doing, selectRecordLight+" WHERE ending_id = ? AND handle"+among(handles), with([]any{uint64(id)}, handles...)...)
}

// Purge implements session.EndingStore.
func (s *Store) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	_, ended, err := sweep{
		doing:      "purge endings",
		from:       &s.reached.purged,
		find:       "SELECT handle, ended_at FROM `{{prefix}}sessions` WHERE ended_at >= ? AND ended_at < {{now}} - ? ORDER BY ended_at",
		findArgs:   []any{micros(endings)},
		change:     onEachShard("DELETE", "FROM `{{prefix}}sessions` WHERE ended_at + 0 < {{now}} - ? AND handle"),
		changeArgs: []any{micros(endings)},
	}.run(ctx, s, limit)
	if err != nil {
		return 0, err
	}
	// New revocations are inserted behind all that are removed, so that this needs no sweep.
	published, err := s.exec(ctx, "purge revocations",
		"DELETE FROM `{{prefix}}revocations` WHERE revoked_at < {{now}} - ? ORDER BY revoked_at LIMIT ?",
		micros(revocations), max(min(limit, maxBatch), 0))
	return ended + int(published), err
}

// among is the end of a condition by which a column is one of the handles, which are its arguments.
func among(handles []any) string {
	return " IN (UNHEX(?)" + strings.Repeat(", UNHEX(?)", len(handles)-1) + ")"
}
