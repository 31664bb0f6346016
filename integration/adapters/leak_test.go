package adapters_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Of fasthttp two stay: its pool of workers looks only every ten seconds whether its server has been shut down, and what writes
// the Date header lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}
