package wire_test

import (
	"testing"

	"github.com/watchword-dev/watchword/session/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
