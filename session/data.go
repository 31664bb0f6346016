package session

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Data is what the application keeps with a session in the store.
type Data struct {
	Raw     json.RawMessage // the bytes as they were given
	Version Version
}

// Unmarshal decodes the data into v, as json.Unmarshal does.
func (d Data) Unmarshal(v any) error { return json.Unmarshal(d.Raw, v) }

// Data reads a session's data. ErrUnauthorised: there is no such session (any more).
func (m *Manager) Data(ctx context.Context, h Handle) (_ Data, err error) {
	ctx, done := m.begin(ctx, OpData)
	defer func() { done(err) }()
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	return m.readData(ctx, h)
}

func (m *Manager) readData(ctx context.Context, h Handle) (Data, error) {
	raw, version, err := m.store.Data(ctx, h)
	if errors.Is(err, ErrNotFound) {
		return Data{}, ErrUnauthorised
	}
	if err != nil {
		return Data{}, fmt.Errorf("read session data: %w", err)
	}
	return Data{Raw: raw, Version: version}, nil
}

// SetData replaces a session's data, whatever it is, and returns the new version. Of two at once the later one wins;
// UpdateData is for those who have read first. v is as in CreateOptions.Data.
//
// The errors match ErrUnauthorised, ErrInvalidJSON, ErrTooLarge or ErrUnavailable.
func (m *Manager) SetData(ctx context.Context, h Handle, v any) (Version, error) {
	return m.writeData(ctx, h, 0, v)
}

// UpdateData replaces a session's data if its version is still the one that the caller has read, and returns the new
// version. ErrConflict: it is not, nothing was changed; read again. The other errors are those of SetData; after
// ErrUnavailable it is not known whether the data was replaced.
func (m *Manager) UpdateData(ctx context.Context, h Handle, old Version, v any) (Version, error) {
	if old == 0 {
		return 0, ErrConflict // no data has this version: the caller has read none
	}
	return m.writeData(ctx, h, old, v)
}

// writeData replaces the data where its version is old, or whatever it is if old is zero.
func (m *Manager) writeData(ctx context.Context, h Handle, old Version, v any) (_ Version, err error) {
	ctx, done := m.begin(ctx, OpSetData)
	defer func() { done(err) }()
	raw, err := m.encodeData(v)
	if err != nil {
		return 0, err
	}
	next, err := m.newVersion()
	if err != nil {
		return 0, fmt.Errorf("update session data: %w", err)
	}
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	changed, err := m.store.SetData(ctx, h, old, next, raw)
	lost := errors.Is(err, ErrUnavailable) && ctx.Err() == nil
	if err == nil && changed {
		return next, nil
	}
	if err != nil && !lost {
		return 0, fmt.Errorf("update session data: %w", err)
	}
	now, err := m.readData(ctx, h)
	switch {
	case err != nil:
		return 0, err
	case !lost:
		return 0, ErrConflict
	case now.Version == next:
		return next, nil // it happened, and only the answer was lost
	case now.Version == old:
		if changed, err = m.store.SetData(ctx, h, old, next, raw); err == nil && changed {
			return next, nil
		}
	}
	// Somebody else has written, before or after: to write again could undo it.
	return 0, fmt.Errorf("update session data: %w: its outcome is unknown", ErrUnavailable)
}

// newVersion draws a version that was never used before, so that a writer recognises its own write.
func (m *Manager) newVersion() (Version, error) {
	var b [8]byte
	if _, err := io.ReadFull(m.cfg.Random, b[:]); err != nil {
		return 0, fmt.Errorf("read randomness: %w", err)
	}
	return Version(binary.BigEndian.Uint64(b[:])>>1 | 1), nil
}
