package server

import (
	"crypto/rand"
	"errors"
	"net/http"
	"sync"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// maxCopies bounds the thief's memory.
const maxCopies = 64

// thiefAgent is the thief's user agent, so that the lists of sessions and endings tell the two apart.
const thiefAgent = "Thief/1.0 (the demo's drill)"

// drill plays a thief for the page: it copies the refresh token out of a request, as malware in the browser or a leaky
// log would, and presents the copy later as a client of its own, whose answers go to nobody. It is for demonstration on
// a loopback address. The page itself cannot do it, since the cookie is HttpOnly.
type drill struct {
	manager  *session.Manager
	contract *wire.Contract

	mu     sync.Mutex
	copies map[string]string // refresh token by the copy's name
	names  []string          // oldest first
}

func newDrill(manager *session.Manager, contract *wire.Contract) *drill {
	return &drill{manager: manager, contract: contract, copies: map[string]string{}}
}

// serve answers {"action":"copy"} with {"copy":"<name>"}, and {"action":"replay","copy":"<name>"} with the status and
// body that the thief gets at the refresh endpoint: {"status":401,"error":"token_theft","reason":"theft"}.
func (d *drill) serve(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Action string `json:"action"`
		Copy   string `json:"copy"`
	}
	if !decode(w, r, &order) {
		return
	}
	switch order.Action {
	case "copy":
		cred, err := d.contract.Read(r.Header)
		tokens := d.manager.RankRefreshTokens(r.Context(), cred.Refresh)
		if err != nil || len(tokens) == 0 {
			fail(w, http.StatusConflict, "no_refresh_token")
			return
		}
		respond(w, http.StatusOK, struct {
			Copy string `json:"copy"`
		}{d.keep(tokens[0])})
	case "replay":
		token, ok := d.token(order.Copy)
		if !ok {
			fail(w, http.StatusNotFound, "unknown_copy")
			return
		}
		d.replay(w, r, token)
	default:
		fail(w, http.StatusBadRequest, "invalid_request")
	}
}

func (d *drill) replay(w http.ResponseWriter, r *http.Request, token string) {
	got := struct {
		Status int    `json:"status"`
		Error  string `json:"error,omitempty"`
		Reason string `json:"reason,omitempty"`
	}{Status: http.StatusOK}
	thief := d.contract.Device(r.RemoteAddr, r.Header)
	thief.UserAgent = thiefAgent
	_, _, err := d.manager.Refresh(r.Context(), token, session.RefreshOptions{Device: thief})
	if errors.Is(err, session.ErrUnavailable) {
		failure := d.contract.Failure(err)
		fail(w, failure.Status, failure.Code) // the drill itself has failed
		return
	}
	if err != nil {
		failure := d.contract.Failure(err)
		got.Status, got.Error, got.Reason = failure.Status, failure.Code, failure.Reason
	}
	respond(w, http.StatusOK, got)
}

func (d *drill) keep(token string) (name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.names) == maxCopies {
		delete(d.copies, d.names[0])
		d.names = d.names[1:]
	}
	name = rand.Text()
	d.copies[name] = token
	d.names = append(d.names, name)
	return name
}

func (d *drill) token(name string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	token, ok := d.copies[name]
	return token, ok
}
