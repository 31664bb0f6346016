package session

import (
	"context"
	"encoding/json"
	"time"
)

// Session is one login of one user on one client, as a request sees it: what its access token says, and the operations
// on that session. It is safe for concurrent use.
type Session struct {
	*facts
	manager   *Manager
	renewed   *Tokens // the access token without unc, when verification confirmed it
	maxAccess int     // the longest access token that the client's transport can carry; zero: not known
}

// facts are what an access token says. All Sessions of a token that is remembered share them, and nobody changes them.
type facts struct {
	handle  Handle
	userID  string
	payload json.RawMessage
	expires time.Time
	authAt  time.Time
	mark    Mark // of the refresh token that came with it
}

// Handle returns the session's public identifier.
func (s *Session) Handle() Handle { return s.handle }

// UserID returns the id with which the session was created.
func (s *Session) UserID() string { return s.userID }

// Payload decodes the application's payload of the access token into v, as json.Unmarshal does. Without a payload it
// decodes null.
func (s *Session) Payload(v any) error { return json.Unmarshal(s.payload, v) }

// RawPayload returns the payload's bytes as they were given to Create. Do not change them.
func (s *Session) RawPayload() json.RawMessage { return s.payload }

// AccessExpires returns when the access token expires, by this process's clock.
func (s *Session) AccessExpires() time.Time { return s.expires }

// AuthTime returns when the user last proved who they are, to the second, by this process's clock: at the session's beginning,
// or when Manager.Reauthenticated was called.
func (s *Session) AuthTime() time.Time { return s.authAt }

// RefreshID returns the Tokens.ID of the refresh token that came with the access token.
func (s *Session) RefreshID() string { return generationID(s.mark) }

// Renewed returns what is to replace the client's access token, if there is anything: the same token, no longer marked
// as unconfirmed. Of the Tokens only the access token is set.
func (s *Session) Renewed() (Tokens, bool) {
	if s.renewed == nil {
		return Tokens{}, false
	}
	return *s.renewed, true
}

// Data reads the session's data; see Manager.Data.
func (s *Session) Data(ctx context.Context) (Data, error) {
	if s.manager == nil {
		return Data{}, ErrNoStore
	}
	return s.manager.Data(ctx, s.handle)
}

// SetData replaces the session's data; see Manager.SetData.
func (s *Session) SetData(ctx context.Context, v any) (Version, error) {
	if s.manager == nil {
		return 0, ErrNoStore
	}
	return s.manager.SetData(ctx, s.handle, v)
}

// UpdateData replaces the session's data if it still has the version given; see Manager.UpdateData.
func (s *Session) UpdateData(ctx context.Context, version Version, v any) (Version, error) {
	if s.manager == nil {
		return 0, ErrNoStore
	}
	return s.manager.UpdateData(ctx, s.handle, version, v)
}

// SetPayload replaces the payload from the next refresh on; see Manager.SetPayload.
func (s *Session) SetPayload(ctx context.Context, v any) error {
	if s.manager == nil {
		return ErrNoStore
	}
	return s.manager.SetPayload(ctx, s.handle, v, PayloadOptions{MaxAccessToken: s.maxAccess})
}

// Revoke ends the session in the store, with ReasonLogout unless the options say otherwise; see Manager.Revoke. It does not
// touch the client's tokens: HTTP adapters have a Logout that does both.
func (s *Session) Revoke(ctx context.Context, opts RevokeOptions) (bool, error) {
	if s.manager == nil {
		return false, ErrNoStore
	}
	orDefault(&opts.Reason, ReasonLogout)
	return s.manager.Revoke(ctx, s.handle, opts)
}

// Tokens is what a client gets to hold. Never log it. Times are by this process's clock.
type Tokens struct {
	IssuedAt       time.Time
	AccessToken    string
	AccessExpires  time.Time
	RefreshToken   string    // empty: the client keeps the one that it presented
	RefreshExpires time.Time // when the session ends if nobody refreshes it
	AntiCSRF       string    // empty unless it was asked for; see CreateOptions.AntiCSRF
	// ID stands for the generation of refresh token: it changes when that does, and is no secret.
	ID string
}
