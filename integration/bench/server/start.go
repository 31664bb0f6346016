package server

import (
	"context"
	"os"

	"github.com/testcontainers/testcontainers-go/log"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// start takes the server that WATCHWORD_TEST_MYSQL_DSN names, as it is, or starts one.
func start(ctx context.Context) (*mysqltest.Server, error) {
	if os.Getenv("WATCHWORD_TEST_MYSQL_DSN") != "" {
		return mysqltest.Start(ctx)
	}
	log.SetDefault(silent{}) // standard error has the progress
	return mysqltest.Start(ctx, flags...)
}

type silent struct{}

func (silent) Printf(string, ...any) {}
