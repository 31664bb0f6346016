package storetest

import "time"

// SetPatience is for mutants that hang.
func SetPatience(d time.Duration) { patience = d }
