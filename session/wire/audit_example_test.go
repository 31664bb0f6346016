package wire_test

import (
	"fmt"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// What a configuration for development would be in production, and what Strict makes of it.
func ExampleConfig_Audit() {
	cfg := wire.Config{Cookies: wire.Cookies{Insecure: true}, AllowedOrigins: []string{"http://localhost:5173"}}
	report, err := cfg.Audit(session.ASVSLevel2)
	if err != nil {
		panic(err)
	}
	for _, f := range report.Violations() {
		fmt.Println(f.Requirement, f.Level, f.Fields, f.Detail)
	}
	cfg.Strict = session.ASVSLevel1
	_, err = wire.New(cfg)
	fmt.Println(err != nil)
	// Output:
	// 3.3.1 L1 [Cookies.Insecure] Cookies.Insecure leaves Secure off, and with it the prefixes.
	// 3.3.3 L2 [Cookies.Insecure] A cookie lacks it, because of Cookies.Insecure.
	// true
}
