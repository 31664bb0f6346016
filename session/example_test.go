package session_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

func Example() {
	ctx := context.Background()
	manager, err := session.New(ctx, memstore.New(nil), session.Config{})
	if err != nil {
		panic(err)
	}

	// The user has just proved who they are.
	_, tokens, err := manager.Create(ctx, "alice", session.CreateOptions{Payload: map[string]string{"role": "admin"}})
	if err != nil {
		panic(err)
	}

	// A request brings the access token.
	s, err := manager.Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
	if err != nil {
		panic(err)
	}
	var payload struct{ Role string }
	if err := s.Payload(&payload); err != nil {
		panic(err)
	}
	fmt.Println(s.UserID(), payload.Role)

	// Logged out: no refresh succeeds any more.
	if _, err := s.Revoke(ctx, session.RevokeOptions{}); err != nil {
		panic(err)
	}
	_, _, err = manager.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{})
	var ended *session.EndedError
	fmt.Println(errors.As(err, &ended), ended.Reason, errors.Is(err, session.ErrUnauthorised))
	// Output:
	// alice admin
	// true logout true
}

// A refresh token that the client has replaced, and used the new one, is a copy in somebody else's hands.
func ExampleManager_Refresh() {
	ctx := context.Background()
	now := time.Now()
	clock := func() time.Time { return now }
	manager, err := session.New(ctx, memstore.New(clock), session.Config{
		Clock:   clock,
		OnTheft: func(_ context.Context, theft *session.TheftError) { fmt.Println("alarm for", theft.UserID) },
	})
	if err != nil {
		panic(err)
	}
	_, first, err := manager.Create(ctx, "alice", session.CreateOptions{})
	if err != nil {
		panic(err)
	}

	now = now.Add(15 * time.Minute)
	_, second, err := manager.Refresh(ctx, first.RefreshToken, session.RefreshOptions{})
	if err != nil {
		panic(err)
	}
	if _, err := manager.Verify(ctx, second.AccessToken, session.VerifyOptions{}); err != nil {
		panic(err)
	}

	now = now.Add(15 * time.Minute)
	_, _, err = manager.Refresh(ctx, first.RefreshToken, session.RefreshOptions{})
	var theft *session.TheftError
	fmt.Println(errors.As(err, &theft), errors.Is(err, session.ErrUnauthorised))
	// Output:
	// alarm for alice
	// true true
}

// Two writers who have read the same version: one of them is told.
func ExampleManager_UpdateData() {
	ctx := context.Background()
	manager, err := session.New(ctx, memstore.New(nil), session.Config{})
	if err != nil {
		panic(err)
	}
	s, _, err := manager.Create(ctx, "alice", session.CreateOptions{Data: map[string]int{"visits": 1}})
	if err != nil {
		panic(err)
	}
	read, err := s.Data(ctx)
	if err != nil {
		panic(err)
	}
	_, err = s.UpdateData(ctx, read.Version, map[string]int{"visits": 2})
	fmt.Println(err)
	_, err = s.UpdateData(ctx, read.Version, map[string]int{"visits": 3})
	fmt.Println(errors.Is(err, session.ErrConflict))
	// Output:
	// <nil>
	// true
}
