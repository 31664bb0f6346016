package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func TestDevicePolicies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		given        string
		full, coarse string
	}{
		{"192.0.2.7", "192.0.2.7", "192.0.2.0/24"},
		{"255.255.255.255", "255.255.255.255", "255.255.255.0/24"},
		{"0.0.0.0", "0.0.0.0", "0.0.0.0/24"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"},
		{"2001:DB8::0001", "2001:db8::1", "2001:db8::/48"},
		{"::1", "::1", "::/48"},
		{"::", "::", "::/48"},
		{"::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"},
		{"::ffff:c000:207", "192.0.2.7", "192.0.2.0/24"},
		{"::ffff:192.0.2.7%eth0", "192.0.2.7", "192.0.2.0/24"},
		{"fe80::1%eth0", "fe80::1", "fe80::/48"},
		{"fe80::1%\x00<script>", "fe80::1", "fe80::/48"},
		{"fe80::1%", "", ""},
		{"", "", ""},
		{"localhost", "", ""},
		{"192.0.2.7:443", "", ""},
		{"[2001:db8::1]", "", ""},
		{"[2001:db8::1]:443", "", ""},
		{"192.0.2.0/24", "", ""},
		{"192.0.2", "", ""},
		{"192.0.2.07", "", ""},
		{"192.0.2.256", "", ""},
		{"3221225991", "", ""},
		{" 192.0.2.7", "", ""},
		{"192.0.2.7\n", "", ""},
		{"192.0.2.7, 198.51.100.1", "", ""},
		{"2001:db8::1::2", "", ""},
		{"@", "", ""},
		{"\xff\xfe", "", ""},
		{strings.Repeat("1", 1<<20), "", ""},
	} {
		for policy, want := range map[session.DevicePolicy]session.Device{
			"":                   {UserAgent: "Agent/1", Address: test.full},
			session.DeviceFull:   {UserAgent: "Agent/1", Address: test.full},
			session.DeviceCoarse: {UserAgent: "Agent/1", Address: test.coarse},
			session.DeviceNone:   {},
		} {
			w := newWorld(t, func(cfg *session.Config) { cfg.Devices = policy })
			s, _, err := w.Create(w.ctx, "user", session.CreateOptions{Device: session.Device{UserAgent: "Agent/1", Address: test.given}})
			if err != nil {
				t.Fatalf("%s, address %.40q: %v", policy, test.given, err)
			}
			if info, err := w.Lookup(w.ctx, s.Handle()); err != nil || info.Device != want {
				t.Errorf("%s, address %.40q: got %+v, %v, want %+v", policy, test.given, info.Device, err, want)
			}
		}
	}
}

