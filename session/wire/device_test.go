package wire_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// trusting is a deployment behind two tiers of proxies.
var trusting = wire.Config{TrustedProxies: []string{
	"10.0.0.0/8", "192.0.2.7", "fd00::/8", "2001:db8::7", "::ffff:172.16.0.0/108", "::ffff:198.51.100.1",
}}

func TestDevice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		remote string
		lines  []string // of X-Forwarded-For
		want   string
	}{
		{"no proxy", "203.0.113.9:4711", nil, "203.0.113.9"},
		{"IPv6", "[2001:db8::9]:4711", nil, "2001:db8::9"},
		{"IPv6 with a zone", "[fe80::9%eth0]:4711", nil, "fe80::9"},
		{"without a port", "203.0.113.9", nil, "203.0.113.9"},
		{"IPv6 without a port", "2001:db8::9", nil, "2001:db8::9"},
		{"IPv6 without a port, with a zone", "fe80::9%eth0", nil, "fe80::9"},
		{"brackets without a port", "[2001:db8::9]", nil, "2001:db8::9"},
		{"IPv4 in IPv6", "[::ffff:203.0.113.9]:4711", nil, "203.0.113.9"},
		{"IPv6 in another spelling", "[2001:DB8:0:0::9]:4711", nil, "2001:db8::9"},

		{"a Unix socket", "@", []string{"1.2.3.4"}, ""},
		{"a Unix socket's path", "/run/app.sock", []string{"1.2.3.4"}, ""},
		{"nothing", "", []string{"1.2.3.4"}, ""},
		{"a port alone", ":4711", []string{"1.2.3.4"}, ""},
		{"a host name", "localhost:4711", []string{"1.2.3.4"}, ""},
		{"a trusted host with a name added", "10.0.0.1.evil.example:4711", []string{"1.2.3.4"}, ""},
		{"brackets around IPv4", "[10.0.0.1]:4711", []string{"1.2.3.4"}, ""},
		{"half a pair of brackets", "[2001:db8::7:4711", []string{"1.2.3.4"}, ""},
		{"octal", "010.0.0.1:4711", []string{"1.2.3.4"}, ""},
		{"a number", "167772161:4711", []string{"1.2.3.4"}, ""},
		{"a port too large", "10.0.0.1:65536", []string{"1.2.3.4"}, ""},

		{"an untrusted peer's word", "203.0.113.9:4711", []string{"1.2.3.4"}, "203.0.113.9"},
		{"an untrusted peer names a proxy", "203.0.113.9:4711", []string{"1.2.3.4, 10.0.0.1"}, "203.0.113.9"},
		{"a neighbour of a trusted address", "192.0.2.8:4711", []string{"1.2.3.4"}, "192.0.2.8"},
		{"a neighbour of a trusted network", "11.0.0.1:4711", []string{"1.2.3.4"}, "11.0.0.1"},
		{"the deprecated IPv4-compatible form is not IPv4", "[::10.0.0.1]:4711", []string{"1.2.3.4"}, "::a00:1"},

		{"a proxy", "10.0.0.1:4711", []string{"203.0.113.9"}, "203.0.113.9"},
		{"a proxy without a word", "10.0.0.1:4711", nil, "10.0.0.1"},
		{"a trusted address", "192.0.2.7:4711", []string{"203.0.113.9"}, "203.0.113.9"},
		{"a proxy over IPv6", "[fd00::1]:4711", []string{"2001:db8::9"}, "2001:db8::9"},
		{"a proxy in a zone", "[fd00::1%eth0]:4711", []string{"2001:db8::9"}, "2001:db8::9"},
		{"a trusted address of IPv6", "[2001:db8::7]:4711", []string{"2001:db8::9"}, "2001:db8::9"},
		{"a proxy as IPv4 in IPv6", "[::ffff:10.0.0.1]:4711", []string{"203.0.113.9"}, "203.0.113.9"},
		{"trusted as IPv4 in IPv6", "198.51.100.1:4711", []string{"203.0.113.9"}, "203.0.113.9"},
		{"within a network trusted as IPv4 in IPv6", "172.31.255.255:4711", []string{"203.0.113.9"}, "203.0.113.9"},
		{"past a network trusted as IPv4 in IPv6", "172.32.0.0:4711", []string{"203.0.113.9"}, "172.32.0.0"},
		{"the client as IPv4 in IPv6", "10.0.0.1:4711", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},

		{"two proxies", "10.0.0.1:4711", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"two proxies, one of them as IPv4 in IPv6", "10.0.0.1:4711", []string{"203.0.113.9, ::FFFF:10.0.0.2"}, "203.0.113.9"},
		{"on two lines", "10.0.0.1:4711", []string{"203.0.113.9", "10.0.0.2"}, "203.0.113.9"},
		{"on three lines, with more than one on a line", "10.0.0.1:4711", []string{"1.2.3.4", "203.0.113.9,10.0.0.3", "10.0.0.2"}, "203.0.113.9"},
		{"a client within the trusted network", "10.0.0.1:4711", []string{"10.9.9.9"}, "10.9.9.9"},
		{"proxies all the way", "10.0.0.1:4711", []string{"10.0.0.4, 10.0.0.3", "10.0.0.2"}, "10.0.0.4"},
		{"white space", "10.0.0.1:4711", []string{" \t203.0.113.9 ,\t10.0.0.2  "}, "203.0.113.9"},

		{"a client that wrote an address itself", "10.0.0.1:4711", []string{"1.2.3.4, 203.0.113.9"}, "203.0.113.9"},
		{"a client that wrote a proxy's address itself", "10.0.0.1:4711", []string{"1.2.3.4, 10.0.0.2, 203.0.113.9"}, "203.0.113.9"},
		{"a client that wrote a line itself", "10.0.0.1:4711", []string{"1.2.3.4", "203.0.113.9"}, "203.0.113.9"},
		{"a client that wrote a line itself, two proxies", "10.0.0.1:4711", []string{"1.2.3.4", "203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"a client that ended its list with a comma", "10.0.0.1:4711", []string{"1.2.3.4,, 203.0.113.9"}, "203.0.113.9"},

		{"what is no address", "10.0.0.2:4711", []string{"1.2.3.4, evil, 10.0.0.1"}, "10.0.0.1"},
		{"what is no address, at once", "10.0.0.2:4711", []string{"1.2.3.4, unknown"}, "10.0.0.2"},
		{"what is no address, behind the client's", "10.0.0.2:4711", []string{"evil, 203.0.113.9"}, "203.0.113.9"},
		{"what only begins with an address", "10.0.0.2:4711", []string{"1.2.3.4, 10.0.0.1evil"}, "10.0.0.2"},
		{"two addresses in one element", "10.0.0.2:4711", []string{"1.2.3.4 10.0.0.1"}, "10.0.0.2"},
		{"quotes", "10.0.0.2:4711", []string{`"203.0.113.9"`}, "10.0.0.2"},
		{"an element in the syntax of Forwarded", "10.0.0.2:4711", []string{"for=203.0.113.9"}, "10.0.0.2"},
		{"a network", "10.0.0.2:4711", []string{"203.0.113.0/24"}, "10.0.0.2"},
		{"octal in an element", "10.0.0.2:4711", []string{"1.2.3.4, 012.0.0.1"}, "10.0.0.2"},
		{"white space that is none", "10.0.0.2:4711", []string{"203.0.113.9\u00a0"}, "10.0.0.2"},
		{"a null byte", "10.0.0.2:4711", []string{"203.0.113.9\x00"}, "10.0.0.2"},
		{"an empty line", "10.0.0.2:4711", []string{""}, "10.0.0.2"},
		{"an empty line last", "10.0.0.2:4711", []string{"1.2.3.4", ""}, "10.0.0.2"},
		{"an empty element last", "10.0.0.2:4711", []string{"1.2.3.4,"}, "10.0.0.2"},
		{"an empty element in between", "10.0.0.2:4711", []string{"1.2.3.4, , 10.0.0.1"}, "10.0.0.1"},
		{"an empty element first", "10.0.0.2:4711", []string{", 203.0.113.9"}, "203.0.113.9"},
		{"nothing but commas", "10.0.0.2:4711", []string{",,,"}, "10.0.0.2"},

		{"a port", "10.0.0.2:4711", []string{"1.2.3.4:5678"}, "1.2.3.4"},
		{"a proxy's port", "10.0.0.2:4711", []string{"203.0.113.9, 10.0.0.1:443"}, "203.0.113.9"},
		{"IPv6 with a port", "10.0.0.2:4711", []string{"[::1]:80"}, "::1"},
		{"IPv6 in brackets", "10.0.0.2:4711", []string{"203.0.113.9, [fd00::1]"}, "203.0.113.9"},
		{"IPv6 with a zone, which goes", "10.0.0.2:4711", []string{"fe80::1%10.0.0.1"}, "fe80::1"},
		{"IPv4 with a zone", "10.0.0.2:4711", []string{"203.0.113.9%eth0"}, "10.0.0.2"},
		{"a port that is none", "10.0.0.2:4711", []string{"1.2.3.4:http"}, "10.0.0.2"},
		{"no port after the colon", "10.0.0.2:4711", []string{"1.2.3.4:"}, "10.0.0.2"},
		{"brackets around IPv4 in an element", "10.0.0.2:4711", []string{"[1.2.3.4]:80"}, "10.0.0.2"},
		{"a stray bracket", "10.0.0.2:4711", []string{"1.2.3.4]"}, "10.0.0.2"},

		{"31 elements", "10.0.0.1:4711", []string{"1.2.3.4" + strings.Repeat(",10.0.0.2", 31)}, "1.2.3.4"},
		{"more than 32 elements", "10.0.0.1:4711", []string{"1.2.3.4,10.9.9.9" + strings.Repeat(",10.0.0.2", 31)}, "10.9.9.9"},
		{"more than 32 lines", "10.0.0.1:4711", append([]string{"1.2.3.4", "10.9.9.9"}, slices.Repeat([]string{"10.0.0.2"}, 31)...), "10.9.9.9"},
		{"an element of 128 bytes", "10.0.0.1:4711", []string{"1.2.3.4," + strings.Repeat(" ", 120) + "10.0.0.2"}, "1.2.3.4"},
		{"an element that is longer", "10.0.0.1:4711", []string{"1.2.3.4," + strings.Repeat(" ", 121) + "10.0.0.2"}, "10.0.0.1"},
		{"a long one that ends in an address", "10.0.0.1:4711", []string{strings.Repeat("9", 200) + ".10.0.0.2"}, "10.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"User-Agent": {"A browser"}, "X-Real-Ip": {"6.6.6.6"}, "Forwarded": {"for=6.6.6.6"}}
			if test.lines != nil {
				h["X-Forwarded-For"] = test.lines
			}
			want := session.Device{UserAgent: "A browser", Address: test.want}
			if got := contract(t, trusting).Device(test.remote, h); got != want {
				t.Errorf("%s and %q: got %+v, want %+v", test.remote, test.lines, got, want)
			}
		})
	}
}

