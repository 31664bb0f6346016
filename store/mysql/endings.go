package mysql

import (
	"context"
	"errors"

	"github.com/watchword-dev/watchword/session"
)

// A session's end is an update of its row, which stays as the record of it (see migrations/0001_sessions.sql). So the end,
// its record and its entry in the feed are one statement on one row, which needs no transaction and no second table.

// ending is what every end but that of an expired session sets, as assignments; endingArgs are their arguments.
const ending = "ended_at = {{now}}, ending_id = ?, ending_reason = ?, ending_detail = ?, fed_at = IF(?, {{now}}, NULL)," +
	" payload = NULL, data = NULL"

// endLive is what follows the verb of an UPDATE that ends those of some sessions that are alive when it comes to them.
const endLive = "`{{prefix}}sessions` SET " + ending + " WHERE ended_at + 0 IS NULL AND expires_at + 0 > {{now}} AND handle"

func endingArgs(doing string, end session.End) ([]any, error) {
	err := errors.Join(fits(doing, "reason", len(end.Reason), maxReason), fits(doing, "detail", len(end.Detail), maxDetail))
	return []any{uint64(end.ID), []byte(end.Reason), end.Detail, end.Fed}, err
}

// End implements session.EndingStore.
func (s *Store) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	const doing = "end session"
	args, err := endingArgs(doing, end)
	if err != nil {
		return false, err
	}
	n, err := s.exec(ctx, doing,
		"UPDATE `{{prefix}}sessions` SET "+ending+" WHERE handle = UNHEX(?)"+alive, with(args, binary(h[:]))...)
	if err != nil || n > 0 || !end.Fed {
		return n > 0, err
	}
	// fed_at moves on in any case, so that nobody who has read the entry where it was takes it for the same.
	_, err = s.exec(ctx, doing,
		"UPDATE `{{prefix}}sessions` SET fed_at = COALESCE(GREATEST({{now}}, fed_at + 1), {{now}})"+
			" WHERE handle = UNHEX(?) AND ended_at IS NOT NULL", binary(h[:]))
	return false, err
}

// EndUser implements session.EndingStore. It goes along the index of the user's live sessions, and locks these and the gaps
// around them. What has to wait for it is what inserts there: a new session of this user, and of a neighbour's in the order of
// user ids one that begins or ends. A refresh does not. To find the sessions without locks and to end them by primary key
// takes as long, and a statement more. It would spare deadlocks with End, which comes to the same entries the other way
// round; but even where tests aim at them they are rare, and the one that is rolled back is repeated. On Vitess it is done
// that way; see spreadChange.
func (s *Store) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	const doing = "end sessions of a user"
	args, err := endingArgs(doing, end)
	if err != nil {
		return 0, err
	}
	const ofUser = " WHERE user_id = ? AND handle <> UNHEX(?)" + alive + " ORDER BY handle LIMIT ?"
	which := []any{[]byte(userID), binary(keep[:])}
	if s.vitess {
		return spreadChange{
			doing: doing,
			find:  "SELECT handle FROM `{{prefix}}sessions`" + ofUser, findArgs: which,
			change: onEachShard("UPDATE", endLive), changeArgs: args,
		}.run(ctx, s, limit)
	}
	n, err := s.exec(ctx, doing, "UPDATE `{{prefix}}sessions` SET "+ending+ofUser, with(args, with(which, max(limit, 0))...)...)
	return int(n), err
}

// Ending implements session.EndingStore.
func (s *Store) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	list, err := s.endings(ctx, "read ending", selectRecordLight+" WHERE handle = UNHEX(?) AND ended_at IS NOT NULL", binary(h[:]))
	if err != nil {
		return session.Ended{}, err
	}
	if len(list) == 0 {
		return session.Ended{}, session.ErrNotFound
	}
	return list[0], nil
}

// Endings implements session.EndingStore.
func (s *Store) Endings(ctx context.Context, userID string, page session.EndingsPage) ([]session.Ended, error) {
	const (
		ofUser  = selectRecordLight + " WHERE user_id = ?"
		ordered = " ORDER BY ended_at DESC, handle DESC LIMIT ?"
	)
	statement, args := ofUser+" AND ended_at IS NOT NULL"+ordered, []any{[]byte(userID)}
	if !page.EndedAt.IsZero() {
		// Not as a comparison of pairs, for which MySQL would read the user's endings from the newest on.
		statement = ofUser + " AND (ended_at < ? OR ended_at = ? AND handle < UNHEX(?))" + ordered
		args = append(args, page.EndedAt.UnixMicro(), page.EndedAt.UnixMicro(), binary(page.Handle[:]))
	}
	return s.endings(ctx, "list endings", statement, append(args, max(page.Limit, 0))...)
}
