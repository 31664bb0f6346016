package otelsession

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Store returns a store that is measured. It is a session.Elector if the one given is; what else that can do beside being a
// session.Store is to be asked of itself.
func (t *Telemetry) Store(inner session.Store) session.Store {
	s := &store{inner: inner, calls: t.calls}
	if elector, ok := inner.(session.Elector); ok {
		return &electingStore{store: s, elector: elector}
	}
	return s
}

// Lister is Store for session.Config.Lists.
func (t *Telemetry) Lister(inner session.Lister) session.Lister {
	return &lister{inner: inner, calls: t.calls}
}

// store has no embedded session.Store, so that a method which that gains does not go by unmeasured.
type store struct {
	inner session.Store
	calls map[string]*call
}

// Insert implements session.LiveStore.
func (s *store) Insert(ctx context.Context, row session.NewRow) (err error) {
	ctx, done := s.calls["Insert"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Insert(ctx, row)
}

// Get implements session.LiveStore.
func (s *store) Get(ctx context.Context, h session.Handle) (row session.Row, now time.Time, err error) {
	ctx, done := s.calls["Get"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Get(ctx, h)
}

// Confirm implements session.LiveStore.
func (s *store) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (ok bool, err error) {
	ctx, done := s.calls["Confirm"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Confirm(ctx, h, pending, next, renewal)
}

// HandOut implements session.LiveStore.
func (s *store) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (ok bool, err error) {
	ctx, done := s.calls["HandOut"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.HandOut(ctx, h, current, pending, counts, renewal)
}

// Mint implements session.LiveStore.
func (s *store) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (ok bool, err error) {
	ctx, done := s.calls["Mint"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Mint(ctx, h, current, pending, handedAt, next, renewal)
}

// List implements session.LiveStore.
func (s *store) List(ctx context.Context, userID string, page session.Page) (rows []session.Row, err error) {
	ctx, done := s.calls["List"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.List(ctx, userID, page)
}

// SetPayload implements session.LiveStore.
func (s *store) SetPayload(ctx context.Context, h session.Handle, payload []byte) (ok bool, err error) {
	ctx, done := s.calls["SetPayload"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.SetPayload(ctx, h, payload)
}

// SetLabel implements session.LiveStore.
func (s *store) SetLabel(ctx context.Context, h session.Handle, label string) (ok bool, err error) {
	ctx, done := s.calls["SetLabel"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.SetLabel(ctx, h, label)
}

// Data implements session.LiveStore.
func (s *store) Data(ctx context.Context, h session.Handle) (data []byte, version session.Version, err error) {
	ctx, done := s.calls["Data"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Data(ctx, h)
}

// SetData implements session.LiveStore.
func (s *store) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (ok bool, err error) {
	ctx, done := s.calls["SetData"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.SetData(ctx, h, old, next, data)
}

// Publish implements session.FeedStore.
func (s *store) Publish(ctx context.Context, r session.Revocation) (err error) {
	ctx, done := s.calls["Publish"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Publish(ctx, r)
}

// Revocations implements session.FeedStore.
func (s *store) Revocations(ctx context.Context, since time.Time, limit int) (entries []session.Revocation, now time.Time, err error) {
	ctx, done := s.calls["Revocations"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Revocations(ctx, since, limit)
}

// Keys implements session.KeyStore.
func (s *store) Keys(ctx context.Context) (keys []session.Key, now time.Time, err error) {
	ctx, done := s.calls["Keys"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Keys(ctx)
}

// InsertKey implements session.KeyStore.
func (s *store) InsertKey(ctx context.Context, key session.Key) (err error) {
	ctx, done := s.calls["InsertKey"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.InsertKey(ctx, key)
}

// RetireKey implements session.KeyStore.
func (s *store) RetireKey(ctx context.Context, id string) (ok bool, err error) {
	ctx, done := s.calls["RetireKey"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.RetireKey(ctx, id)
}

// SetKeyMaterial implements session.KeyStore.
func (s *store) SetKeyMaterial(ctx context.Context, id string, old, next []byte) (ok bool, err error) {
	ctx, done := s.calls["SetKeyMaterial"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.SetKeyMaterial(ctx, id, old, next)
}

// DeleteKey implements session.KeyStore.
func (s *store) DeleteKey(ctx context.Context, id string) (ok bool, err error) {
	ctx, done := s.calls["DeleteKey"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.DeleteKey(ctx, id)
}