// By default nobody is believed, not even who looks like a proxy.
func TestDeviceTrustsNobodyByDefault(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{"127.0.0.1:1": "127.0.0.1", "10.0.0.1:1": "10.0.0.1", "[::1]:1": "::1", "@": "", "": ""} {
		got := contract(t, wire.Config{}).Device(remote, http.Header{"X-Forwarded-For": {"1.2.3.4"}})
		if got != (session.Device{Address: want}) {
			t.Errorf("%s: got %+v, want %q", remote, got, want)
		}
	}
}

// What was given to New may be changed afterwards.
func TestDeviceOwnsItsConfiguration(t *testing.T) {
	t.Parallel()
	proxies := []string{"10.0.0.1"}
	c := contract(t, wire.Config{TrustedProxies: proxies})
	proxies[0] = "203.0.113.9"
	if got := c.Device("203.0.113.9:1", http.Header{"X-Forwarded-For": {"1.2.3.4"}}).Address; got != "203.0.113.9" {
		t.Errorf("got %s", got)
	}
}

// A header costs the same whether it has a hundred bytes or a megabyte.
func TestDeviceOfHugeHeaders(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	c := contract(t, trusting)
	for name, lines := range map[string][]string{
		"commas":           {strings.Repeat(",", size)},
		"white space":      {strings.Repeat(" ", size)},
		"spaced commas":    {strings.Repeat(" ,", size/2)},
		"one element":      {strings.Repeat("1", size)},
		"proxies":          {strings.Repeat("10.0.0.2,", size/9) + "10.0.0.2"},
		"spread proxies":   {strings.Repeat(strings.Repeat(" ", 120)+"10.0.0.2,", size/129) + "10.0.0.2"},
		"lines":            make([]string, size/8),
		"lines of proxies": slices.Repeat([]string{"10.0.0.2"}, size/8),
	} {
		h := http.Header{"X-Forwarded-For": lines}
		begun := time.Now()
		for range 10_000 {
			if got := c.Device("10.0.0.2:1", h).Address; got != "10.0.0.2" {
				t.Fatalf("%s: got %s", name, got)
			}
		}
		// Ten gigabytes take longer than this, and what is looked at takes a hundredth of it.
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("%s: 10000 requests took %v", name, took)
		}
	}
}