func TestUserAgentsAreCutAndPrintable(t *testing.T) {
	t.Parallel()
	const limit = 256
	for name, test := range map[string]struct{ given, want string }{
		"plain":                       {"Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (X11; Linux x86_64)"},
		"as long as may be":           {strings.Repeat("a", limit), strings.Repeat("a", limit)},
		"a byte longer":               {strings.Repeat("a", limit) + "b", strings.Repeat("a", limit)},
		"very long":                   {strings.Repeat("a", 1<<20), strings.Repeat("a", limit)},
		"cut within a character":      {strings.Repeat("a", limit-1) + "é", strings.Repeat("a", limit-1)},
		"characters of two bytes":     {strings.Repeat("é", limit), strings.Repeat("é", limit/2)},
		"characters of four bytes":    {strings.Repeat("\U0001F511", limit), strings.Repeat("\U0001F511", limit/4)},
		"three bytes, do not fit":     {"a" + strings.Repeat("€", limit), "a" + strings.Repeat("€", (limit-1)/3)},
		"invalid UTF-8":               {"a\xffb\xc3c\xe2\x82", "abc"},
		"nothing else":                {"\xff\xfe\x80", ""},
		"replacement characters":      {"a\ufffdb", "ab"},
		"line breaks":                 {"a\r\nX-Forwarded-For: b\tc", "aX-Forwarded-For: bc"},
		"escape sequences":            {"\x1b[31mred\x1b[0m\x07\x00\x7f", "[31mred[0m"},
		"control characters of C1":    {"a\u0085\u009bb", "ab"},
		"direction and width":         {"a\u202eb\u200bc\ufeffd\u2028e\u2066f", "abcdef"},
		"spaces but the common one":   {"a\u00a0b\u2003c d", "abc d"},
		"surrogates as bytes":         {"a\xed\xa0\x80b", "ab"},
		"unassigned and private use":  {"a\ue000b\U000e0041c", "abc"},
		"much that goes, and then it": {strings.Repeat("\x00", 3*limit) + "a", "a"},
	} {
		w := newWorld(t)
		s, _, err := w.Create(w.ctx, "user", session.CreateOptions{Device: session.Device{UserAgent: test.given}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if info, err := w.Lookup(w.ctx, s.Handle()); err != nil || info.Device != (session.Device{UserAgent: test.want}) {
			t.Errorf("%s: got %q, %v, want %q", name, info.Device.UserAgent, err, test.want)
		}
	}
}

// TestDeviceFollowsTheClient: it is that of the last refresh which told one, wherever it is shown.
func TestDeviceFollowsTheClient(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		var none session.Device
		other := session.Device{UserAgent: "Other/2"} // of which no address is known
		s, tokens, err := a.Create(a.ctx, "user", session.CreateOptions{Device: ownersDevice})
		if err != nil {
			t.Fatal(err)
		}
		shown := func(what string, want session.Device) {
			t.Helper()
			infos, err := a.Sessions(a.ctx, "user", session.Page{})
			info, lookupErr := a.Lookup(a.ctx, s.Handle())
			if err != nil || lookupErr != nil || len(infos) != 1 || infos[0].Device != want || info.Device != want {
				t.Errorf("%s: got %+v and %+v, want the device %+v", what, infos, info, want)
			}
		}
		shown("login", ownersDevice)
		a.refreshFrom(tokens.RefreshToken, other)
		shown("a refresh that changed nothing", ownersDevice)
		a.clock.advance(time.Minute)
		second := a.refreshFrom(tokens.RefreshToken, thiefsDevice)
		shown("minted for another", thiefsDevice)
		a.refreshFrom(tokens.RefreshToken, ownersDevice)
		shown("handed out again", ownersDevice)
		a.refreshFrom(tokens.RefreshToken, none)
		shown("handed out to nobody known", ownersDevice)
		s = a.use(second.AccessToken)
		shown("confirmed by a first use", ownersDevice)
		a.clock.advance(time.Minute)
		a.refreshFrom(second.RefreshToken, none)
		shown("minted for nobody known", ownersDevice)
		a.clock.advance(time.Minute)
		third := a.refreshFrom(second.RefreshToken, other)
		shown("without an address", other)
		a.refreshFrom(third.RefreshToken, thiefsDevice)
		shown("confirmed by a refresh", thiefsDevice)
		a.clock.advance(time.Minute)
		_, fourth, err := a.Reauthenticated(a.ctx, a.use(third.AccessToken), session.RefreshOptions{Device: ownersDevice})
		if err != nil {
			t.Fatal(err)
		}
		shown("proved again", ownersDevice)
		a.use(fourth.AccessToken)
		a.told()
		if _, err := s.Revoke(a.ctx, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		if told := a.told(); len(told) != 1 || told[0].Device != ownersDevice {
			t.Errorf("the end: got the events %+v, want one with %+v", told, ownersDevice)
		}
		if endings, err := a.Endings(a.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 1 || endings[0].Device != ownersDevice {
			t.Errorf("the end: got %+v, %v, want one with %+v", endings, err, ownersDevice)
		}
	})
}

// TestDevicePolicyHoldsEverywhere: what is kept of both sides of a theft, and told, is what the policy allows.
func TestDevicePolicyHoldsEverywhere(t *testing.T) {
	t.Parallel()
	for policy, want := range map[session.DevicePolicy][2]session.Device{
		session.DeviceFull: {ownersDevice, thiefsDevice},
		session.DeviceCoarse: {
			{UserAgent: ownersDevice.UserAgent, Address: "192.0.2.0/24"}, {UserAgent: thiefsDevice.UserAgent, Address: "2001:db8::/48"},
		},
		session.DeviceNone: {},
	} {
		inAudit(t, func(t *testing.T, a *audit) {
			d := a.doom()
			for _, e := range a.told() {
				if e.Device != want[0] {
					t.Errorf("%s: got the event %+v, want the device %+v", policy, e, want[0])
				}
			}
			_, _, err := a.Refresh(a.ctx, d.first.RefreshToken, session.RefreshOptions{Device: thiefsDevice})
			var theft *session.TheftError
			if !errors.As(err, &theft) || theft.Device != want[0] || theft.Presenter != want[1] {
				t.Errorf("%s: got %+v, want the devices %+v", policy, theft, want)
			}
			endings, err := a.Endings(a.ctx, "user", session.EndingsPage{})
			told := a.told()
			if err != nil || len(endings) != 1 || endings[0].Theft == nil || len(told) != 1 || told[0].Theft == nil {
				t.Fatalf("%s: got the records %+v, %v, and the events %+v, want one of each with the facts", policy, endings, err, told)
			}
			if e := endings[0]; e.Device != want[0] || e.Theft.Device != want[0] || e.Theft.Presenter != want[1] {
				t.Errorf("%s: got the record %+v with %+v, want the devices %+v", policy, e, e.Theft, want)
			}
			if e := told[0]; e.Device != want[1] || e.Theft.Device != want[0] || e.Theft.Presenter != want[1] {
				t.Errorf("%s: got the event %+v with %+v, want the devices %+v", policy, e, e.Theft, want)
			}
		}, func(cfg *session.Config) { cfg.Devices = policy })
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := []string{
		"", "x", "Laura's phone", strings.Repeat("a", 64), strings.Repeat("\U0001F511", 64), "Büro – zu Hause", "<script>alert(1)</script>", `"quoted" \ 'x'`,
		"  spaces  ", "日本語", "a\u0301",
	}
	bad := []string{
		strings.Repeat("a", 65), strings.Repeat("\U0001F511", 65), strings.Repeat("a", 1<<20), "a\nb", "a\tb", "\x00", "\x1b[0m", "a\xffb", "\xc3", "\u200b",
		"a\u00a0b", "\u202eabc", "\u2028", "\ue000",
	}
	s, _, err := w.Create(w.ctx, "user", session.CreateOptions{Label: "first"})
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range good {
		named, _, err := w.Create(w.ctx, "user", session.CreateOptions{Label: label})
		if err != nil {
			t.Errorf("label %q: %v", label, err)
			continue
		}
		if err := w.SetLabel(w.ctx, s.Handle(), label); err != nil {
			t.Errorf("SetLabel %q: %v", label, err)
		}
		for _, h := range []session.Handle{named.Handle(), s.Handle()} {
			if info, err := w.Lookup(w.ctx, h); err != nil || info.Label != label {
				t.Errorf("label %q: got %q, %v", label, info.Label, err)
			}
		}
		if _, err := named.Revoke(w.ctx, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		if endings, err := w.Endings(w.ctx, "user", session.EndingsPage{Limit: 1000}); err != nil || !hasLabel(endings, named.Handle(), label) {
			t.Errorf("label %q is not in the record of the end, %v", label, err)
		}
	}
	if err := w.SetLabel(w.ctx, s.Handle(), "last"); err != nil {
		t.Fatal(err)
	}
	w.store.total()
	for _, label := range bad {
		if _, _, err := w.Create(w.ctx, "user", session.CreateOptions{Label: label}); !errors.Is(err, session.ErrInvalidLabel) {
			t.Errorf("label %.70q: got %v, want ErrInvalidLabel", label, err)
		}
		if err := w.SetLabel(w.ctx, s.Handle(), label); !errors.Is(err, session.ErrInvalidLabel) {
			t.Errorf("SetLabel %.70q: got %v, want ErrInvalidLabel", label, err)
		}
	}
	noCalls(t, w.store.total())
	if info, err := w.Lookup(w.ctx, s.Handle()); err != nil || info.Label != "last" {
		t.Errorf("a refused label was kept: got %q, %v", info.Label, err)
	}
}

func hasLabel(endings []session.Ending, h session.Handle, label string) bool {
	for _, e := range endings {
		if e.Handle == h {
			return e.Label == label
		}
	}
	return false
}

// The caller's own session is marked, in lists and by itself, and no other is.
func TestOwnSessionIsMarked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login()
	own := w.use(w.login().AccessToken)
	w.login()
	ctx := session.NewContext(w.ctx, own)
	infos, err := w.Sessions(ctx, "user", session.Page{})
	if err != nil || len(infos) != 3 {
		t.Fatalf("got %d sessions, %v", len(infos), err)
	}
	for _, info := range infos {
		if info.Current != (info.Handle == own.Handle()) {
			t.Errorf("session %v: Current is %v", info.Handle, info.Current)
		}
		one, err := w.Lookup(ctx, info.Handle)
		if err != nil || one != info {
			t.Errorf("Lookup: got %+v, %v, want %+v", one, err, info)
		}
		if one, err = w.Lookup(w.ctx, info.Handle); err != nil || one.Current {
			t.Errorf("Lookup by nobody: Current is %v, %v", one.Current, err)
		}
	}
}

// TestDevicePolicyThatIsStricterNow: what was kept under another policy is not shown, in lists, records and thefts.
func TestDevicePolicyThatIsStricterNow(t *testing.T) {
	t.Parallel()
	for policy, want := range map[session.DevicePolicy]session.Device{
		session.DeviceCoarse: {UserAgent: ownersDevice.UserAgent, Address: "192.0.2.0/24"}, session.DeviceNone: {},
	} {
		inAudit(t, func(t *testing.T, a *audit) {
			stolen, ended, lives := a.doom(), a.doom(), a.doom()
			if _, _, err := a.Create(a.ctx, "another", session.CreateOptions{Device: ownersDevice}); err != nil {
				t.Fatal(err)
			}
			a.cfg.Devices = policy
			for _, m := range []*session.Manager{a.process(), a.process()} {
				a.told()
				if infos, err := m.Sessions(a.ctx, "user", session.Page{}); err != nil || !slices.ContainsFunc(infos, func(i session.Info) bool { return i.Handle == lives.info.Handle && i.Device == want }) {
					t.Errorf("%s: got the list %+v, %v, want the device %+v", policy, infos, err, want)
				}
				if info, err := m.Lookup(a.ctx, lives.info.Handle); err != nil || info.Device != want {
					t.Errorf("%s: got %+v, %v, want the device %+v", policy, info, err, want)
				}
				if _, err := m.Revoke(a.ctx, ended.info.Handle, session.RevokeOptions{}); err != nil {
					t.Fatal(err)
				}
				_, _, err := m.Refresh(a.ctx, stolen.first.RefreshToken, session.RefreshOptions{Device: thiefsDevice})
				var theft *session.TheftError
				if errors.As(err, &theft) && theft.Device != want {
					t.Errorf("%s: the theft shows %+v, want %+v", policy, theft.Device, want)
				}
				endings, err := m.Endings(a.ctx, "user", session.EndingsPage{})
				if err != nil || len(endings) != 2 {
					t.Fatalf("%s: got the records %+v, %v", policy, endings, err)
				}
				for _, e := range endings {
					if e.Device != want || e.Theft != nil && e.Theft.Device != want {
						t.Errorf("%s: got the record %+v with %+v, want the device %+v", policy, e, e.Theft, want)
					}
				}
				if _, err := m.RevokeUser(a.ctx, "another", session.RevokeOptions{}); err != nil {
					t.Fatal(err)
				}
				for _, e := range a.told() {
					if e.Kind == session.EventEnded && e.Device != want || e.Theft != nil && e.Theft.Device != want {
						t.Errorf("%s: got the event %+v with %+v, want the device %+v", policy, e, e.Theft, want)
					}
				}
			}
		})
	}
}

// TestRefreshedAt is when a token was last given out, whether or not that has arrived.
func TestRefreshedAt(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		tokens := a.login()
		want := a.clock.Now()
		shown := func(what string) {
			t.Helper()
			infos, err := a.Sessions(a.ctx, "user", session.Page{})
			if err != nil || len(infos) != 1 || !infos[0].RefreshedAt.Equal(want) {
				t.Errorf("%s: got %+v, %v, want it refreshed at %v", what, infos, err, want)
			}
		}
		shown("login")
		a.clock.advance(time.Second)
		a.refresh(tokens.RefreshToken)
		shown("a kept token")
		a.clock.advance(time.Minute)
		second := a.refresh(tokens.RefreshToken)
		want = a.clock.Now()
		shown("a new token")
		a.clock.advance(time.Second)
		a.refresh(tokens.RefreshToken)
		want = a.clock.Now()
		shown("the same token again")
		a.clock.advance(time.Second)
		s := a.use(second.AccessToken)
		want = a.clock.Now()
		shown("its first use")
		a.clock.advance(time.Minute)
		third := a.refresh(second.RefreshToken)
		want = a.clock.Now()
		a.clock.advance(time.Minute)
		shown("the next token")
		if _, err := s.Revoke(a.ctx, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		if endings, err := a.Endings(a.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 1 || !endings[0].RefreshedAt.Equal(want) {
			t.Errorf("got the record %+v, %v, want it refreshed at %v", endings, err, want)
		}
		_, _, err := a.Refresh(a.ctx, third.RefreshToken, session.RefreshOptions{})
		a.refused(err, session.ErrUnauthorised)
	})
}
