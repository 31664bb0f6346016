package server

import (
	"context"
	"database/sql"
	"strings"
)

// Version names the server's, such as "MySQL 9.7.1"; nothing if no part has asked for a schema.
func (s *Server) Version(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return "", nil
	}
	db, err := sql.Open("mysql", s.server.DSN(""))
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", err
	}
	name := "MySQL "
	if strings.Contains(version, "MariaDB") {
		name = "MariaDB "
	}
	number, _, _ := strings.Cut(version, "-")
	return name + number, nil
}
