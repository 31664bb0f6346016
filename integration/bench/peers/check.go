package peers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// check proves that a good request reaches the handler with its user's id, and that none and a forged one are refused.
func (p Peer) check(ctx context.Context) error {
	status, body := p.try(ctx, p.Cookies)
	if want := `{"user":"` + userID + `"}`; status != http.StatusOK || body != want {
		return fmt.Errorf("a good session: got %d %s, want 200 %s", status, body, want)
	}
	if p.Open {
		return nil
	}
	if status, body = p.try(ctx, ""); status != http.StatusUnauthorized {
		return fmt.Errorf("no cookie: got %d %s, want 401", status, body)
	}
	forged := forge(p.Cookies)
	if forged == p.Cookies {
		return errors.New("the cookies cannot be forged for the check")
	}
	if status, body = p.try(ctx, forged); status != http.StatusUnauthorized {
		return fmt.Errorf("a forged cookie: got %d %s, want 401", status, body)
	}
	return nil
}

func (p Peer) try(ctx context.Context, cookies string) (status int, body string) {
	p.Cookies = cookies
	w := httptest.NewRecorder()
	p.Handler.ServeHTTP(w, p.Request(ctx, "http://127.0.0.1/me"))
	return w.Code, w.Body.String()
}

// forge changes one character in the middle of each cookie's value, and so what is signed, or which session it names.
func forge(cookies string) string {
	all := strings.Split(cookies, "; ")
	for i, cookie := range all {
		begin := strings.IndexByte(cookie, '=') + 1
		at := begin + (len(cookie)-begin)/2
		other := byte('A')
		if at >= len(cookie) {
			continue
		}
		if cookie[at] == other {
			other = 'B'
		}
		all[i] = cookie[:at] + string(other) + cookie[at+1:]
	}
	return strings.Join(all, "; ")
}
