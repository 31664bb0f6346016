package abuse_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// dawdlers are slow clients of one kind.
type dawdlers struct {
	name  string
	sends string        // at once
	drips string        // and then one byte of this, over and over, each time that a second has passed; empty: nothing
	reads bool          // what comes; else nothing is read before they are looked at
	cut   time.Duration // when the server has lost patience, by its settings in demo/api/serve.go
}

// TestSlowClients: clients that dawdle with their headers, with bodies or with reading are cut off by the server's timeouts. Until then
// they cost a connection each, and the public goes on.
func TestSlowClients(t *testing.T) {
	t.Parallel() // not exclusive: it mostly waits
	dsn := mysqltest.Database(t)
	s := startDemo(t, dsn)
	site := &site{server: s, db: mysqltest.Open(t, dsn), public: newPublic(t, s)}
	owner := site.public.clients[0]
	large := `"` + strings.Repeat("x", 1<<20-2) + `"` // as much data as a session may have
	owner.must(t, http.MethodPut, "/api/data", large)
	cookie := "Cookie: sIdRefreshToken=x; sAccessToken=" + owner.cookie(t, "/", "sAccessToken")
	const json = "Content-Type: application/json\r\nContent-Length: 4000\r\n"
	const each, answers = 100, 16
	kinds := []dawdlers{
		{"headers", "GET /api/me HTTP/1.1\r\nHost: x\r\n", "X: y\r\n", true, 5 * time.Second},
		{"60 KiB of headers", "GET /api/me HTTP/1.1\r\nHost: x\r\nCookie: a=" + strings.Repeat("a", almost), "", true, 5 * time.Second},
		{"a login's body", "POST /api/login HTTP/1.1\r\nHost: x\r\n" + json + "\r\n", "[", true, 15 * time.Second},
		{"a refresh's body", "POST " + refreshPath + " HTTP/1.1\r\nHost: x\r\nSession-Transport: header\r\n" + json + "\r\n", "[", true, 15 * time.Second},
		{"reading", strings.Repeat(raw(http.MethodGet, "/api/data", "", cookie), answers), "", false, 30 * time.Second},
	}
	before, files := site.statements(t), site.quietFiles()
	idle, _ := s.memory()
	s.resetPeak()
	var (
		all    sync.WaitGroup
		opened sync.WaitGroup
	)
	for k, kind := range kinds {
		n := each
		if !kind.reads {
			n = 10 // each holds an answer of 1 MiB in the server
		}
		opened.Add(n)
		for i := range n {
			all.Go(func() { kind.dawdle(t, s, source(20+k, i+1), answers*len(large), opened.Done) })
		}
	}
	opened.Wait()
	public := site.public.visit(*duration)
	t.Logf("public, beside %d slow clients: %v", 4*each+10, public)
	if most := int(duration.Seconds() * float64(*legitRate)); float64(public.inTime) < *share*float64(most) {
		t.Errorf("the public: %v of %d, want %.0f %% in time", public, most, *share*100)
	}
	all.Wait()
	_, peak := s.memory()
	t.Logf("memory: %d KiB before, %d KiB at most", idle, peak)
	if procfs && peak-idle > 256<<10 {
		t.Errorf("%d slow clients: the process has grown by %d KiB", 4*each+10, peak-idle)
	}
	site.public.hangUp()
	s.settles(files + poolSize)
	// A reader costs a SELECT an answer; the others have not got as far as that.
	refreshes := int(site.public.refreshes.Load())
	if n, most := site.statements(t)["sessions"]-before["sessions"], 3*refreshes+10*answers; n > most {
		t.Errorf("%d statements about sessions, want %d at most", n, most)
	}
	if n := site.statements(t)["attempts"] - before["attempts"]; n > 2 {
		t.Errorf("logins without a body: %d statements about attempts", n)
	}
}

// dawdle is one slow client, until the server cuts it off.
func (d dawdlers) dawdle(t *testing.T, s *server, from net.Addr, all int, opened func()) {
	var once sync.Once
	defer once.Do(opened)
	conn, err := (&net.Dialer{LocalAddr: from, Timeout: attackPatience}).DialContext(t.Context(), "tcp4", s.Addr)
	if err != nil {
		t.Errorf("%s: %v", d.name, err)
		return
	}
	defer func() { _ = conn.Close() }()
	patience := d.cut + 10*time.Second // of this test, on a busy machine
	began := time.Now()
	if err := conn.SetDeadline(began.Add(patience)); err != nil {
		t.Error(err)
		return
	}
	if _, err := io.WriteString(conn, d.sends); err != nil {
		t.Errorf("%s: %v", d.name, err)
		return
	}
	once.Do(opened)
	if d.drips != "" {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			pace := time.NewTicker(time.Second)
			defer pace.Stop()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-pace.C:
					if _, err := io.WriteString(conn, d.drips[i%len(d.drips):][:1]); err != nil {
						return
					}
				}
			}
		}()
	}
	if !d.reads {
		time.Sleep(d.cut + time.Second) // the server's patience is what this is about
		if n, err := io.Copy(io.Discard, conn); n >= int64(all) || timedOut(err) {
			t.Errorf("%s: the server has sent all of %d bytes to a client that did not read for %v (%v)", d.name, n, d.cut, err)
		}
		return
	}
	// The server may say 408 or 400 before it closes, and closes in any case.
	in := bufio.NewReader(conn)
	first, err := in.ReadString('\n')
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	took := time.Since(began)
	if timedOut(err) {
		t.Errorf("%s: the server has not cut the connection off after %v", d.name, took)
	}
	if early := d.cut - took; early > time.Second {
		t.Errorf("%s: cut off after %v already (%q): not by the timeout of %v", d.name, took, first, d.cut)
	}
}

func timedOut(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // as the connection returns it
	return ok && timeout.Timeout()
}
