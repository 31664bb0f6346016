package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/session"
)

// labSession is Require for the lab: a browser whose access token has expired goes on with its control cookie. The handler finds the session's
// handle with labHandle.
func (a *api) labSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle, err := a.labVerify(w, r)
		if err != nil {
			a.sessions.WriteError(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), labKey{}, handle)))
	})
}

type labKey struct{}

func labHandle(r *http.Request) session.Handle {
	handle, ok := r.Context().Value(labKey{}).(session.Handle)
	if !ok {
		panic("server: a route of the lab is not behind labSession")
	}
	return handle
}

func (a *api) labVerify(w http.ResponseWriter, r *http.Request) (session.Handle, error) {
	verified, err := a.sessions.Verify(w, r)
	if err == nil {
		return verified.Handle(), nil
	}
	if handle, ok := a.cfg.Lab.Controls(r); ok && !errors.Is(err, session.ErrAntiCSRF) {
		return handle, nil
	}
	return session.Handle{}, err
}

// local lets nobody in but pages of this machine's own. Others are those of a name that has been pointed here (DNS rebinding), of whoever comes
// through a proxy, and of other servers on this machine, which are the same site to cookies.
func local(next http.Handler) http.Handler {
	csrf := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if !strings.EqualFold(host, "localhost") && (err != nil || !ip.Unmap().IsLoopback()) || csrf.Check(r) != nil {
			fail(w, http.StatusForbidden, "forbidden")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// atMost bounds how often the routes behind it are called, by everybody together.
func atMost(calls *limit.Memory, rate limit.Rate) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wait, err := calls.Take(r.Context(), limit.NewKey("lab", ""), rate); err != nil || wait > 0 {
				failUntil(w, http.StatusTooManyRequests, "too_many_requests", wait)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
