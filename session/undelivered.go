package session

import "sync"

// maxUndelivered bounds the memory of hand-outs that nobody got.
const maxUndelivered = 1 << 12

// undelivered counts hand-outs whose outcome the store did not tell, by the refresh token that was presented: nobody was given
// anything. The row counts those that happened all the same, some of them late, when a statement was carried out of which its
// client knew no more. They do not speak of a shadow, but of a store that does not answer.
//
// Each process knows of its own; the row's number is the sum of all.
type undelivered struct {
	mu    sync.Mutex
	times map[Mark]int
}

// note counts a decision that may have been carried out, if the row counts it: with the token presented, or for one that has crossed
// with its own confirmation with the current one.
func (u *undelivered) note(d decision, mark, current Mark) {
	switch {
	case d.action == actNewest:
		mark = current
	case d.action == actMint, d.action == actHandOut && d.counts:
	default:
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.times == nil {
		u.times = map[Mark]int{}
	}
	if _, known := u.times[mark]; !known && len(u.times) >= maxUndelivered {
		for old := range u.times { // any
			delete(u.times, old)
			break
		}
	}
	u.times[mark]++
}

// undeliveredShare is how many times the limit of hand-outs may be forgiven for one token. Some of those that are noted the row has not
// counted, and a thief who brings them about is to be found out all the same, if later.
const undeliveredShare = 4

// of returns how many there were for a token, where limit is that of hand-outs.
func (u *undelivered) of(mark Mark, limit int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return min(u.times[mark], undeliveredShare*limit)
}
