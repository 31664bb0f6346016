package limit

import (
	"context"
	"sync"
	"time"
)

// Memory is a Store in memory. Make one with NewMemory.
type Memory struct {
	clock func() time.Time

	mu    sync.Mutex
	empty map[Key]time.Time // when the bucket will be empty
}

// NewMemory makes an empty Memory. Its clock is time.Now if clock is nil.
func NewMemory(clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{clock: clock, empty: map[Key]time.Time{}}
}

// Take implements Store.
func (m *Memory) Take(_ context.Context, key Key, rate Rate) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	empty := now
	if at := m.empty[key]; at.After(now) {
		empty = at
	}
	// A clock that was set back must not lock anybody out for longer than a full bucket does.
	if full := now.Add(rate.full()); empty.After(full) {
		empty = full
	}
	next := empty.Add(rate.Every)
	if wait := next.Sub(now) - rate.full(); wait > 0 {
		m.empty[key] = empty
		return wait, nil
	}
	m.empty[key] = next
	return 0, nil
}

// GiveBack implements Store.
func (m *Memory) GiveBack(_ context.Context, key Key, rate Rate) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, known := m.empty[key]; known {
		m.empty[key] = at.Add(-rate.Every)
	}
	return nil
}

// Clean implements Store.
func (m *Memory) Clean(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	for key, at := range m.empty {
		if !at.After(now) {
			delete(m.empty, key)
		}
	}
	return nil
}
