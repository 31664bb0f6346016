package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/watchword-dev/watchword/demo/api/internal/lab"
	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/session"
)

// labRate bounds the calls to the lab, all sessions together.
var labRate = limit.Rate{Every: 50 * time.Millisecond, Burst: 20}

// defaultOutage is how long an outage lasts that nobody says it of.
const defaultOutage = 30 * time.Second

// labRoutes are for the front end's lab. Each concerns the session of the request alone, but for the outage and the keys.
func (a *api) labRoutes(r chi.Router) {
	r.Use(local, lab.Aside)
	r.With(a.labSession).Get("/lab/stream", a.labStream)
	r.Group(func(r chi.Router) {
		r.Use(atMost(limit.NewMemory(nil), labRate))
		r.Post("/lab/outage", a.labOutage)
		r.Group(func(r chi.Router) {
			r.Use(a.labSession)
			// Below the refresh endpoint, since that is where browsers send the refresh cookie.
			r.Post(a.refreshRoute()+"/lab/copy", a.labCopy)
			r.Post("/lab/thief", a.labThief)
			r.Post("/lab/lose", a.labLose)
			r.Post("/lab/revoke", a.labRevoke)
			r.Post("/lab/rotate", a.labRotate)
		})
	})
}

func (a *api) labStream(w http.ResponseWriter, r *http.Request) {
	if !a.cfg.Lab.Stream(w, r, labHandle(r)) {
		failUntil(w, http.StatusServiceUnavailable, "busy", 2*time.Second)
	}
}

func (a *api) labCopy(w http.ResponseWriter, r *http.Request) {
	name, err := a.cfg.Lab.Copy(r, labHandle(r))
	if err != nil {
		a.labFail(w, r, err)
		return
	}
	respond(w, http.StatusOK, struct {
		Thief string `json:"thief"`
	}{name})
}

func (a *api) labThief(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Thief    string `json:"thief"`
		Strategy string `json:"strategy"`
	}
	if !decode(w, r, &order) {
		return
	}
	switch order.Strategy {
	case lab.Refresh, lab.Use, lab.Shadow, lab.Wait:
	default:
		fail(w, http.StatusBadRequest, "invalid_request")
		return
	}
	reply, err := a.cfg.Lab.Send(r.Context(), labHandle(r), order.Thief, order.Strategy)
	if err != nil {
		a.labFail(w, r, err)
		return
	}
	respond(w, http.StatusOK, reply)
}

func (a *api) labLose(w http.ResponseWriter, r *http.Request) {
	a.cfg.Lab.Lose(labHandle(r))
	respond(w, http.StatusOK, struct{}{})
}

func (a *api) labRevoke(w http.ResponseWriter, r *http.Request) {
	if err := a.cfg.Lab.Revoke(r.Context(), labHandle(r)); err != nil {
		a.labFail(w, r, err)
		return
	}
	respond(w, http.StatusOK, struct{}{})
}

func (a *api) labRotate(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Purpose     session.KeyPurpose `json:"purpose"`
		Compromised bool               `json:"compromised"`
	}
	if !decode(w, r, &order) {
		return
	}
	if order.Purpose != session.PurposeAccess && order.Purpose != session.PurposeRefresh {
		fail(w, http.StatusBadRequest, "invalid_request")
		return
	}
	if err := a.cfg.Lab.Rotate(r.Context(), order.Purpose, order.Compromised); err != nil {
		a.labFail(w, r, err)
		return
	}
	respond(w, http.StatusOK, struct{}{})
}

// labOutage has the store go away for a while, which needs a session, or come back, which needs none: by then there may be no way to get one.
func (a *api) labOutage(w http.ResponseWriter, r *http.Request) {
	var order struct {
		On      bool `json:"on"`
		Seconds *int `json:"seconds"`
	}
	if !decode(w, r, &order) {
		return
	}
	var answer struct {
		Until *int64 `json:"until"` // null: there is none
	}
	if !order.On {
		a.cfg.Lab.EndOutage()
		respond(w, http.StatusOK, answer)
		return
	}
	length := defaultOutage
	if order.Seconds != nil {
		if *order.Seconds < 1 || *order.Seconds > int(lab.MaxOutage/time.Second) {
			fail(w, http.StatusBadRequest, "invalid_request")
			return
		}
		length = time.Duration(*order.Seconds) * time.Second
	}
	if _, err := a.labVerify(w, r); err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	until := a.cfg.Lab.BeginOutage(length)
	answer.Until = &until
	respond(w, http.StatusOK, answer)
}

// labFail answers an error of the lab's, or of the library.
func (a *api) labFail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, lab.ErrNoToken):
		fail(w, http.StatusConflict, "no_refresh_token")
	case errors.Is(err, lab.ErrUnknownThief):
		fail(w, http.StatusNotFound, "unknown_thief")
	case errors.Is(err, lab.ErrBusyThief):
		fail(w, http.StatusConflict, "thief_busy")
	case errors.Is(err, lab.ErrUnreachable):
		fail(w, http.StatusBadGateway, "unreachable")
	default:
		a.sessions.WriteError(w, r, err)
	}
}
