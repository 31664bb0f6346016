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

// Keys implements session.KeyStore.
func (s *Store) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	rows, err := query(ctx, s, scanKey, "read signing keys",
		"SELECT clock.now_at, k.kid, k.purpose, k.sequence, k.algorithm, k.material, k.public_half, k.activates_at, k.retires_at"+
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
		material, public                 []byte
	)
	err := rows.Scan(&now, &kid, &purpose, &sequence, &algorithm, &material, &public, &activatesAt, &retiresAt)
	if err != nil || !kid.Valid {
		return keyRow{now: moment(now)}, err
	}
	return keyRow{now: moment(now), key: &session.Key{
		ID:          kid.String,
		Purpose:     session.KeyPurpose(purpose.String),
		Sequence:    int(sequence.Int64),
		Algorithm:   algorithm.String,
		Material:    material,
		Public:      public,
		ActivatesAt: moment(activatesAt.Int64),
		RetiresAt:   optionalMoment(retiresAt),
	}}, nil
}

// InsertKey implements session.KeyStore.
func (s *Store) InsertKey(ctx context.Context, key session.Key) error {
	const doing = "insert signing key"
	if err := errors.Join(
		fits(doing, "id", len(key.ID), 64),
		fits(doing, "purpose", len(key.Purpose), 32),
		fits(doing, "algorithm", len(key.Algorithm), 32),
		fits(doing, "material", len(key.Material), maxMaterial),
		fits(doing, "public half", len(key.Public), 1024),
	); err != nil {
		return err
	}
	_, err := s.exec(ctx, doing,
		"INSERT INTO `{{prefix}}signing_keys` (kid, purpose, sequence, algorithm, material, public_half, activates_at, retires_at)"+
			" VALUES (?, ?, ?, ?, UNHEX(?), UNHEX(?), ?, ?)",
		[]byte(key.ID), []byte(key.Purpose), key.Sequence, []byte(key.Algorithm), binary(key.Material), optionalBinary(key.Public),
		key.ActivatesAt.UnixMicro(), optional(key.RetiresAt))
	return err
}

// maxMaterial is the size of the column, in bytes.
const maxMaterial = 8192

// RetireKey implements session.KeyStore.
func (s *Store) RetireKey(ctx context.Context, id string) (bool, error) {
	n, err := s.exec(ctx, "retire signing key",
		"UPDATE `{{prefix}}signing_keys` SET retires_at = {{now}} WHERE kid = ? AND retires_at IS NULL", []byte(id))
	return n > 0, err
}

// SetKeyMaterial implements session.KeyStore.
func (s *Store) SetKeyMaterial(ctx context.Context, id string, old, next []byte) (bool, error) {
	const doing = "write signing key"
	if err := fits(doing, "material", len(next), maxMaterial); err != nil {
		return false, err
	}
	n, err := s.exec(ctx, doing, "UPDATE `{{prefix}}signing_keys` SET material = UNHEX(?) WHERE kid = ? AND material = UNHEX(?)",
		binary(next), []byte(id), binary(old))
	return n > 0, err
}

// DeleteKey implements session.KeyStore.
func (s *Store) DeleteKey(ctx context.Context, id string) (bool, error) {
	n, err := s.exec(ctx, "delete signing key", "DELETE FROM `{{prefix}}signing_keys` WHERE kid = ?", []byte(id))
	return n > 0, err
}
