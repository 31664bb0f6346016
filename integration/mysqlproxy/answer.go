package mysqlproxy

import (
	"encoding/binary"
	"io"
)

// answerReader reads the whole answer to a command.
type answerReader struct {
	packets      <-chan packet
	deprecateEOF bool
	raw          []byte
	err          bool // the server refused the command
}

// silent reports whether a command has no answer.
func silent(command byte) bool {
	return command == comQuit || command == comStmtClose || command == comStmtLongData
}

// read reads the answer to its last packet.
func (a *answerReader) read(command byte) error {
	switch command {
	case comQuery, comStmtExecute:
		return a.results()
	case comStmtPrepare:
		return a.prepared()
	case comPing, comInitDB, comStmtReset, comSetOption, comResetConn, comStatistics:
		_, err := a.next()
		return err
	default:
		return errUnsupported
	}
}

func (a *answerReader) next() (packet, error) {
	p, ok := <-a.packets
	if !ok {
		return p, io.EOF
	}
	a.raw = append(a.raw, p.raw...)
	if p.head() == headErr {
		a.err = true
	}
	return p, nil
}

func (a *answerReader) skip(n uint64) error {
	for range n {
		if _, err := a.next(); err != nil {
			return err
		}
	}
	return nil
}

// results reads result sets until the server's status says that there is no further one.
func (a *answerReader) results() error {
	for {
		first, err := a.next()
		if err != nil {
			return err
		}
		var status uint16
		switch first.head() {
		case headErr:
			return nil
		case headInFile:
			return errUnsupported
		case headOK:
			status, err = okStatus(first.payload)
		default:
			status, err = a.resultSet(first)
		}
		if err != nil || a.err || status&moreResults == 0 {
			return err
		}
	}
}

// resultSet reads columns and rows, and returns the status after them.
func (a *answerReader) resultSet(first packet) (uint16, error) {
	columns, size, err := readLength(first.payload)
	if err != nil {
		return 0, err
	}
	// MariaDB says behind the number whether the columns are described at all.
	if len(first.payload) == size || first.payload[size] != 0 {
		if err := a.skip(columns); err != nil {
			return 0, err
		}
	}
	if !a.deprecateEOF {
		if err := a.skip(1); err != nil {
			return 0, err
		}
	}
	for {
		row, err := a.next()
		if err != nil {
			return 0, err
		}
		switch {
		case row.head() == headErr:
			return 0, nil
		case row.head() == headEOF && a.deprecateEOF && len(row.payload) < maxPayload:
			return okStatus(row.payload)
		case row.head() == headEOF && !a.deprecateEOF && len(row.payload) < 9:
			if len(row.payload) < 5 {
				return 0, errMalformed
			}
			return binary.LittleEndian.Uint16(row.payload[3:]), nil
		}
	}
}

// okStatus reads the server's status from an OK packet.
func okStatus(payload []byte) (uint16, error) {
	at := 1
	for range 2 { // affected rows, last insert id
		_, size, err := readLength(payload[at:])
		if err != nil {
			return 0, err
		}
		at += size
	}
	if len(payload) < at+2 {
		return 0, errMalformed
	}
	return binary.LittleEndian.Uint16(payload[at:]), nil
}

// prepared reads the description of a prepared statement.
func (a *answerReader) prepared() error {
	first, err := a.next()
	if err != nil || first.head() == headErr {
		return err
	}
	if len(first.payload) < 9 {
		return errMalformed
	}
	for _, n := range []uint16{binary.LittleEndian.Uint16(first.payload[7:]), binary.LittleEndian.Uint16(first.payload[5:])} {
		if n == 0 {
			continue
		}
		if !a.deprecateEOF {
			n++
		}
		if err := a.skip(uint64(n)); err != nil {
			return err
		}
	}
	return nil
}
