package sessionsim

import (
	"container/heap"
	"time"
)

// epoch is when every run begins.
var epoch = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// scheduler runs events in the order of virtual time, those of one moment in the order in which they were scheduled.
type scheduler struct {
	now   time.Duration // since epoch
	count uint64
	queue events
}

type event struct {
	at    time.Duration
	count uint64
	do    func()
}

func (s *scheduler) after(d time.Duration, do func()) {
	s.count++
	heap.Push(&s.queue, event{s.now + d, s.count, do})
}

// next runs the earliest event and reports whether there was one.
func (s *scheduler) next() bool {
	if len(s.queue) == 0 {
		return false
	}
	e := heap.Pop(&s.queue).(event)
	s.now = e.at
	e.do()
	return true
}

// events is a heap.
type events []event

func (q events) Len() int      { return len(q) }
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].count < q[j].count
}
func (q *events) Push(e any) { *q = append(*q, e.(event)) }
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}
