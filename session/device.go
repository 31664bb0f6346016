package session

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DevicePolicy says what of a client's device is kept with its session.
type DevicePolicy string

// The device policies.
const (
	// DeviceFull keeps user agent and address as of the last refresh, and those of both sides of a theft. The default.
	DeviceFull DevicePolicy = "full"
	// DeviceCoarse keeps the user agent, and of an address the network: /24 of IPv4, /48 of IPv6.
	DeviceCoarse DevicePolicy = "coarse"
	// DeviceNone keeps nothing, whatever the options of a call say, and shows nothing of what was kept before.
	DeviceNone DevicePolicy = "none"
)

// Device is what a request shows of the client: personal data, which Config.Devices limits, and which goes when the record of
// the session's end does. Neither is proof of anything.
type Device struct {
	UserAgent string // at most 256 bytes
	Address   string // an IP address, or a network under DeviceCoarse
}

// Limits of what is kept of a device, and of a session's label.
const (
	maxUserAgent = 256 // bytes
	maxLabel     = 64  // characters
)

// device returns what the policy lets be kept of a device. What is no address is left out.
func (c Config) device(d Device) Device {
	if c.Devices == DeviceNone {
		return Device{}
	}
	kept := Device{UserAgent: printable(d.UserAgent, maxUserAgent)}
	address, err := netip.ParseAddr(d.Address)
	if err != nil {
		return kept
	}
	address = address.Unmap().WithZone("")
	if c.Devices == DeviceFull {
		kept.Address = address.String()
		return kept
	}
	bits := 48
	if address.Is4() {
		bits = 24
	}
	if network, err := address.Prefix(bits); err == nil {
		kept.Address = network.String()
	}
	return kept
}

// shown returns what the policy lets be shown of a device that was kept, perhaps under another policy.
func (c Config) shown(d Device) Device {
	if _, err := netip.ParsePrefix(d.Address); err == nil && c.Devices != DeviceNone {
		return d // was made coarse before
	}
	return c.device(d)
}

// printable returns s as UTF-8 without control characters, cut to limit bytes: it comes from anybody, and ends up in lists and
// logs.
func printable(s string, limit int) string {
	s = s[:min(len(s), 4*limit)]
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	for len(s) > limit {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// validLabel: a label is up to 64 printable characters.
func validLabel(label string) bool {
	return utf8.ValidString(label) && utf8.RuneCountInString(label) <= maxLabel &&
		!strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) })
}
