package lab

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The calls of this file are only counted: nothing in them concerns the tokens or the end of a session.

// counted makes a call that returns one value.
func counted[T any](ctx context.Context, s *recorded, name string, h session.Handle, call func() (T, error)) (T, error) {
	if err := s.call(ctx, name, h); err != nil {
		var none T
		return none, err
	}
	return call()
}

// List implements session.LiveStore.
func (s *recorded) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	return counted(ctx, s, "List", session.Handle{}, func() ([]session.Row, error) { return s.Store.List(ctx, userID, page) })
}

// SetPayload implements session.LiveStore.
func (s *recorded) SetPayload(ctx context.Context, h session.Handle, payload []byte) (bool, error) {
	return counted(ctx, s, "SetPayload", h, func() (bool, error) { return s.Store.SetPayload(ctx, h, payload) })
}

// SetLabel implements session.LiveStore.
func (s *recorded) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	return counted(ctx, s, "SetLabel", h, func() (bool, error) { return s.Store.SetLabel(ctx, h, label) })
}

// Data implements session.LiveStore.
func (s *recorded) Data(ctx context.Context, h session.Handle) ([]byte, session.Version, error) {
	if err := s.call(ctx, "Data", h); err != nil {
		return nil, 0, err
	}
	return s.Store.Data(ctx, h)
}

// SetData implements session.LiveStore.
func (s *recorded) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	return counted(ctx, s, "SetData", h, func() (bool, error) { return s.Store.SetData(ctx, h, old, next, data) })
}

// Endings implements session.EndingStore.
func (s *recorded) Endings(ctx context.Context, userID string, page session.EndingsPage) ([]session.Ended, error) {
	return counted(ctx, s, "Endings", session.Handle{}, func() ([]session.Ended, error) { return s.Store.Endings(ctx, userID, page) })
}

// Purge implements session.EndingStore.
func (s *recorded) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return counted(ctx, s, "Purge", session.Handle{}, func() (int, error) { return s.Store.Purge(ctx, endings, revocations, limit) })
}

// Publish implements session.FeedStore.
func (s *recorded) Publish(ctx context.Context, r session.Revocation) error {
	if err := s.call(ctx, "Publish", session.Handle{}); err != nil {
		return err
	}
	return s.Store.Publish(ctx, r)
}

// Keys implements session.KeyStore.
func (s *recorded) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	if err := s.call(ctx, "Keys", session.Handle{}); err != nil {
		return nil, time.Time{}, err
	}
	return s.Store.Keys(ctx)
}

// InsertKey implements session.KeyStore.
func (s *recorded) InsertKey(ctx context.Context, key session.Key) error {
	if err := s.call(ctx, "InsertKey", session.Handle{}); err != nil {
		return err
	}
	return s.Store.InsertKey(ctx, key)
}

// RetireKey implements session.KeyStore.
func (s *recorded) RetireKey(ctx context.Context, id string) (bool, error) {
	return counted(ctx, s, "RetireKey", session.Handle{}, func() (bool, error) { return s.Store.RetireKey(ctx, id) })
}

// SetKeyMaterial implements session.KeyStore.
func (s *recorded) SetKeyMaterial(ctx context.Context, id string, old, next []byte) (bool, error) {
	return counted(ctx, s, "SetKeyMaterial", session.Handle{}, func() (bool, error) { return s.Store.SetKeyMaterial(ctx, id, old, next) })
}

// DeleteKey implements session.KeyStore.
func (s *recorded) DeleteKey(ctx context.Context, id string) (bool, error) {
	return counted(ctx, s, "DeleteKey", session.Handle{}, func() (bool, error) { return s.Store.DeleteKey(ctx, id) })
}
