package abuse_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attackers is how many goroutines an attack has. Each has its share of the connections and uses one after the other, since the race
// detector allows for 8,128 goroutines, and 10,000 that wait would be the test machine's burden and not the server's.
const attackers = 32

// flood is an attack by many connections that stay open.
type flood struct {
	addr        string
	connections int
	rate        int           // requests a second, all connections together; zero: as it comes
	lasts       time.Duration // how long it sends
	request     func(i int) string
	cut         bool // the server may close the connection without an answer
}

// tally is what came of an attack.
type tally struct {
	sent    int
	broken  int         // connections that the server has closed without an answer
	status  map[int]int // of the answers
	slowest time.Duration
}

func (y tally) String() string {
	return fmt.Sprintf("%d requests, answers %v, %d closed without one, slowest %v", y.sent, y.status, y.broken, y.slowest.Round(time.Millisecond))
}

func (y *tally) add(g tally) {
	y.sent += g.sent
	y.broken += g.broken
	y.slowest = max(y.slowest, g.slowest)
	for status, n := range g.status {
		y.status[status] += n
	}
}

func (y *tally) count(status int, err error) {
	y.sent++
	if err != nil {
		y.broken++
	} else {
		y.status[status]++
	}
}

// run opens the connections, calls opened when they are there, attacks, and closes them.
func (f flood) run(t *testing.T, opened func(attack func() tally)) {
	t.Helper()
	var (
		groups  = make([][]*line, attackers)
		opening sync.WaitGroup
		mu      sync.Mutex
		asked   = tally{status: map[int]int{}}
		refused atomic.Bool // a connection that the attack needs
	)
	for w := range groups {
		opening.Go(func() {
			for range (f.connections + w) / attackers {
				l := &line{addr: f.addr, from: source(9, w+1)}
				// Each has asked once before the attack begins: what a connection takes shows only then.
				status, err := l.exchange(t.Context(), f.request(len(groups[w])*attackers+w))
				if err != nil && !f.cut {
					t.Errorf("connect and ask: %v", err)
					refused.Store(true)
					return
				}
				groups[w] = append(groups[w], l)
				mu.Lock()
				asked.count(status, err)
				mu.Unlock()
			}
		})
	}
	opening.Wait()
	defer func() {
		for _, group := range groups {
			for _, l := range group {
				l.close()
			}
		}
	}()
	if refused.Load() {
		return
	}
	opened(func() tally {
		asked.add(f.attack(t, groups))
		return asked
	})
}

func (f flood) attack(t *testing.T, groups [][]*line) tally {
	var (
		mu    sync.Mutex
		total = tally{status: map[int]int{}}
		all   sync.WaitGroup
		began = time.Now()
	)
	for w, lines := range groups {
		all.Go(func() {
			mine := tally{status: map[int]int{}}
			for n := 0; len(lines) > 0; n++ {
				if f.rate > 0 {
					at := began.Add(time.Duration(n*attackers+w) * time.Second / time.Duration(f.rate))
					if late := time.Since(at); late < 0 {
						time.Sleep(-late) // the attack's pace, nobody's synchronisation
					}
				}
				if time.Since(began) >= f.lasts {
					break
				}
				l := lines[n%len(lines)]
				sent := time.Now()
				status, err := l.exchange(t.Context(), f.request(n*attackers+w))
				mine.count(status, err)
				mine.slowest = max(mine.slowest, time.Since(sent))
			}
			mu.Lock()
			defer mu.Unlock()
			total.add(mine)
		})
	}
	all.Wait()
	return total
}

// source is an address of a client: on Linux all of 127/8 is loopback, elsewhere only one is.
func source(group, n int) net.Addr {
	if runtime.GOOS != "linux" {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, byte(group), byte(n>>8), byte(n))}
}

// line is one connection of an attacker.
type line struct {
	addr string
	from net.Addr
	conn net.Conn
	in   *bufio.Reader
}

// attackPatience is how long an attacker waits for the server.
const attackPatience = 20 * time.Second

func (l *line) open(ctx context.Context) error {
	dialer := net.Dialer{LocalAddr: l.from, Timeout: attackPatience}
	conn, err := dialer.DialContext(ctx, "tcp4", l.addr)
	if err != nil {
		return err
	}
	l.conn, l.in = conn, bufio.NewReaderSize(conn, 1024)
	return nil
}

func (l *line) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// exchange sends a request and reads the answer. Where the server has closed the connection it is opened anew.
func (l *line) exchange(ctx context.Context, request string) (status int, err error) {
	if l.conn == nil {
		if err := l.open(ctx); err != nil {
			return 0, err
		}
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := l.conn.SetDeadline(time.Now().Add(attackPatience)); err != nil {
		return 0, err
	}
	_, writeErr := io.WriteString(l.conn, request)
	resp, err := http.ReadResponse(l.in, nil)
	if err != nil {
		if writeErr != nil {
			err = writeErr
		}
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.Close {
		l.close()
	}
	return resp.StatusCode, err
}

// raw is a request as it goes over the line. headers are lines without their ends.
func raw(method, path, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: service.example\r\n", method, path)
	for _, h := range headers {
		b.WriteString(h)
		b.WriteString("\r\n")
	}
	if method == http.MethodPost {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.WriteString(body)
	return b.String()
}
