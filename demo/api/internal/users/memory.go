package users

import (
	"context"
	"sync"
)

// Memory is a Directory in memory. Make one with NewMemory.
type Memory struct {
	mu     sync.Mutex
	hashes map[string]string
}

// NewMemory makes an empty Memory.
func NewMemory() *Memory { return &Memory{hashes: map[string]string{}} }

// Add implements Directory.
func (m *Memory) Add(_ context.Context, userID, hash string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.hashes[userID]; taken {
		return ErrTaken
	}
	m.hashes[userID] = hash
	return nil
}

// Hash implements Directory.
func (m *Memory) Hash(_ context.Context, userID string) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hash, found := m.hashes[userID]
	return hash, found, nil
}

// Replace implements Directory.
func (m *Memory) Replace(_ context.Context, userID, old, next string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if hash, found := m.hashes[userID]; !found || hash != old {
		return false, nil
	}
	m.hashes[userID] = next
	return true, nil
}
