package mysql

import (
	"context"
	"database/sql"
	"strings"
)

// maxBatch is how many rows one statement deletes by their keys. Galera replicates a statement as a whole, and Vitess
// takes 10,000 rows at most.
const maxBatch = 1000

// DeleteExpired implements session.Store. It finds dead sessions by the index on their end, without locks, and deletes
// them by primary key. A DELETE that went along the index would lock its gaps, into which every refresh of every session
// has to insert.
func (s *Store) DeleteExpired(ctx context.Context, limit int) (int, error) {
	total := 0
	for total < limit {
		batch := min(limit-total, maxBatch)
		handles, err := query(ctx, s, scanHandle, "find expired sessions",
			"SELECT handle FROM `{{prefix}}sessions` WHERE expires_at <= {{now}} ORDER BY expires_at LIMIT ?", batch)
		if err != nil {
			return total, err
		}
		if len(handles) == 0 {
			break
		}
		// Dead sessions stay dead, but looking at the time again costs nothing. Adding 0 keeps every optimiser, whatever
		// its statistics, from going along the index after all.
		n, err := s.exec(ctx, "delete expired sessions",
			"DELETE FROM `{{prefix}}sessions` WHERE handle IN (UNHEX(?)"+strings.Repeat(", UNHEX(?)", len(handles)-1)+
				") AND expires_at + 0 <= {{now}}", handles...)
		if err != nil {
			return total, err
		}
		total += int(n)
		// Fewer than asked for may mean that another process deleted the same ones: only an empty hand means that none
		// were left.
		if len(handles) < batch {
			break
		}
	}
	return total, nil
}

func scanHandle(rows *sql.Rows) (any, error) {
	var handle []byte
	err := rows.Scan(&handle)
	return binary(handle), err
}
