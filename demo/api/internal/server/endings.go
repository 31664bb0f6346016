package server

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// ending is how one of the user's sessions ended.
type ending struct {
	Handle    session.Handle `json:"handle"`
	Reason    session.Reason `json:"reason"`
	EndedAt   time.Time      `json:"endedAt"`
	CreatedAt time.Time      `json:"createdAt"`
	device
	Label string `json:"label"`
	Theft *theft `json:"theft,omitempty"`
}

// theft is what is known of a theft. The presenter may be the owner, if it was the thief who had used the newer token.
type theft struct {
	Kind          session.TheftKind `json:"kind"`
	Generations   int               `json:"generations"`
	SinceRotation int64             `json:"millisecondsSinceRotation"`
	Device        device            `json:"device"`
	Presenter     device            `json:"presenter"`
}

// endings shows a page of how the user's sessions ended, newest first.
func (a *api) endings(w http.ResponseWriter, r *http.Request) {
	limit, before, ok := readPage(w, r, parseCursor)
	if !ok {
		return
	}
	before.Limit = limit + 1
	list, err := a.manager.Endings(r.Context(), current(r).UserID(), before)
	if err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	list, more := cut(list, limit)
	answer := struct {
		Endings []ending `json:"endings"`
		Next    string   `json:"next,omitempty"`
	}{Endings: make([]ending, len(list))}
	for i, e := range list {
		shown := ending{
			Handle: e.Handle, Reason: e.Reason, EndedAt: e.EndedAt, CreatedAt: e.CreatedAt,
			device: device(e.Device), Label: e.Label,
		}
		if e.Theft != nil {
			shown.Theft = &theft{
				Kind: e.Theft.Kind, Generations: e.Theft.Generations, SinceRotation: e.Theft.SinceRotation.Milliseconds(),
				Device: device(e.Theft.Device), Presenter: device(e.Theft.Presenter),
			}
		}
		answer.Endings[i] = shown
		if more {
			answer.Next = cursor(e)
		}
	}
	respond(w, http.StatusOK, answer)
}

// cursor names an entry of the list, which is ordered by the time of the end and only then by handle.
func cursor(e session.Ending) string { return fmt.Sprintf("%d.%v", e.EndedAt.UnixMicro(), e.Handle) }

// parseCursor reads what cursor has written, and no other spelling of it.
func parseCursor(text string) (session.EndingsPage, error) {
	moment, name, _ := strings.Cut(text, ".")
	micros, err := strconv.ParseInt(moment, 10, 64)
	if err != nil {
		return session.EndingsPage{}, err
	}
	handle, err := parseHandle(name)
	if err != nil {
		return session.EndingsPage{}, err
	}
	e := session.Ending{Handle: handle, EndedAt: time.UnixMicro(micros).UTC()}
	if micros <= 0 || cursor(e) != text {
		return session.EndingsPage{}, errors.New("not a cursor")
	}
	return session.EndingsPage{EndedAt: e.EndedAt, Handle: handle}, nil
}
