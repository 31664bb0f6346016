package failover

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// slack is what the product may add to the engine's own gap.
const slack = time.Second

// report is a row for each fault, in the documentation's format.
var report struct {
	sync.Mutex
	rows []string
}

// Main runs a package's tests and prints the rows of all of [Exercise] as one table. Call it from TestMain.
func Main(m *testing.M) {
	if err := driver.SetLogger(&driver.NopLogger{}); err != nil { // it tells of each broken connection
		panic(err)
	}
	code := m.Run()
	if len(report.rows) > 0 {
		fmt.Println("\n| fault | the engine takes no writes for | create | refresh | revoke | verify | the slowest call | failed calls |\n" +
			"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
		for _, row := range report.rows {
			fmt.Println(row)
		}
	}
	os.Exit(code)
}

// compare holds our gaps against the engine's own, and puts them into the report.
func compare(t *testing.T, name string, m *meter, begun, end time.Time) {
	t.Helper()
	own := m.gap(engine, begun, end)
	row := fmt.Sprintf("| %s | %s |", name, seconds(own))
	for _, what := range []string{create, refresh, revoke, verify} {
		gap := m.gap(what, begun, end)
		row += fmt.Sprintf(" %s |", seconds(gap))
		if gap > own+slack {
			t.Errorf("%s: no success for %v, want at most the engine's own gap of %v and %v more", what, gap, own, slack)
		}
	}
	failed, slowest := m.failed()
	row += fmt.Sprintf(" %s | %d |", seconds(slowest), failed)
	t.Log(row)
	report.Lock()
	defer report.Unlock()
	report.rows = append(report.rows, row)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
