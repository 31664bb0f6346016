package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// bound stands for a value of a statement that a server repeats in its error.
const bound = "handle-or-key"

func server(number uint16) error {
	return &mysql.MySQLError{Number: number, Message: "Duplicate entry '" + bound + "' for key 'PRIMARY'"}
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want error  // nil: none of the contract's
		text string // to be in the message
	}{
		"duplicate":            {server(1062), session.ErrDuplicate, ""},
		"wrapped duplicate":    {fmt.Errorf("tracing: %w", server(1062)), session.ErrDuplicate, ""},
		"bad connection":       {driver.ErrBadConn, session.ErrUnavailable, "connection"},
		"invalid connection":   {mysql.ErrInvalidConn, session.ErrUnavailable, "connection"},
		"network":              {&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}, session.ErrUnavailable, "refused"},
		"no such host":         {&net.DNSError{Err: "no such host", Name: "db.internal"}, session.ErrUnavailable, "db.internal"},
		"end of file":          {io.ErrUnexpectedEOF, session.ErrUnavailable, ""},
		"connection done":      {sql.ErrConnDone, session.ErrUnavailable, ""},
		"no table":             {server(1146), nil, "run Migrate"},
		"no column":            {server(1054), nil, "run Migrate"},
		"access denied":        {server(1045), nil, "password"},
		"database denied":      {server(1044), nil, "denied"},
		"command denied":       {server(1142), nil, "grant"},
		"unknown database":     {server(1049), nil, "no such database"},
		"too long":             {server(1406), nil, "1406"},
		"wrong value":          {server(1366), nil, "1366"},
		"syntax":               {server(1064), nil, "1064"},
		"unknown":              {errors.New("something about " + bound), nil, "*errors.errorString"},
		"too large for client": {mysql.ErrPktTooLarge, nil, "maxAllowedPacket"},
	}
	for _, n := range []uint16{
		1020, 1021, 1040, 1047, 1053, 1105, 1114, 1180, 1205, 1213, 1290, 1317, 1412, 1792, 1815, 1836, 1927, 1969, 2002, 2003, 2006, 2013,
		3024, 3032, 3100, 3101, 3169, 3675, 3781, 3782, 3783, 3796, 3797, 3798, 4031,
	} {
		tests[fmt.Sprint("number ", n)] = struct {
			err  error
			want error
			text string
		}{server(n), session.ErrUnavailable, fmt.Sprint(n)}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := translate(t.Context(), "do it", test.err)
			for _, kind := range []error{session.ErrDuplicate, session.ErrUnavailable, session.ErrNotFound} {
				if errors.Is(got, kind) != errors.Is(test.want, kind) {
					t.Errorf("got %v, matches %v: %v", got, kind, errors.Is(got, kind))
				}
			}
			if !strings.Contains(got.Error(), test.text) {
				t.Errorf("got %q, want %q in it", got, test.text)
			}
			if !errors.Is(test.want, session.ErrDuplicate) && !strings.HasPrefix(got.Error(), "do it: ") {
				t.Errorf("got %q, want it to say what was being done", got)
			}
			if strings.Contains(got.Error(), bound) {
				t.Errorf("got %q, which holds a value", got)
			}
			var inner *mysql.MySQLError
			if errors.As(got, &inner) {
				t.Errorf("got %v, which holds the server's error", got)
			}
		})
	}
	if err := translate(t.Context(), "do it", nil); err != nil {
		t.Errorf("no error: got %v", err)
	}
}

func TestTranslateKeepsTheContextsError(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		// What the driver says depends on where the end of the context found it.
		for _, err := range []error{ctx.Err(), mysql.ErrInvalidConn, driver.ErrBadConn, server(1317), server(1205), errors.New("busy")} {
			got := translate(ctx, "do it", err)
			if !errors.Is(got, session.ErrUnavailable) || !errors.Is(got, ctx.Err()) {
				t.Errorf("%v: got %v, want ErrUnavailable and %v", err, got, ctx.Err())
			}
		}
		if got := translate(ctx, "do it", server(1062)); !errors.Is(got, session.ErrDuplicate) {
			t.Errorf("a definite answer: got %v, want ErrDuplicate", got)
		}
	}
}

