package lab

import (
	"crypto/rand"
	"net/http"

	"github.com/watchword-dev/watchword/session"
)

// controlName is the cookie by which a browser goes on to control the lab of its session when its access token has expired. It has no power over
// anything but the lab. Without it each click would make the browser refresh first, and so change what the click is about.
const controlName = "labControl"

// controlCookie is given out with the stream of a session, which needs an access token at first.
func (j *journal) controlCookie(secure bool) *http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.control == "" {
		j.control = rand.Text()
	}
	//nolint:gosec // Secure where there is TLS, which a loopback address has not
	return &http.Cookie{
		Name: controlName, Value: j.control, Path: "/api", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	}
}

// Controls returns the session whose lab a request may control by its cookie, if that has not ended.
func (l *Lab) Controls(r *http.Request) (session.Handle, bool) {
	cookie, err := r.Cookie(controlName)
	if err != nil || cookie.Value == "" {
		return session.Handle{}, false
	}
	for _, j := range l.cfg.Recorder.all(func(j *journal) bool { return !j.ended() && j.controlledBy(cookie.Value) }) {
		return j.handle, true
	}
	return session.Handle{}, false
}

func (j *journal) controlledBy(value string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.control == value
}
