package lab

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"time"

	"github.com/watchword-dev/watchword/session"
)

const (
	maxThieves   = 16
	shadowRounds = 10
	thiefTimeout = 10 * time.Second
)

// thief is a second client of a session, with a cookie jar and a user agent of its own, which calls this very server through the network.
type thief struct {
	name   string
	handle session.Handle
	key    string // see thiefHeader
	home   string // the server's URL, without a path
	client *http.Client

	strategy string
	active   bool
	stop     context.CancelFunc // of what it does in the background; nil: nothing
}

// ThiefInfo is what the page knows of a thief.
type ThiefInfo struct {
	Name     string  `json:"name"`
	Strategy *string `json:"strategy"` // the last one; null: none yet
	Active   bool    `json:"active"`
}

// Copy puts a copy of the refresh token that a request carries into the jar of a new thief, and returns the thief's name. That is what malware in
// the browser can do, or a log that holds headers; a page cannot, since the cookie is HttpOnly. The error matches ErrNoToken.
func (l *Lab) Copy(r *http.Request, h session.Handle) (name string, err error) {
	j := l.cfg.Recorder.journal(h)
	cookie, ok := l.refreshCookie(r, j)
	local, isLocal := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !isLocal {
		return "", ErrNoToken
	}
	home := "http://" + local.String()
	refreshURL, err := url.Parse(home + l.contract.RefreshPath())
	if err != nil {
		return "", fmt.Errorf("the server's address: %w", err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", fmt.Errorf("make a cookie jar: %w", err)
	}
	t := &thief{handle: h, key: rand.Text(), home: home, client: &http.Client{
		Jar: plainJar{jar}, Timeout: thiefTimeout, Transport: &http.Transport{}, // without a proxy
	}}
	t.client.Jar.SetCookies(refreshURL, []*http.Cookie{{Name: cookie.Name, Value: cookie.Value, Path: l.contract.RefreshPath()}}) //nolint:gosec // what a thief's jar is like is not ours to choose
	j.change(func() {
		j.thieves++
		t.name = fmt.Sprintf("thief %d", j.thieves)
		j.lineage.holders[t.name] = markOf(cookie.Value)
		l.admit(t)
	})
	return t.name, nil
}

// refreshCookie finds the cookie of a request that holds a refresh token of the session.
func (l *Lab) refreshCookie(r *http.Request, j *journal) (*http.Cookie, bool) {
	cred, err := l.contract.Read(r.Header)
	if err != nil {
		return nil, false
	}
	for _, token := range l.cfg.Manager.RankRefreshTokens(r.Context(), cred.Refresh) {
		if !j.knows(markOf(token)) {
			continue
		}
		for _, cookie := range r.Cookies() {
			if cookie.Value == token {
				return cookie, true
			}
		}
	}
	return nil, false
}

// plainJar is a jar for a server without TLS that marks its cookies Secure, as browsers take them from this machine.
type plainJar struct{ http.CookieJar }

func (j plainJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, cookie := range cookies {
		cookie.Secure = false
	}
	j.CookieJar.SetCookies(u, cookies)
}

// admit adds a thief. If there are too many the oldest goes, one whose session has ended before any other.
func (l *Lab) admit(t *thief) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.thieves) >= maxThieves {
		gone := 0
		for i, old := range l.thieves {
			if j := l.cfg.Recorder.known(old.handle); j == nil || j.ended() {
				gone = i
				break
			}
		}
		old := l.thieves[gone]
		if old.stop != nil {
			old.stop()
		}
		old.client.CloseIdleConnections()
		l.thieves = append(l.thieves[:gone], l.thieves[gone+1:]...)
	}
	l.thieves = append(l.thieves, t)
}

// thiefOf returns the thief that a request says it comes from, or nil.
func (l *Lab) thiefOf(key string) *thief {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.thieves {
		if key != "" && t.key == key {
			return t
		}
	}
	return nil
}

func (l *Lab) thievesOf(h session.Handle) []ThiefInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	infos := []ThiefInfo{}
	for _, t := range l.thieves {
		if t.handle == h {
			infos = append(infos, ThiefInfo{Name: t.name, Strategy: present(t.strategy), Active: t.active})
		}
	}
	return infos
}

// Reply is what a thief was answered.
type Reply struct {
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// call sends one request.
func (t *thief) call(ctx context.Context, method, path string) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, thiefTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, t.home+path, http.NoBody)
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	request.Header.Set("User-Agent", "Watchword lab, "+t.name)
	request.Header.Set(thiefHeader, t.key)
	response, err := t.client.Do(request)
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	reply := Reply{}
	if response.StatusCode >= http.StatusBadRequest {
		_ = json.Unmarshal(body, &reply) // without a code the status says it
	}
	reply.Status = response.StatusCode
	return reply, nil
}
