package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// TestLine cuts connections to a server that answers whatever it is sent.
func TestLine(t *testing.T) {
	t.Parallel()
	server, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	line, dsn, err := NewLine("app:hunter2@tcp(" + server.Addr().String() + ")/things?timeout=3s")
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil || cfg.Net != line.name || cfg.Addr != server.Addr().String() || cfg.DBName != "things" || cfg.Passwd != "hunter2" || cfg.Timeout != 3*time.Second {
		t.Fatalf("got DSN %+v, %v", cfg, err)
	}
	connect := func() net.Conn {
		t.Helper()
		conn, err := line.connect(t.Context(), "tcp", cfg.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := conn.(syscall.Conn); !ok {
			t.Error("the driver could not look at the connection's state")
		}
		return conn
	}
	echo := func(conn net.Conn) error {
		buf := make([]byte, 2)
		if _, err := io.WriteString(conn, "hi"); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, buf)
		return err
	}
	one, two := connect(), connect()
	if err := errors.Join(echo(one), echo(two), two.Close()); err != nil {
		t.Fatal(err)
	}
	if len(line.conns) != 1 {
		t.Errorf("%d connections are known, want 1", len(line.conns))
	}

	blocked := make(chan error, 1)
	go func() { _, err := one.Read(make([]byte, 1)); blocked <- err }()
	outage := NewOutage(nil, line)
	outage.Begin(time.Minute)
	if err := <-blocked; err == nil {
		t.Error("a read on a connection that was cut got an answer")
	}
	if err := echo(one); err == nil {
		t.Error("a connection that was cut goes on")
	}
	_, err = line.connect(t.Context(), "tcp", cfg.Addr)
	var network net.Error
	if !errors.As(err, &network) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: got %v, want a network's error", err)
	}
	_ = one.Close() // by the driver, which has found out

	outage.End()
	if err := echo(connect()); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	if err := echo(one); err == nil {
		t.Error("a connection that was cut has come back")
	}
}

func TestLineShowsNoPassword(t *testing.T) {
	t.Parallel()
	if _, _, err := NewLine("hunter2"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()
	outage := NewOutage(nil, nil)
	changes := make(chan struct{}, 100)
	outage.onChange(func() { changes <- struct{}{} })
	waitUntil := func(down bool) {
		t.Helper()
		for deadline := time.After(10 * time.Second); outage.Down() != down; {
			select {
			case <-changes:
			case <-deadline:
				t.Fatalf("the outage is not %v", down)
			}
		}
	}
	outage.End() // of none
	outage.Begin(20 * time.Millisecond)
	waitUntil(true)
	waitUntil(false) // by itself
	if err := outage.Ping(t.Context()); err != nil {
		t.Error(err)
	}

	outage.Begin(20 * time.Millisecond)
	until := outage.Begin(time.Hour) // the later word counts
	time.Sleep(60 * time.Millisecond)
	if !outage.Down() || !outage.Until().Equal(until) || outage.Ping(context.Background()) == nil {
		t.Error("the end of the outage before has ended this one")
	}
	outage.End()
	waitUntil(false)
	if !outage.Until().IsZero() {
		t.Error("an outage that has ended has an end")
	}
}