// simple is Contract.Device without its limits, the way one would write it down.
func simple(proxies []netip.Prefix, peer netip.Addr, lines []string) netip.Addr {
	var elements []string
	if len(lines) > 0 {
		elements = strings.Split(strings.Join(lines, ","), ",")
	}
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	for len(elements) > 0 && trusted(peer) {
		last := strings.Trim(elements[len(elements)-1], " \t")
		elements = elements[:len(elements)-1]
		next, err := netip.ParseAddr(last)
		if withPort, portErr := netip.ParseAddrPort(last); portErr == nil {
			next, err = withPort.Addr(), nil
		}
		if inner, ok := strings.CutPrefix(last, "["); ok && strings.HasSuffix(inner, "]") {
			next, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
			if err == nil && next.Is4() {
				break
			}
		}
		if err != nil {
			break
		}
		peer = next.WithZone("").Unmap()
	}
	return peer
}

func FuzzDevice(f *testing.F) {
	for _, s := range []string{
		"", ",", "1.2.3.4", "1.2.3.4, evil, 10.0.0.1", "1.2.3.4,10.0.0.2\n10.0.0.1", "[::1]:80, 10.0.0.1", "[::1], fd00::1",
		"::ffff:10.0.0.1, ::ffff:10.0.0.2", "1.2.3.4:5678,\t10.0.0.1:1 ,10.0.0.2", "fe80::1%eth0", "[fe80::1%]]", "\n\n1.2.3.4\n",
	} {
		f.Add(s)
	}
	c, err := wire.New(wire.Config{TrustedProxies: []string{"10.0.0.0/8", "fd00::/8"}})
	if err != nil {
		f.Fatal(err)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	f.Fuzz(func(t *testing.T, header string) {
		lines := strings.Split(header, "\n")
		h := http.Header{"X-Forwarded-For": lines}
		if got := c.Device("203.0.113.9:1", h).Address; got != "203.0.113.9" {
			t.Errorf("an untrusted peer said %q and got %s", header, got)
		}
		got := c.Device("10.0.0.1:1", h).Address
		if parsed, err := netip.ParseAddr(got); err != nil || parsed.Zone() != "" || parsed.Is4In6() || parsed.String() != got {
			t.Errorf("%q: got %s, which is no address as it should be", header, got)
		}
		if len(header) > 128 || strings.Count(header, ",")+len(lines) > 32 {
			return // the limits, which the table tests
		}
		if want := simple(proxies, netip.MustParseAddr("10.0.0.1"), lines).String(); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
		// Whatever a client sends, what its proxy adds decides.
		h["X-Forwarded-For"] = append(slices.Clone(lines[:len(lines)-1]), lines[len(lines)-1]+", 203.0.113.9")
		if got := c.Device("10.0.0.1:1", h).Address; got != "203.0.113.9" {
			t.Errorf("with %q a client got %s", header, got)
		}
	})
}
