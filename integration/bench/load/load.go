// Package load is a site on loopback and clients of it that cost little: they send the same bytes again and again over connections
// that stay open, and read no more of an answer than its status and where it ends.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Site is a real HTTP server on a port of its own.
type Site struct {
	server   *http.Server
	listener net.Listener
	ended    chan error
}

// Serve starts one. The caller closes it.
func Serve(ctx context.Context, handler http.Handler) (*Site, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Site{
		server:   &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Hour}, // clients wait for their turn
		listener: listener, ended: make(chan error, 1),
	}
	go func() { s.ended <- s.server.Serve(listener) }()
	return s, nil
}

// URL is where the site's root is.
func (s *Site) URL() string { return "http://" + s.listener.Addr().String() + "/" }

// Close ends the site at once.
func (s *Site) Close() error {
	err := s.server.Close()
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// Client sends one request again and again.
type Client struct {
	conn    net.Conn
	reader  *bufio.Reader
	request []byte
}

// patience is how long a client waits for one answer.
const patience = 30 * time.Second

// Dial connects a client that sends r to the site.
func (s *Site) Dial(ctx context.Context, r *http.Request) (*Client, error) {
	var request bytes.Buffer
	if err := r.Write(&request); err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", s.listener.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &Client{conn: conn, reader: bufio.NewReader(conn), request: request.Bytes()}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// RequestBytes is how long the request is.
func (c *Client) RequestBytes() int { return len(c.request) }

var (
	ok            = []byte("HTTP/1.1 200 ")
	contentLength = []byte("Content-Length: ")
)

// Do sends the request and reads the answer. Anything but 200 is an error.
func (c *Client) Do() error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		if first && !bytes.HasPrefix(line, ok) {
			return fmt.Errorf("got %q, want 200", bytes.TrimSpace(line))
		}
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		if len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, contentLength); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return fmt.Errorf("the answer's length: %w", err)
			}
		}
	}
	if length < 0 {
		return errors.New("the answer has no Content-Length")
	}
	if _, err := io.CopyN(io.Discard, c.reader, int64(length)); err != nil {
		return fmt.Errorf("read an answer's body: %w", err)
	}
	return nil
}
