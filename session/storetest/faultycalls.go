package storetest

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// two is an answer of two values.
type two[A, B any] struct {
	a A
	b B
}

func pair[A, B any](a A, b B, err error) (two[A, B], error) { return two[A, B]{a, b}, err }

func (t two[A, B]) split(err error) (A, B, error) { return t.a, t.b, err }

// nothing is the answer of a call that has only an error.
type nothing struct{}

// Insert implements session.LiveStore.
func (f *FaultyStore) Insert(ctx context.Context, row session.NewRow) error {
	_, err := through(ctx, f, "Insert", func(ctx context.Context) (nothing, error) {
		return nothing{}, f.store.Insert(ctx, row)
	})
	return err
}

// Get implements session.LiveStore.
func (f *FaultyStore) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	answer, err := through(ctx, f, "Get", func(ctx context.Context) (two[session.Row, time.Time], error) {
		return pair(f.store.Get(ctx, h))
	})
	return answer.split(err)
}

// Confirm implements session.LiveStore.
func (f *FaultyStore) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	return through(ctx, f, "Confirm", func(ctx context.Context) (bool, error) {
		return f.store.Confirm(ctx, h, pending, next, renewal)
	})
}

// HandOut implements session.LiveStore.
func (f *FaultyStore) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	return through(ctx, f, "HandOut", func(ctx context.Context) (bool, error) {
		return f.store.HandOut(ctx, h, current, pending, counts, renewal)
	})
}

// Mint implements session.LiveStore.
func (f *FaultyStore) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	return through(ctx, f, "Mint", func(ctx context.Context) (bool, error) {
		return f.store.Mint(ctx, h, current, pending, handedAt, next, renewal)
	})
}

// List implements session.LiveStore.
func (f *FaultyStore) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	return through(ctx, f, "List", func(ctx context.Context) ([]session.Row, error) { return f.store.List(ctx, userID, page) })
}

// SetPayload implements session.LiveStore.
func (f *FaultyStore) SetPayload(ctx context.Context, h session.Handle, payload []byte) (bool, error) {
	return through(ctx, f, "SetPayload", func(ctx context.Context) (bool, error) { return f.store.SetPayload(ctx, h, payload) })
}

// SetLabel implements session.LiveStore.
func (f *FaultyStore) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	return through(ctx, f, "SetLabel", func(ctx context.Context) (bool, error) { return f.store.SetLabel(ctx, h, label) })
}

// Data implements session.LiveStore.
func (f *FaultyStore) Data(ctx context.Context, h session.Handle) ([]byte, session.Version, error) {
	answer, err := through(ctx, f, "Data", func(ctx context.Context) (two[[]byte, session.Version], error) {
		return pair(f.store.Data(ctx, h))
	})
	return answer.split(err)
}

// SetData implements session.LiveStore.
func (f *FaultyStore) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	return through(ctx, f, "SetData", func(ctx context.Context) (bool, error) { return f.store.SetData(ctx, h, old, next, data) })
}

// End implements session.EndingStore.
func (f *FaultyStore) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	return through(ctx, f, "End", func(ctx context.Context) (bool, error) { return f.store.End(ctx, h, end) })
}

// EndUser implements session.EndingStore.
func (f *FaultyStore) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	return through(ctx, f, "EndUser", func(ctx context.Context) (int, error) {
		return f.store.EndUser(ctx, userID, keep, end, limit)
	})
}

// EndAll implements session.EndingStore.
func (f *FaultyStore) EndAll(ctx context.Context, before time.Time, end session.End, limit int) ([]session.Ended, error) {
	return through(ctx, f, "EndAll", func(ctx context.Context) ([]session.Ended, error) {
		return f.store.EndAll(ctx, before, end, limit)
	})
}

// EndExpired implements session.EndingStore.
func (f *FaultyStore) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	return through(ctx, f, "EndExpired", func(ctx context.Context) ([]session.Ended, error) {
		return f.store.EndExpired(ctx, h, absolute, id, limit)
	})
}

// Ending implements session.EndingStore.
func (f *FaultyStore) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	return through(ctx, f, "Ending", func(ctx context.Context) (session.Ended, error) { return f.store.Ending(ctx, h) })
}

// Endings implements session.EndingStore.
func (f *FaultyStore) Endings(ctx context.Context, userID string, page session.EndingsPage) ([]session.Ended, error) {
	return through(ctx, f, "Endings", func(ctx context.Context) ([]session.Ended, error) {
		return f.store.Endings(ctx, userID, page)
	})
}

// Purge implements session.EndingStore.
func (f *FaultyStore) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return through(ctx, f, "Purge", func(ctx context.Context) (int, error) {
		return f.store.Purge(ctx, endings, revocations, limit)
	})
}

// Publish implements session.FeedStore.
func (f *FaultyStore) Publish(ctx context.Context, r session.Revocation) error {
	_, err := through(ctx, f, "Publish", func(ctx context.Context) (nothing, error) {
		return nothing{}, f.store.Publish(ctx, r)
	})
	return err
}

// Revocations implements session.FeedStore.
func (f *FaultyStore) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	answer, err := through(ctx, f, "Revocations", func(ctx context.Context) (two[[]session.Revocation, time.Time], error) {
		return pair(f.store.Revocations(ctx, since, limit))
	})
	return answer.split(err)
}

// Keys implements session.KeyStore.
func (f *FaultyStore) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	answer, err := through(ctx, f, "Keys", func(ctx context.Context) (two[[]session.Key, time.Time], error) {
		return pair(f.store.Keys(ctx))
	})
	return answer.split(err)
}

// InsertKey implements session.KeyStore.
func (f *FaultyStore) InsertKey(ctx context.Context, key session.Key) error {
	_, err := through(ctx, f, "InsertKey", func(ctx context.Context) (nothing, error) {
		return nothing{}, f.store.InsertKey(ctx, key)
	})
	return err
}

// RetireKey implements session.KeyStore.
func (f *FaultyStore) RetireKey(ctx context.Context, id string) (bool, error) {
	return through(ctx, f, "RetireKey", func(ctx context.Context) (bool, error) { return f.store.RetireKey(ctx, id) })
}

// SetKeyMaterial implements session.KeyStore.
func (f *FaultyStore) SetKeyMaterial(ctx context.Context, id string, old, next []byte) (bool, error) {
	return through(ctx, f, "SetKeyMaterial", func(ctx context.Context) (bool, error) {
		return f.store.SetKeyMaterial(ctx, id, old, next)
	})
}

// DeleteKey implements session.KeyStore.
func (f *FaultyStore) DeleteKey(ctx context.Context, id string) (bool, error) {
	return through(ctx, f, "DeleteKey", func(ctx context.Context) (bool, error) { return f.store.DeleteKey(ctx, id) })
}
