package mysqltest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Start starts a server with the given mysqld flags, like [StartServer], for programs that are no tests. Close removes it. Where
// WATCHWORD_TEST_MYSQL_DSN is set and there are no flags, the server is that one, and Container is nil.
func Start(ctx context.Context, flags ...string) (*Server, error) {
	if dsn := os.Getenv(dsnEnv); dsn != "" && len(flags) == 0 {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dsnEnv, err)
		}
		setTimeouts(config)
		return &Server{config: config}, nil
	}
	s, err := startContainer(ctx, flags)
	if err != nil && s != nil {
		err = errors.Join(err, s.terminate())
	}
	if err != nil {
		return nil, fmt.Errorf("start a MySQL server in Docker: %w\n%s", err, whatToDo)
	}
	return s, nil
}

// Schema creates an empty schema on this server and returns a DSN for it, and what drops it again.
func (s *Server) Schema(ctx context.Context) (dsn string, drop func() error, err error) {
	db, err := openAdmin(s.config)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = db.Close() }()
	name := "watchword_bench_" + rand.Text()
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, fmt.Errorf("create a schema at %s: %w", s.config.Addr, err)
	}
	return s.DSN(name), func() error {
		db, err := openAdmin(s.config)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute) // of large tables
		defer cancel()
		if _, err := db.ExecContext(ctx, "DROP DATABASE "+name); err != nil {
			return fmt.Errorf("drop a schema: %w", err)
		}
		return nil
	}, nil
}

// DSN is the one of a schema on this server.
func (s *Server) DSN(schema string) string {
	config := s.config.Clone()
	config.DBName = schema
	return config.FormatDSN()
}

// Close removes the server and all that is in it, if Start has started it.
func (s *Server) Close() error {
	if s.Container == nil {
		return nil
	}
	return s.terminate()
}
