package mysqlproxy

import (
	"encoding/binary"
	"errors"
	"io"
)

// maxPayload is the size of a packet that is continued in the next one.
const maxPayload = 1<<24 - 1

// The first bytes of answers, and the commands that the proxy knows.
const (
	headOK      = 0x00
	headMore    = 0x01 // during authentication
	headInFile  = 0xfb
	headEOF     = 0xfe
	headErr     = 0xff
	fastAuthOK  = 0x03
	moreResults = 0x0008 // of the server's status

	comQuit         = 0x01
	comInitDB       = 0x02
	comQuery        = 0x03
	comStatistics   = 0x09
	comPing         = 0x0e
	comStmtPrepare  = 0x16
	comStmtExecute  = 0x17
	comStmtLongData = 0x18
	comStmtClose    = 0x19
	comStmtReset    = 0x1a
	comSetOption    = 0x1b
	comResetConn    = 0x1f

	clientCompress     = 1 << 5
	clientSSL          = 1 << 11
	clientDeprecateEOF = 1 << 24
)

// packet is a packet as it travels, headers included; what was split is together.
type packet struct {
	raw     []byte
	payload []byte
}

// head is the first byte of the payload; 0 if there is none.
func (p packet) head() byte {
	if len(p.payload) == 0 {
		return 0
	}
	return p.payload[0]
}

// errMalformed is a packet that is shorter than its kind has to be.
var errMalformed = errors.New("malformed packet")

// readPacket reads one packet with all its parts.
func readPacket(r io.Reader) (packet, error) {
	var p packet
	for {
		var header [4]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return p, err
		}
		size := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
		part := make([]byte, size)
		if _, err := io.ReadFull(r, part); err != nil {
			return p, err
		}
		p.raw = append(append(p.raw, header[:]...), part...)
		p.payload = append(p.payload, part...)
		if size < maxPayload {
			return p, nil
		}
	}
}

// errorPacket is the answer of a server that refuses a statement. sequence is 1 for the first packet of an answer.
func errorPacket(sequence byte, number uint16, state, text string) []byte {
	payload := append([]byte{headErr}, binary.LittleEndian.AppendUint16(nil, number)...)
	payload = append(payload, '#')
	payload = append(payload, state...)
	payload = append(payload, text...)
	header := binary.LittleEndian.AppendUint32(nil, uint32(len(payload))|uint32(sequence)<<24) //nolint:gosec // a few words
	return append(header, payload...)
}

// readLength reads a length-encoded integer and returns how many bytes it takes.
func readLength(b []byte) (value uint64, size int, err error) {
	if len(b) == 0 {
		return 0, 0, errMalformed
	}
	switch b[0] {
	case 0xfc:
		size = 3
	case 0xfd:
		size = 4
	case 0xfe:
		size = 9
	default:
		return uint64(b[0]), 1, nil
	}
	if len(b) < size {
		return 0, 0, errMalformed
	}
	for i := size - 1; i > 0; i-- {
		value = value<<8 | uint64(b[i])
	}
	return value, size, nil
}
