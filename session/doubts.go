package session

import "sync"

// maxDoubts bounds the memory of doubts.
const maxDoubts = 1024

// doubts remembers the users of whom an attempt at ending sessions had no answer, for the repetition of the call.
type doubts struct {
	mu    sync.Mutex
	users map[string]struct{}
}

// about reports whether there is a doubt about a user.
func (d *doubts) about(userID string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, doubtful := d.users[userID]
	return doubtful
}

// note says whether there is one from now on.
func (d *doubts) note(userID string, doubtful bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !doubtful:
		delete(d.users, userID)
	case len(d.users) < maxDoubts:
		if d.users == nil {
			d.users = map[string]struct{}{}
		}
		d.users[userID] = struct{}{}
	}
}
