package session

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// Handle identifies one session: a UUIDv7 (RFC 9562, section 5.7). It is an identifier, not a credential: it may be
// logged and shown. Handles of one process sort by time of creation, to the millisecond.
type Handle [16]byte

// newHandle makes a UUIDv7: 48 bits of Unix milliseconds, 74 random bits.
func newHandle(now time.Time, rand io.Reader) (Handle, error) {
	var h Handle
	if _, err := io.ReadFull(rand, h[6:]); err != nil {
		return Handle{}, fmt.Errorf("read randomness: %w", err)
	}
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(now.UnixMilli()))
	copy(h[:6], stamp[2:])
	h[6] = h[6]&0x0f | 0x70
	h[8] = h[8]&0x3f | 0x80
	return h, nil
}

// String returns the canonical text form: 36 characters, lower case, with hyphens.
func (h Handle) String() string {
	b, _ := h.MarshalText()
	return string(b)
}

// IsZero reports whether h is the zero Handle, which names no session.
func (h Handle) IsZero() bool { return h == Handle{} }

// MarshalText implements encoding.TextMarshaler with the form of String.
func (h Handle) MarshalText() ([]byte, error) {
	b := make([]byte, 36)
	hex.Encode(b[0:8], h[0:4])
	hex.Encode(b[9:13], h[4:6])
	hex.Encode(b[14:18], h[6:8])
	hex.Encode(b[19:23], h[8:10])
	hex.Encode(b[24:36], h[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return b, nil
}

// UnmarshalText implements encoding.TextUnmarshaler; it accepts what ParseHandle accepts.
func (h *Handle) UnmarshalText(text []byte) error {
	parsed, err := ParseHandle(string(text))
	if err != nil {
		return err
	}
	*h = parsed
	return nil
}

var errHandle = errors.New("not a session handle")

// ParseHandle reads the form that String writes and no other: one handle has one spelling.
func ParseHandle(s string) (Handle, error) {
	var h Handle
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return Handle{}, errHandle
	}
	digits := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
	if _, err := hex.Decode(h[:], []byte(digits)); err != nil || h.String() != s {
		return Handle{}, errHandle
	}
	return h, nil
}
