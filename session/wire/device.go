package wire

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// Limits of what is looked at of X-Forwarded-For, which anybody can send, at any length.
const (
	maxHops    = 32  // elements
	maxAddress = 128 // bytes of one element: an address with port, zone and white space
)

// Device returns what a request shows of its client, for session.CreateOptions and session.RefreshOptions: the User-Agent
// header as it was sent, and the client's IP address. The Manager keeps of it what session.Config.Devices says.
//
// remoteAddr is the peer of the connection, as in http.Request.RemoteAddr: an IP address, with or without a port. Anything
// else, such as "@" or nothing with a Unix socket, leaves the address empty, whatever the headers say.
//
// While an address is one of Config.TrustedProxies the one that this proxy has added to X-Forwarded-For counts instead, from
// the right, since a client can write to the left of that what it likes. The last good address counts where an element is
// none, also where it is empty, and after 32 of them. Ports and zones are dropped, and an IPv4-mapped IPv6 address is IPv4.
func (c *Contract) Device(remoteAddr string, h http.Header) session.Device {
	device := session.Device{UserAgent: h.Get("User-Agent")}
	if peer, ok := parseAddress(remoteAddr); ok {
		device.Address = c.client(peer, h.Values("X-Forwarded-For")).String()
	}
	return device
}

// client follows the lines of X-Forwarded-For, which are one list, from the peer towards the client for as long as they are
// to be believed.
func (c *Contract) client(peer netip.Addr, lines []string) netip.Addr {
	address, hops := peer, 0
	for _, line := range slices.Backward(lines) {
		for more := true; more; hops++ {
			if hops == maxHops || !c.trusts(address) {
				return address
			}
			var element string
			line, element, more = cutLast(line)
			next, ok := parseAddress(element)
			if !ok {
				return address
			}
			address = next
		}
	}
	return address
}

func (c *Contract) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(c.proxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// cutLast takes the last element off a comma-separated list, and reports whether there is another one. Of an element that is
// too long to be an address it looks only at so much that this shows.
func cutLast(list string) (rest, element string, more bool) {
	tail := list[max(len(list)-maxAddress-1, 0):]
	comma := strings.LastIndexByte(tail, ',')
	element = tail[comma+1:]
	if comma < 0 {
		return "", element, false
	}
	return list[:len(list)-len(element)-1], element, true
}

// parseAddress reads an IP address, with or without a port, and IPv6 with or without brackets, which it needs beside a port.
func parseAddress(s string) (netip.Addr, bool) {
	if len(s) > maxAddress {
		return netip.Addr{}, false
	}
	s = strings.Trim(s, " \t")
	if strings.HasSuffix(s, "]") {
		s += ":0" // brackets without a port
	}
	withPort, err := netip.ParseAddrPort(s)
	address := withPort.Addr()
	if err != nil {
		address, err = netip.ParseAddr(s)
	}
	return address.WithZone("").Unmap(), err == nil
}

// proxies reads TrustedProxies.
func (cfg Config) proxies() ([]netip.Prefix, error) {
	proxies := make([]netip.Prefix, len(cfg.TrustedProxies))
	for i, entry := range cfg.TrustedProxies {
		var problem string
		if proxies[i], problem = parseProxy(entry); problem != "" {
			return nil, invalid("TrustedProxies", "has %q: %s", entry, problem)
		}
	}
	return proxies, nil
}

// parseProxy reads an entry of TrustedProxies, or says what is wrong with it.
func parseProxy(entry string) (proxy netip.Prefix, problem string) {
	if address, err := netip.ParseAddr(entry); err == nil {
		if address.Zone() != "" {
			return proxy, "zones are not looked at; leave it out"
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), ""
	}
	proxy, err := netip.ParsePrefix(entry)
	if err != nil {
		return proxy, "it is neither an IP address nor a network in CIDR notation"
	}
	if proxy.Addr().Is4In6() && proxy.Bits() >= 96 {
		proxy = netip.PrefixFrom(proxy.Addr().Unmap(), proxy.Bits()-96)
	}
	switch {
	case proxy != proxy.Masked():
		return proxy, "the network of that size is " + proxy.Masked().String()
	case proxy.Bits() == 0:
		return proxy, "that is everybody"
	}
	return proxy, ""
}
