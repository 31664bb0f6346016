package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The feed has three parts: the ended sessions that have a fed_at, the table of revocations, and the signing keys. An entry bears the clock at the
// beginning of the statement that made it. It is to be seen only when that has ended, which may have waited for a lock or for
// a replica. Whoever reads the feed has to allow for that.

// Publish implements session.FeedStore.
func (s *Store) Publish(ctx context.Context, r session.Revocation) error {
	const doing = "publish revocation"
	if !r.Handle.IsZero() || r.KeyID != "" { // rather than making it everybody's
		return fmt.Errorf("%s: %w: a single session is revoked by its end, and a key by being cut off", doing, errors.ErrUnsupported)
	}
	if err := errors.Join(
		fits(doing, "user id", len(r.UserID), maxUserID),
		fits(doing, "reason", len(r.Reason), maxReason),
	); err != nil {
		return err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Errorf("%s: read randomness: %w", doing, err)
	}
	_, err := s.exec(ctx, doing,
		"INSERT INTO `{{prefix}}revocations` (revoked_at, id, user_id, reason) VALUES ({{now}}, UNHEX(?), ?, ?)",
		binary(id[:]), []byte(r.UserID), []byte(r.Reason))
	return err
}

// Revocations implements session.FeedStore. It is one statement, whose clock stands at its beginning, before what it sees of
// the tables is settled. On Vitess, which reads the shards one by one, the clock is one shard's, and the join is what has it read before
// all else: the parts of a union are read at once. The entries are sorted here, since Vitess sends a column too many when it sorts
// a join. Where there are none there is one row without an entry, for the clock's sake.
func (s *Store) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	limit = max(limit, 0)
	from := since.UnixMicro()
	rows, err := query(ctx, s, scanFeed, "read revocations",
		"SELECT clock.now_at, f.at, f.handle, f.user_id, f.reason, f.kid FROM (SELECT {{now}} AS now_at) AS clock LEFT JOIN ("+
			"(SELECT fed_at AS at, handle, NULL AS user_id, ending_reason AS reason, NULL AS kid FROM `{{prefix}}sessions`"+
			" WHERE fed_at >= ? ORDER BY fed_at LIMIT ?)"+
			" UNION ALL (SELECT revoked_at, NULL, user_id, reason, NULL FROM `{{prefix}}revocations`"+
			" WHERE revoked_at >= ? ORDER BY revoked_at LIMIT ?)"+
			" UNION ALL (SELECT COALESCE(retires_at, activates_at), NULL, NULL, NULL, kid FROM `{{prefix}}signing_keys`"+
			" WHERE COALESCE(retires_at, activates_at) >= ?)"+
			") AS f ON 1 = 1",
		from, limit, from, limit, from)
	if err != nil {
		return nil, time.Time{}, err
	}
	if len(rows) == 0 {
		return nil, time.Time{}, errors.New("read revocations: the server gave no time")
	}
	entries := make([]session.Revocation, 0, len(rows))
	for _, row := range rows {
		if !row.At.IsZero() {
			entries = append(entries, row.Revocation)
		}
	}
	slices.SortStableFunc(entries, func(a, b session.Revocation) int { return a.At.Compare(b.At) })
	return entries[:min(limit, len(entries))], rows[0].now, nil
}

// feedRow is an entry of the feed next to the clock.
type feedRow struct {
	session.Revocation
	now time.Time
}

func scanFeed(rows *sql.Rows) (feedRow, error) {
	var (
		r                   feedRow
		now                 int64
		at                  sql.NullInt64
		handle              []byte
		userID, reason, kid sql.NullString
	)
	err := rows.Scan(&now, &at, &handle, &userID, &reason, &kid)
	if err == nil {
		err = whole("handle", r.Handle[:], handle, true)
	}
	r.now, r.At, r.UserID, r.Reason, r.KeyID = moment(now), optionalMoment(at), userID.String, session.Reason(reason.String), kid.String
	return r, err
}