func times(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	end := func(ctx context.Context, s *Store) error {
		_, err := s.End(ctx, session.Handle{1}, session.End{Fed: true})
		return err
	}
	get := func(ctx context.Context, s *Store) error { _, _, err := s.Get(ctx, session.Handle{1}); return err }
	for name, test := range map[string]struct {
		errs  []error
		call  func(context.Context, *Store) error
		want  error
		tries int
	}{
		"write, deadlock":                  {times(4, server(1213)), end, nil, 5},
		"write, lock wait":                 {times(1, server(1205)), end, nil, 2},
		"write, deadlock for ever":         {times(9, server(1213)), end, session.ErrUnavailable, 5},
		"write, connection lost":           {times(1, mysql.ErrInvalidConn), end, session.ErrUnavailable, 1},
		"write, server gone":               {times(1, server(2013)), end, session.ErrUnavailable, 1},
		"write, read-only":                 {times(1, server(1290)), end, session.ErrUnavailable, 1},
		"write, server leaves its group":   {times(1, server(3101)), end, session.ErrUnavailable, 1},
		"read, connection lost":            {times(1, mysql.ErrInvalidConn), get, session.ErrNotFound, 2},
		"read, connection lost twice":      {times(2, mysql.ErrInvalidConn), get, session.ErrUnavailable, 2},
		"read, deadlock (Galera) and lost": {[]error{server(1213), server(2013)}, get, session.ErrNotFound, 3},
		"read, table missing":              {times(1, server(1146)), get, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{errs: test.errs}
			err := test.call(t.Context(), f.store(t))
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if len(f.statements) != test.tries {
				t.Errorf("got %d tries, want %d", len(f.statements), test.tries)
			}
		})
	}
}

func TestRepeatEndsWithTheContext(t *testing.T) {
	t.Parallel()
	f := &fake{errs: times(9, server(1213))}
	ctx, cancel := context.WithCancel(t.Context())
	err := repeat(ctx, write, func() error { cancel(); return f.next("") })
	if number(err) != 1213 || len(f.statements) != 1 {
		t.Errorf("got %v after %d tries, want 1213 after 1", err, len(f.statements))
	}
}

func TestTooLongIsRefusedBeforeTheServer(t *testing.T) {
	t.Parallel()
	f := &fake{}
	s := f.store(t)
	long := strings.Repeat("a", maxUserID+1)
	device := session.Device{UserAgent: long}
	address := session.Device{Address: long}
	end := session.End{Reason: session.Reason(long)}
	detailed := session.End{Detail: make([]byte, maxDetail+1)}
	h, m, r := session.Handle{1}, session.Mark{1}, session.Renewal{Device: device}
	for name, call := range map[string]func(context.Context) error{
		"Insert of a user id":    func(ctx context.Context) error { return s.Insert(ctx, session.NewRow{UserID: long}) },
		"Insert of a label":      func(ctx context.Context) error { return s.Insert(ctx, session.NewRow{Label: long}) },
		"Insert of a user agent": func(ctx context.Context) error { return s.Insert(ctx, session.NewRow{Device: device}) },
		"Insert of an address":   func(ctx context.Context) error { return s.Insert(ctx, session.NewRow{Device: address}) },
		"Confirm":                func(ctx context.Context) error { _, err := s.Confirm(ctx, h, m, nil, r); return err },
		"HandOut":                func(ctx context.Context) error { _, err := s.HandOut(ctx, h, m, m, true, r); return err },
		"Mint": func(ctx context.Context) error {
			_, err := s.Mint(ctx, h, m, m, time.Time{}, session.Successor{}, r)
			return err
		},
		"SetLabel":          func(ctx context.Context) error { _, err := s.SetLabel(ctx, h, long); return err },
		"End for a reason":  func(ctx context.Context) error { _, err := s.End(ctx, h, end); return err },
		"End with a detail": func(ctx context.Context) error { _, err := s.End(ctx, h, detailed); return err },
		"EndUser":           func(ctx context.Context) error { _, err := s.EndUser(ctx, "user", h, end, 1); return err },
		"EndAll":            func(ctx context.Context) error { _, err := s.EndAll(ctx, time.Time{}, end, 1); return err },
		"Publish of a user id": func(ctx context.Context) error {
			return s.Publish(ctx, session.Revocation{UserID: long})
		},
		"Publish of a reason": func(ctx context.Context) error {
			return s.Publish(ctx, session.Revocation{Reason: session.Reason(long)})
		},
		"InsertKey": func(ctx context.Context) error { return s.InsertKey(ctx, session.Key{ID: long}) },
	} {
		if err := call(t.Context()); !errors.Is(err, session.ErrTooLarge) {
			t.Errorf("%s of %d bytes: got %v, want ErrTooLarge", name, len(long), err)
		}
	}
	if len(f.statements) != 0 {
		t.Errorf("got %d statements, want none", len(f.statements))
	}
}
