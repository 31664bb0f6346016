package histories_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// serverEnv makes this binary a server process, with an order in JSON.
const serverEnv = "WATCHWORD_HISTORIES_SERVER"

// order is what a server process is started with.
type order struct {
	DSN      string
	Defect   string
	Settings settings
}

// connections is how many each process may have.
const connections = 12

// serve is the server process: it prints its address once it can answer, and ends with its standard input, so that none
// outlives the test.
func serve(asked string) int {
	var o order
	if err := decode([]byte(asked), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	v, err := openService(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go v.manager.Run(ctx)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q inquiry
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(v.do(r.Context(), q)) // whoever has hung up gets nothing
	})}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	fmt.Println(listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// openService waits for the database as long as it takes.
func openService(ctx context.Context, o order) (*service, error) {
	for {
		store, err := mysql.Open(ctx, o.DSN, mysql.Options{})
		if err == nil {
			store.DB().SetMaxOpenConns(connections)
			var v *service
			if v, err = newService(ctx, spoil(store, o.Defect, 1), o.Settings); err == nil {
				return v, nil
			}
			_ = store.Close()
		}
		if !errors.Is(err, session.ErrUnavailable) || !pause(ctx, 20*time.Millisecond) {
			return nil, err
		}
	}
}

// pause waits, and reports whether it was not cut short.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// process is a server process, or a row of them: each that is killed is followed by another.
type process struct {
	t      *testing.T
	number int
	order  order
	client *http.Client

	mu    sync.Mutex
	born  int
	base  string // empty: none is there
	cmd   *exec.Cmd
	stdin io.Closer
}

// startProcess starts the first.
func startProcess(t *testing.T, number int, o order) *process {
	t.Helper()
	p := &process{t: t, number: number, order: o, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		p.client.CloseIdleConnections()
	})
	return p
}

// start starts one and waits until it answers.
func (p *process) start() error {
	raw, err := json.Marshal(p.order)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0]) //nolint:noctx // it ends with its standard input, or is killed
	cmd.Env = append(os.Environ(), serverEnv+"="+string(raw))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		return err
	}
	address := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		address <- strings.TrimSpace(line)
	}()
	p.mu.Lock()
	p.cmd, p.stdin = cmd, stdin
	p.mu.Unlock()
	select {
	case line := <-address:
		if line == "" {
			_ = cmd.Wait()
			return fmt.Errorf("server process %d did not start: %s", p.number, log.String())
		}
		p.mu.Lock()
		p.born++
		p.base = "http://" + line
		p.mu.Unlock()
		return nil
	case <-time.After(time.Minute):
		p.kill()
		return fmt.Errorf("server process %d does not say where it is", p.number)
	}
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	p.mu.Lock()
	cmd, stdin := p.cmd, p.stdin
	p.base, p.cmd = "", nil
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	_ = stdin.Close()
}

func (p *process) name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("p%d.%d", p.number, p.born)
}

func (p *process) ask(ctx context.Context, q inquiry) (reply, error) {
	p.mu.Lock()
	base := p.base
	p.mu.Unlock()
	if base == "" {
		return reply{}, errDown
	}
	raw, err := json.Marshal(q)
	if err != nil {
		return reply{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base, bytes.NewReader(raw))
	if err != nil {
		return reply{}, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return reply{}, errDown
		}
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	var answer reply
	err = decode(body, &answer)
	return answer, err
}
