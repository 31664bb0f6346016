package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/storetest"
)

// The whole test of a store. In a test file the two are functions of their own.
func Example() {
	open := func(*testing.T) session.Store { return memstore.New(nil) } // here, an empty store of one's own

	TestContract := func(t *testing.T) { storetest.Run(t, open) }
	TestFaults := func(t *testing.T) { storetest.RunFaults(t, open) }

	_, _ = TestContract, TestFaults // go test calls them
}

// The answer to a revocation is lost, and its repetition finds that out.
func ExampleFaulty() {
	ctx := context.Background()
	store := storetest.Faulty(memstore.New(nil))
	manager, err := session.New(ctx, store, session.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, _, err := manager.Create(ctx, "user", session.CreateOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}

	store.Play(storetest.At(1, storetest.Unheard))
	ended, err := s.Revoke(ctx, session.RevokeOptions{})
	fmt.Println(ended, err, store.Calls())

	store.Play(storetest.From(1, storetest.Refused)) // an outage
	_, err = s.Data(ctx)
	fmt.Println(errors.Is(err, session.ErrUnavailable))
	// Output:
	// true <nil> [End End Ending]
	// true
}
