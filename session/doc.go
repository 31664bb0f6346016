// Package session manages sessions: short-lived access tokens (JWT, RFC 7519) that are verified without a database, and
// rotating refresh tokens that betray a thief (RFC 9700, section 4.14.2).
//
// Start with New, over a Store: package memstore holds one for tests and single processes, module store/mysql one for
// MySQL. Web applications use an adapter, such as adapters/nethttp, and touch the Manager only for what no request asks
// for: Manager.RevokeUser after a password change, Manager.Run in the background. Services without a store verify access
// tokens with a Verifier.
//
//	manager, err := session.New(ctx, store, session.Config{})
//	go manager.Run(ctx) // rotates signing keys, reads revocations, cleans up
//	s, tokens, err := manager.Create(ctx, userID, session.CreateOptions{Payload: map[string]string{"role": "user"}})
//	s, err := manager.Verify(ctx, accessToken, session.VerifyOptions{})
//	s, tokens, err := manager.Refresh(ctx, refreshToken, session.RefreshOptions{})
//	ended, err := manager.Revoke(ctx, s.Handle(), session.RevokeOptions{Reason: session.ReasonLogout})
//
// The rotation in short: a refresh answers with a successor of the presented token, but the old token is given up only
// when the client has shown that the new one arrived, by using it or the access token that came with it. Until then the
// same successor is handed out again, so that neither a lost response nor ten tabs that refresh at once log anybody out.
// A token that was given up and turns up again is in two hands: the session ends, and Config.OnTheft is told.
//
// Never log Tokens. Never use a Handle as a credential. Never read payload or user id from a token that Verify has not
// passed. Never answer ErrUnavailable by clearing a client's tokens: an outage logs nobody out.
package session
