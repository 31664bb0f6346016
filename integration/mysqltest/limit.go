package mysqltest

import (
	"database/sql"
	"fmt"
	"os"
	"strconv"
)

const maxConnsEnv = "WATCHWORD_TEST_MAX_CONNS"

// Limit sets how many connections a pool may have: n, or WATCHWORD_TEST_MAX_CONNS where that is fewer. With 1 the suite shows that
// nothing needs two connections at once.
func Limit(db *sql.DB, n int) {
	if most := MaxConns(); most > 0 {
		n = min(n, most)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
}

// MaxConns is WATCHWORD_TEST_MAX_CONNS, for processes that tests start; zero: it is not set. It panics where that is no number, since
// a run without the limit would look like one with it.
func MaxConns() int {
	value := os.Getenv(maxConnsEnv)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("mysqltest: %s is %q: it must be a whole number, 1 or more", maxConnsEnv, value))
	}
	return n
}
