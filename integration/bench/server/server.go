// Package server is the MySQL that the parts of the benchmarks share.
package server

import (
	"context"
	"errors"
	"sync"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// flags make room for tables of millions of rows, and take the disk out of it: a statement then costs as little as it can, and what
// others add to it shows the most.
var flags = []string{
	"--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--innodb-doublewrite=OFF", "--max-connections=500",
	"--innodb-buffer-pool-size=2G", "--loose-innodb-redo-log-capacity=1G",
}

// Server starts when the first schema is asked for. Its zero value is ready.
type Server struct {
	mu     sync.Mutex
	server *mysqltest.Server
	drop   []func() error
}

// Schema makes an empty one and returns its DSN.
func (s *Server) Schema(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		server, err := start(ctx)
		if err != nil {
			return "", err
		}
		s.server = server
	}
	dsn, drop, err := s.server.Schema(ctx)
	if err != nil {
		return "", err
	}
	s.drop = append(s.drop, drop)
	return dsn, nil
}

// Close drops the schemas and removes the server, if it was started here.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	var all []error
	if s.server.Container == nil { // otherwise they go with it
		for _, drop := range s.drop {
			all = append(all, drop())
		}
	}
	all = append(all, s.server.Close())
	s.server, s.drop = nil, nil
	return errors.Join(all...)
}
