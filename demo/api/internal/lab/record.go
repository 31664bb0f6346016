package lab

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/watchword-dev/watchword/session"
)

// thiefHeader says which of the lab's thieves a request comes from. Its value is drawn at random, and known to nobody else.
const thiefHeader = "Lab-Client"

// maxAgent is how much of a user agent is looked at, in bytes.
const maxAgent = 256

// Record writes down requests that concern a session: whose they are, what they ask of the store, and what they are answered. It also
// throws away the answer that Lose was called for.
func (l *Lab) Record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent := r.UserAgent()
		t := &trace{thief: l.thiefOf(r.Header.Get(thiefHeader)), agent: agent[:min(len(agent), maxAgent)]}
		t.access, t.refresh = held(l.contract, r.Header)
		lost := l.loses(r, t)
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		body := &beginning{}
		ww.Tee(body)
		if lost {
			ww.Discard()
		}
		began, arrived := time.Now(), l.cfg.Recorder.clock()
		r = r.WithContext(withTrace(r.Context(), t))
		next.ServeHTTP(ww, r)
		l.note(t, Request{
			At: ms(l.cfg.Recorder.storeTime(arrived)), Method: r.Method, Path: chi.RouteContext(r.Context()).RoutePattern(),
			Status: ww.Status(), Lost: lost,
		}, time.Since(began), ww.Header(), body.text)
		if lost {
			hangUp(w)
		}
	})
}

// loses reports whether the answer to a request is to be thrown away, which happens once.
func (l *Lab) loses(r *http.Request, t *trace) (lost bool) {
	if r.URL.Path != l.contract.RefreshPath() {
		return false
	}
	for _, mark := range t.refresh {
		if j := l.cfg.Recorder.ofMark(mark); j != nil {
			j.change(func() {
				if j.loseNext && j.client(t) == you {
					lost, j.loseNext = true, false
				}
			})
		}
	}
	return lost
}

// hangUp breaks the answer off after its first byte. Had it none, browsers would take a connection that they had kept for one that was closed
// meanwhile, and repeat the request by themselves: nobody would see anything of the loss.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_, _ = io.WriteString(conn, "H")
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler) // which cuts connections that cannot be hijacked, and tells the log
}

// note writes a request down in the journal of each session that it concerns: those whose tokens it presents, and those that it has touched.
func (l *Lab) note(t *trace, shown Request, took time.Duration, answer http.Header, body []byte) {
	statements, touched, watching := t.seen()
	shown.Statements = statements
	shown.MS = float64((took - watching).Microseconds()) / 1000
	shown.Verdict, shown.Reason = verdict(shown.Status, body)
	if shown.Lost {
		shown.Status = 0
	}
	access, refresh := held(l.contract, asRequest(answer))
	now := l.cfg.Recorder.now()
	for _, j := range l.concerned(t, touched) {
		j.change(func() {
			shown.Client = j.client(t)
			if !shown.Lost {
				l.deliver(j, t, shown.Client, access, refresh, takesAway(answer), now)
			}
			shown.ID = j.requests.count + 1
			j.requests.add(shown)
		})
	}
}

// concerned returns the journals of the sessions that a request has to do with.
func (l *Lab) concerned(t *trace, touched []session.Handle) []*journal {
	var journals []*journal
	add := func(j *journal) {
		if j != nil && !slices.Contains(journals, j) {
			journals = append(journals, j)
		}
	}
	for _, h := range touched {
		add(l.cfg.Recorder.known(h))
	}
	for _, mark := range t.refresh {
		add(l.cfg.Recorder.ofMark(mark))
	}
	for _, token := range t.access {
		if j := l.cfg.Recorder.known(token.handle); j != nil && j.knows(token.mark) {
			add(j)
		}
	}
	return journals
}

// deliver notes what an answer brings its client, in a journal that is locked.
func (l *Lab) deliver(j *journal, t *trace, client string, access []claims, refresh []session.Mark, takenAway bool, now time.Time) {
	if !j.owns(t) {
		return
	}
	lineage := &j.lineage
	var presented session.Mark
	for _, mark := range t.refresh {
		if lineage.nodes[mark] != nil {
			presented = mark
			lineage.had(client, mark)
		}
	}
	for _, token := range t.access {
		if token.handle == j.handle && lineage.nodes[token.mark] != nil {
			lineage.had(client, token.mark)
		}
	}
	if takenAway {
		lineage.drop(client)
	}
	for _, token := range access {
		if token.handle != j.handle { // those of another session take their place in the jar
			lineage.drop(client)
			continue
		}
		lineage.access[client] = accessToken{mark: token.mark, issued: token.issued, expires: l.cfg.Recorder.storeTime(token.expires)}
	}
	for _, mark := range refresh {
		if lineage.nodes[mark] != nil {
			lineage.arrive(presented, mark, now, client)
		}
	}
}

// verdict is what an answer says: "ok", or an error's code, and why the session has ended.
func verdict(status int, body []byte) (code string, reason *string) {
	if status < http.StatusBadRequest {
		return "ok", nil
	}
	var said struct {
		Error  string  `json:"error"`
		Reason *string `json:"reason"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error == "" {
		return "error", nil
	}
	return said.Error, said.Reason
}

// beginning keeps the first bytes of an answer's body, as much as an error needs.
type beginning struct{ text []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), 512-len(b.text))]...)
	return len(p), nil
}
