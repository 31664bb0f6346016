package compose_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	refreshPath   = "/api/session/refresh"
	replicaCookie = "demo_replica"
	replicaHeader = "X-Demo-Replica"
)

// account is a user of the demo.
type account struct{ ID, Password string }

func newAccount() account {
	return account{"user-" + strings.ToLower(rand.Text()[:10]), rand.Text()}
}

func (a account) body() string { return fmt.Sprintf(`{"userId":%q,"password":%q}`, a.ID, a.Password) }

// browser is one cookie jar before the proxy.
type browser struct {
	base   string
	client *http.Client
}

// newBrowser makes a browser that stays with one of the processes, or with none.
func newBrowser(t *testing.T, p *project, replica string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{base: p.base, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
	if replica != "" {
		u, err := url.Parse(p.base)
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(u, []*http.Cookie{{Name: replicaCookie, Value: replica}})
	}
	return b
}

// answer is a response, read to its end.
type answer struct {
	status  int
	header  http.Header
	body    string
	took    time.Duration
	replica string
}

func (a answer) String() string {
	return fmt.Sprintf("%d from %q after %v: %s", a.status, a.replica, a.took.Round(time.Millisecond), a.body)
}

// field returns a text of the body, or "".
func (a answer) field(name string) string {
	var body map[string]any
	_ = json.Unmarshal([]byte(a.body), &body) // no JSON, no field
	text, _ := body[name].(string)
	return text
}

// do sends a request as a page of the demo does. Headers come in pairs.
func (b *browser) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	a, err := b.try(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (b *browser) try(ctx context.Context, method, path, body string, headers ...string) (answer, error) {
	began := time.Now()
	response, err := b.send(ctx, method, path, body, headers...)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{
		response.StatusCode, response.Header, strings.TrimSpace(string(text)), time.Since(began), response.Header.Get(replicaHeader),
	}, nil
}

func (b *browser) send(ctx context.Context, method, path, body string, headers ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, b.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Origin", b.base) // which the API compares with the Host that the proxy passes on
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	return b.client.Do(r)
}

// want sends a request that has to succeed.
func (b *browser) want(t *testing.T, method, path, body string) answer {
	t.Helper()
	a := b.do(t, method, path, body)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s: got %v", method, path, a)
	}
	return a
}

// registered is a browser with a session of a new user.
func registered(t *testing.T, p *project, replica string) (*browser, account) {
	t.Helper()
	b, user := newBrowser(t, p, replica), newAccount()
	b.want(t, "POST", "/api/register", user.body())
	return b, user
}

// event is one of a stream of text/event-stream.
type event struct {
	name, data string
	at         time.Time
}

// listen reads a stream until it ends, or the test does.
func (b *browser) listen(t *testing.T, path string) <-chan event {
	t.Helper()
	client := *b.client
	client.Timeout = 0
	response, err := (&browser{b.base, &client}).send(t.Context(), "GET", path, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("%s: got %s, %s", path, response.Status, kind)
	}
	events := make(chan event, 1000)
	go func() {
		defer close(events)
		var e event
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch field {
			case "event":
				e.name = value
			case "data":
				e.data += value
			case "":
				if e.data != "" {
					e.at = time.Now()
					events <- e
				}
				e = event{}
			}
		}
	}()
	return events
}

// await waits for an event that is told by its name and a part of its data.
func await(t *testing.T, events <-chan event, name, part string) event {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the stream has ended without an event %s with %s", name, part)
			}
			if e.name == name && strings.Contains(e.data, part) {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %s with %s", name, part)
		}
	}
}

// ended waits for the end of a stream.
func ended(t *testing.T, events <-chan event) {
	t.Helper()
	for timeout := time.After(10 * time.Second); ; {
		select {
		case _, ok := <-events:
			if !ok {
				return
			}
		case <-timeout:
			t.Fatal("the stream does not end")
		}
	}
}
