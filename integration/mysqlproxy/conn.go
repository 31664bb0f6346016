package mysqlproxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// conn is a client's connection and its own to the server.
type conn struct {
	p      *Proxy
	id     int
	client net.Conn
	server net.Conn
	once   sync.Once

	packets      chan packet   // from the client
	left         chan struct{} // is closed when the client has gone
	answers      chan packet   // from the server
	deprecateEOF bool
	prepared     map[uint32]string
}

func newConn(p *Proxy, client, server net.Conn) *conn {
	return &conn{
		p: p, client: client, server: server,
		packets: make(chan packet), left: make(chan struct{}), answers: make(chan packet), prepared: map[uint32]string{},
	}
}

// cut closes both sides, at once.
func (c *conn) cut() {
	c.once.Do(func() {
		_ = c.client.Close()
		_ = c.server.Close()
	})
}

// run serves the connection until one side ends it.
func (c *conn) run() {
	defer c.cut()
	err := c.authenticate()
	if err == nil {
		var readers sync.WaitGroup
		readers.Go(c.readClient)
		readers.Go(func() { read(c.server, c.answers) })
		err = c.commands()
		c.cut()
		readers.Go(func() { drain(c.answers) })
		drain(c.packets)
		readers.Wait()
	}
	if errors.Is(err, errUnsupported) || errors.Is(err, errMalformed) {
		c.p.t.Errorf("mysqlproxy: connection %d: %v", c.id, err)
	}
}

// authenticate brings the connection through its first phase, in which both sides speak in turn.
func (c *conn) authenticate() error {
	for first := true; ; first = false {
		p, err := c.pass(c.server, c.client)
		if err != nil {
			return err
		}
		switch {
		case first && p.head() != headErr:
		case p.head() == headOK:
			return nil
		case p.head() == headErr:
			return io.EOF // the client has been told
		case p.head() == headMore && len(p.payload) == 2 && p.payload[1] == fastAuthOK:
			continue // it goes on
		}
		answer, err := c.pass(c.client, c.server)
		if err != nil {
			return err
		}
		if first {
			if len(answer.payload) < 4 {
				return errMalformed
			}
			flags := binary.LittleEndian.Uint32(answer.payload)
			if flags&(clientSSL|clientCompress) != 0 {
				return fmt.Errorf("%w: TLS or compression", errUnsupported)
			}
			c.deprecateEOF = flags&clientDeprecateEOF != 0
		}
	}
}

// pass brings one packet from one side to the other.
func (c *conn) pass(from io.Reader, to io.Writer) (packet, error) {
	p, err := readPacket(from)
	if err != nil {
		return p, err
	}
	c.p.gate.wait()
	_, err = to.Write(p.raw)
	return p, err
}

// readClient reads ahead, so that it is seen when the client leaves.
func (c *conn) readClient() {
	defer close(c.left)
	read(c.client, c.packets)
}

// read reads packets until the other side closes the connection.
func read(from io.Reader, to chan<- packet) {
	defer close(to)
	for {
		p, err := readPacket(from)
		if err != nil {
			return
		}
		to <- p
	}
}

// drain lets a reader end.
func drain(packets <-chan packet) {
	for range packets {
		continue
	}
}

// commands serves one command after the other, until either side has gone.
func (c *conn) commands() error {
	for {
		select {
		case p, ok := <-c.packets:
			if !ok {
				c.p.gate.wait() // a frozen server does not see that the client has gone
				return nil
			}
			if err := c.command(p); err != nil {
				return err
			}
		case p, ok := <-c.answers: // to no command: the server's last word
			if !ok {
				c.p.gate.wait()
				return nil
			}
			if err := c.tell(p.raw); err != nil {
				return err
			}
		}
	}
}

func (c *conn) command(p packet) error {
	if len(p.payload) == 0 {
		return errMalformed
	}
	s := c.statement(p)
	fault := c.p.begin(s)
	err := c.exchange(p, s, fault)
	c.p.end()
	if fault != nil {
		select {
		case fault.fired <- struct{}{}:
		default: // so many were not waited for
		}
	}
	return err
}

var names = map[byte]string{
	comQuit: "QUIT", comInitDB: "INIT_DB", comQuery: "QUERY", comPing: "PING", comStmtPrepare: "PREPARE", comStmtExecute: "EXECUTE",
	comStmtLongData: "LONG_DATA", comStmtClose: "CLOSE", comStmtReset: "RESET", comSetOption: "SET_OPTION", comResetConn: "RESET_CONNECTION",
}

func (c *conn) statement(p packet) Statement {
	command, rest := p.payload[0], p.payload[1:]
	s := Statement{Conn: c.id, Command: names[command]}
	switch command {
	case comQuery:
		s.Text = string(rest)
		s.Setup = strings.HasPrefix(s.Text, "SET ") || strings.HasPrefix(s.Text, "SELECT @@")
	case comStmtPrepare:
		s.Text = string(rest)
	case comStmtExecute:
		if len(rest) >= 4 {
			s.Text = c.prepared[binary.LittleEndian.Uint32(rest)]
		}
	default:
		s.Setup = true
	}
	return s
}

// exchange brings a command to the server and the answer back, past the fault that it meets.
func (c *conn) exchange(p packet, s Statement, fault *Armed) error {
	x := &Exchange{Statement: s, conn: c}
	at := func(point Point) error {
		if fault == nil || fault.At != point || fault.Do == nil {
			return nil
		}
		fault.Do(x)
		if x.cut {
			c.cut()
			return net.ErrClosed
		}
		return nil
	}
	if err := at(Sent); err != nil {
		return err
	}
	if x.refusal != nil {
		return c.tell(x.refusal)
	}
	c.p.gate.wait()
	if _, err := c.server.Write(p.raw); err != nil {
		return err
	}
	command := p.payload[0]
	if silent(command) {
		return nil
	}
	answer, err := c.answer(command, s)
	if err != nil {
		return err
	}
	x.answer = answer
	if err := at(Answered); err != nil {
		return err
	}
	if x.refusal != nil {
		answer = x.refusal
	}
	half := len(answer) / 2
	if err := c.tell(answer[:half]); err != nil {
		return err
	}
	if err := at(Halfway); err != nil {
		return err
	}
	if err := c.tell(answer[half:]); err != nil {
		return err
	}
	return at(Delivered)
}

// answer reads the server's whole answer. When the client leaves meanwhile the server is told, as it would be without a proxy.
func (c *conn) answer(command byte, s Statement) ([]byte, error) {
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-c.left:
			c.p.gate.wait()
			if half, ok := c.server.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		case <-done:
		}
	})
	reader := answerReader{packets: c.answers, deprecateEOF: c.deprecateEOF}
	err := reader.read(command)
	close(done)
	watch.Wait()
	if err == nil && command == comStmtPrepare && !reader.err {
		c.prepared[binary.LittleEndian.Uint32(reader.raw[5:])] = s.Text
	}
	return reader.raw, err
}

func (c *conn) tell(b []byte) error {
	c.p.gate.wait()
	_, err := c.client.Write(b)
	return err
}
