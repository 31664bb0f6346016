package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/watchword-dev/watchword/session"
)

const (
	// maxStreams is how many streams are open at a time.
	maxStreams = 64
	// writeTimeout is how long a client may take to read what is written at once.
	writeTimeout = 10 * time.Second
)

// message is one event of a stream.
type message struct {
	name string
	data any
}

// Snapshot is what a stream begins with.
type Snapshot struct {
	Lineage  Lineage   `json:"lineage"`
	Requests []Request `json:"requests"`
	Events   []Event   `json:"events"`
	State    State     `json:"state"`
	Now      *int64    `json:"now"`
}

// cursor is how much of a journal a stream has told.
type cursor struct {
	begun                     bool
	version, requests, events int
	lineage, state            string // as they were told last
}

// Stream tells a client what happens to a session, as server-sent events (HTML standard, section 9.2), until the client hangs up, the session
// has ended, or the lab is closed. It reports false, without an answer, if there are too many streams.
func (l *Lab) Stream(w http.ResponseWriter, r *http.Request, h session.Handle) bool {
	defer l.streams.Add(-1)
	if l.streams.Add(1) > maxStreams {
		return false
	}
	j := l.cfg.Recorder.journal(h)
	j.watched.Add(1)
	defer j.watched.Add(-1)
	if !j.seen() {
		_, _ = l.cfg.Manager.Lookup(r.Context(), h) // the recorder sees the row; without one the stream begins empty
	}
	header := w.Header()
	http.SetCookie(w, j.controlCookie(r.TLS != nil))
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // for proxies that would wait for the end
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		l.stream(&sink{w: w, control: http.NewResponseController(w)}, r, j)
	}
	return true
}

func (l *Lab) stream(out *sink, r *http.Request, j *journal) {
	out.open()
	heartbeat := time.NewTicker(l.cfg.Heartbeat)
	defer heartbeat.Stop()
	var (
		told   cursor
		linger <-chan time.Time // runs when the session has ended
		over   = j.over
	)
	for {
		messages, changed := l.news(j, &told)
		for _, m := range messages {
			out.send(m)
		}
		out.flush()
		if out.err != nil {
			return
		}
		select {
		case <-changed:
		case <-heartbeat.C:
			out.comment()
		case <-over:
			over, linger = nil, time.After(l.cfg.Linger)
		case <-linger:
			return
		case <-r.Context().Done():
			return
		case <-l.closing.Done():
			return
		}
	}
}

// news returns what has changed in a journal since it was last asked for, and what will be closed when there is more.
func (l *Lab) news(j *journal, told *cursor) (messages []message, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	changed = j.changed
	if told.begun && told.version == j.version {
		return nil, changed
	}
	lineage, state := j.lineage.show(j.handle), l.state(j)
	if !told.begun {
		now := l.cfg.Recorder.now()
		messages = []message{{"snapshot", Snapshot{lineage, j.requests.since(0), j.events.since(0), state, ms(now)}}}
	} else {
		// What things are like now comes first, so that what is told of a request can speak of that.
		if text(lineage) != told.lineage {
			messages = append(messages, message{"lineage", lineage})
		}
		if text(state) != told.state {
			messages = append(messages, message{"state", state})
		}
		for _, e := range j.events.since(told.events) {
			messages = append(messages, message{"event", e})
		}
		for _, r := range j.requests.since(told.requests) {
			messages = append(messages, message{"request", r})
		}
	}
	*told = cursor{true, j.version, j.requests.count, j.events.count, text(lineage), text(state)}
	return messages, changed
}

// seen reports whether the session's row was ever seen.
func (j *journal) seen() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lineage.order) > 0
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // every value is one of this package's own
	}
	return string(raw)
}

// sink writes a stream. After the first error it does nothing more.
type sink struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

// open takes the limits off that the server has for the whole of a request; each write gets one of its own.
func (s *sink) open() { s.err = s.control.SetReadDeadline(time.Time{}) }

func (s *sink) send(m message) { s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", m.name, text(m.data))) }

func (s *sink) comment() { s.write(":\n\n") }

func (s *sink) write(text string) {
	if s.err != nil {
		return
	}
	if s.err = s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); s.err == nil {
		_, s.err = s.w.Write([]byte(text))
	}
}

func (s *sink) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}
