package memstore

import (
	"bytes"
	"slices"

	"github.com/watchword-dev/watchword/session"
)

// index finds entries by handle, and those of a user.
type index[T any] struct {
	byHandle map[session.Handle]*T
	byUser   map[string]map[session.Handle]*T
}

func newIndex[T any]() index[T] {
	return index[T]{byHandle: map[session.Handle]*T{}, byUser: map[string]map[session.Handle]*T{}}
}

func (x index[T]) add(h session.Handle, userID string, entry *T) {
	x.byHandle[h] = entry
	if x.byUser[userID] == nil {
		x.byUser[userID] = map[session.Handle]*T{}
	}
	x.byUser[userID][h] = entry
}

func (x index[T]) remove(h session.Handle, userID string) {
	delete(x.byHandle, h)
	delete(x.byUser[userID], h)
	if len(x.byUser[userID]) == 0 {
		delete(x.byUser, userID)
	}
}

// some returns up to limit entries for which f holds, ordered by handle: while there are not more than that, which is so in
// every simulation, the same calls have the same effects in the same order.
func some[T any](from map[session.Handle]*T, limit int, f func(*T) bool) []*T {
	var handles []session.Handle
	for h, entry := range from {
		if len(handles) >= limit {
			break
		}
		if f(entry) {
			handles = append(handles, h)
		}
	}
	slices.SortFunc(handles, compare)
	entries := make([]*T, len(handles))
	for i, h := range handles {
		entries[i] = from[h]
	}
	return entries
}

func compare(a, b session.Handle) int { return bytes.Compare(a[:], b[:]) }

// first returns the first limit elements of a list.
func first[T any](list []T, limit int) []T { return list[:min(len(list), max(limit, 0))] }
