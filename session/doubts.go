package session

import "sync"

// maxDoubts bounds the memory of doubts.
const maxDoubts = 1024

// doubts remembers the users of whom an attempt at ending sessions had no answer, for the repetition of the call.
type doubts struct {
	mu    sync.Mutex
	users map[string]struct{}
}

// settle notes a doubt, and reports whether there is one about the user, now that a call has succeeded.
func (d *doubts) settle(userID string, doubtful, succeeded bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.users[userID]; known {
		doubtful = true
	}
	switch {
	case succeeded:
		delete(d.users, userID)
	case doubtful && len(d.users) < maxDoubts:
		if d.users == nil {
			d.users = map[string]struct{}{}
		}
		d.users[userID] = struct{}{}
	}
	return doubtful && succeeded
}
