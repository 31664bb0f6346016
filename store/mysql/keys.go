package mysql

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// keyRow is a signing key next to the clock. There is one row without a key when the table is empty, for the clock's sake.
type keyRow struct {
	now time.Time
	key *session.Key
}

// Keys implements session.Store.
func (s *Store) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	rows, err := query(ctx, s, scanKey, "read signing keys",
		"SELECT clock.now_at, k.kid, k.purpose, k.sequence, k.algorithm, k.material, k.activates_at, k.retires_at"+
			" FROM (SELECT {{now}} AS now_at) AS clock LEFT JOIN `{{prefix}}signing_keys` AS k ON 1 = 1"+
			" ORDER BY k.purpose, k.sequence")
	if err != nil {
		return nil, time.Time{}, err
	}
	if len(rows) == 0 {
		return nil, time.Time{}, errors.New("read signing keys: the server gave no time")
	}
	var keys []session.Key
	for _, row := range rows {
		if row.key != nil {
			keys = append(keys, *row.key)
		}
	}
	return keys, rows[0].now, nil
}

func scanKey(rows *sql.Rows) (keyRow, error) {
	var (
		now                              int64
		kid, purpose, algorithm          sql.NullString
		sequence, activatesAt, retiresAt sql.NullInt64
		material                         []byte
	)
	err := rows.Scan(&now, &kid, &purpose, &sequence, &algorithm, &material, &activatesAt, &retiresAt)
	if err != nil || !kid.Valid {
		return keyRow{now: moment(now)}, err
	}
	return keyRow{now: moment(now), key: &session.Key{
		ID:          kid.String,
		Purpose:     session.KeyPurpose(purpose.String),
		Sequence:    int(sequence.Int64),
		Algorithm:   algorithm.String,
		Material:    material,
		ActivatesAt: moment(activatesAt.Int64),
		RetiresAt:   optionalMoment(retiresAt),
	}}, nil
}

// InsertKey implements session.Store.
func (s *Store) InsertKey(ctx context.Context, key session.Key) error {
	const doing = "insert signing key"
	if err := errors.Join(
		fits(doing, "id", len(key.ID), 64),
		fits(doing, "purpose", len(key.Purpose), 32),
		fits(doing, "algorithm", len(key.Algorithm), 32),
		fits(doing, "material", len(key.Material), 8192),
	); err != nil {
		return err
	}
	_, err := s.exec(ctx, doing,
		"INSERT INTO `{{prefix}}signing_keys` (kid, purpose, sequence, algorithm, material, activates_at, retires_at)"+
			" VALUES (?, ?, ?, ?, UNHEX(?), ?, ?)",
		[]byte(key.ID), []byte(key.Purpose), key.Sequence, []byte(key.Algorithm), binary(key.Material),
		key.ActivatesAt.UnixMicro(), optional(key.RetiresAt))
	return err
}
