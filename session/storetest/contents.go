package storetest

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func bytesAreKept(t *testing.T, s suite) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, value := range map[string][]byte{
		"spaces":   []byte(" { \"a\" : 1.0 ,\n\t\"b\" : [ ] } "),
		"emoji":    []byte(`"🔑 é é \u00e9"`),
		"all":      every,
		"escapes":  []byte(`"\"\\'%_\u0000"`),
		"over64K":  bytes.Repeat([]byte("0123456789"), 7000),
		"million":  bytes.Repeat([]byte("x"), 1<<20),
		"null":     []byte("null"),
		"trailing": []byte("1\x00 "),
	} {
		h := s.insert(t, func(r *session.NewRow) { r.Payload, r.Data = value, value })
		row, _ := s.get(t, h)
		equalBytes(t, "payload "+name, row.Payload, value)
		data, version, err := s.Data(s.ctx, h)
		if err != nil {
			t.Fatalf("Data: %v", err)
		}
		equalBytes(t, "data "+name, data, value)
		equal(t, "data version", version, 7)
		yes(t, "SetData")(s.SetData(s.ctx, h, 7, 1<<62+1, value))
		data, version, err = s.Data(s.ctx, h)
		if err != nil {
			t.Fatalf("Data: %v", err)
		}
		equalBytes(t, "data "+name+" after SetData", data, value)
		equal(t, "data version", version, 1<<62+1)

		other := s.insert(t)
		yes(t, "SetPayload")(s.SetPayload(s.ctx, other, value))
		row, _ = s.get(t, other)
		equalBytes(t, "payload "+name+" after SetPayload", row.Payload, value)
	}
}

func setData(t *testing.T, s suite) {
	h := s.insert(t)
	yes(t, "SetData with the version")(s.SetData(s.ctx, h, 7, 8, []byte(`"two"`)))
	no(t, "SetData with an old version")(s.SetData(s.ctx, h, 7, 9, []byte(`"three"`)))
	data, version, err := s.Data(s.ctx, h)
	if err != nil {
		t.Fatalf("Data: %v", err)
	}
	equalBytes(t, "data", data, []byte(`"two"`))
	equal(t, "version", version, 8)
	yes(t, "SetData with any version")(s.SetData(s.ctx, h, 0, 9, []byte(`"two"`)))
	yes(t, "SetData of what is there")(s.SetData(s.ctx, h, 9, 9, []byte(`"two"`)))
	row, _ := s.get(t, h)
	equal(t, "Current after SetData", row.Current, mark("R0"))
}

func setDataOnce(t *testing.T, s suite) {
	h := s.insert(t)
	var next atomic.Uint64
	next.Store(100)
	wins := race(t, 64, func(int) (bool, error) {
		return s.SetData(s.ctx, h, 7, session.Version(next.Add(1)), []byte(`1`))
	})
	equal(t, "winners among 64 SetData of one version", wins, 1)
}

func setPayload(t *testing.T, s suite) {
	h, other := s.insert(t), s.insert(t)
	s.mint(t, h, "R0", "R1")
	want, _ := s.get(t, h)
	yes(t, "SetPayload")(s.SetPayload(s.ctx, h, []byte(`{"p":2}`)))
	yes(t, "SetPayload of what is there")(s.SetPayload(s.ctx, h, []byte(`{"p":2}`)))
	row, _ := s.get(t, h)
	equalBytes(t, "Payload", row.Payload, []byte(`{"p":2}`))
	sameRow(t, "SetPayload", row, want)
	row, _ = s.get(t, other)
	equalBytes(t, "Payload of another session", row.Payload, []byte(`{"p":1}`))
	data, version, err := s.Data(s.ctx, h)
	if err != nil || version != 7 {
		t.Errorf("Data after SetPayload: got version %v, %v", version, err)
	}
	equalBytes(t, "data after SetPayload", data, []byte(`{"d":1}`))
}

func setLabel(t *testing.T, s suite) {
	h, other := s.insert(t), s.insert(t)
	s.mint(t, h, "R0", "R1")
	want, _ := s.get(t, h)
	for _, label := range []string{"phone", "phone", "Phone", "phone ", "", "last"} {
		yes(t, "SetLabel")(s.SetLabel(s.ctx, h, label))
		row, _ := s.get(t, h)
		want.Label = label
		sameRow(t, "SetLabel", row, want)
		equalBytes(t, "Payload after SetLabel", row.Payload, want.Payload)
	}
	row, _ := s.get(t, other)
	equal(t, "Label of another session", row.Label, "")
}

// sameRow asserts that a change left everything but the payload as it is wanted.
func sameRow(t *testing.T, change string, got, want session.Row) {
	t.Helper()
	sameKept(t, change, got, want)
	equal(t, "Current after "+change, got.Current, want.Current)
	equal(t, "Pending after "+change, got.Pending, want.Pending)
	equal(t, "Previous after "+change, got.Previous, want.Previous)
	equal(t, "Handed after "+change, got.Handed, want.Handed)
}

// sameKept asserts that a change left what outlasts even a session's end.
func sameKept(t *testing.T, change string, got, want session.Row) {
	t.Helper()
	equal(t, "Handle after "+change, got.Handle, want.Handle)
	equal(t, "UserID after "+change, got.UserID, want.UserID)
	equal(t, "Generation after "+change, got.Generation, want.Generation)
	equal(t, "Device after "+change, got.Device, want.Device)
	equal(t, "Label after "+change, got.Label, want.Label)
	equal(t, "CreatedAt after "+change, got.CreatedAt, want.CreatedAt)
	equal(t, "CurrentAt after "+change, got.CurrentAt, want.CurrentAt)
	equal(t, "PendingAt after "+change, got.PendingAt, want.PendingAt)
	equal(t, "HandedAt after "+change, got.HandedAt, want.HandedAt)
	equal(t, "RotatedAt after "+change, got.RotatedAt, want.RotatedAt)
	equal(t, "AuthAt after "+change, got.AuthAt, want.AuthAt)
	equal(t, "PendingAuthAt after "+change, got.PendingAuthAt, want.PendingAuthAt)
	equal(t, "ExpiresAt after "+change, got.ExpiresAt, want.ExpiresAt)
}

func devicesAndLabels(t *testing.T, s suite) {
	for _, test := range []struct {
		label  string
		device session.Device
	}{
		{"", session.Device{}},
		{"phone", session.Device{UserAgent: "curl/8.5.0", Address: "192.0.2.1"}},
		{"Phone ", session.Device{UserAgent: "CURL/8.5.0 ", Address: "192.0.2.0/24"}},
		{" phone", session.Device{UserAgent: " curl"}},
		{"NULL", session.Device{Address: "2001:db8::/48"}},
		{"'; DROP TABLE sessions; --", session.Device{UserAgent: `Mozilla/5.0 "(%s; _)" '\`, Address: "::1"}},
		{`\' \" \\ %`, session.Device{UserAgent: `\`, Address: strings.Repeat("ffff:", 7) + "ffff"}},
		{"ç c\u0327 ß ss", session.Device{UserAgent: "Mozilla/5.0 (Ünïcödé; \U0001F511\U0001F9D1)"}},
		{strings.Repeat("\U0001F511", 64), session.Device{UserAgent: strings.Repeat("\U0001F511", 64)}},
		{strings.Repeat("'", 64), session.Device{UserAgent: strings.Repeat(`\`, 256)}},
		{strings.Repeat("x", 64), session.Device{UserAgent: strings.Repeat("x", 256)}},
		{strings.Repeat("x", 63), session.Device{UserAgent: strings.Repeat("x", 255)}},
	} {
		var (
			id = "user " + test.label
			h  = s.insert(t, user(id), func(r *session.NewRow) { r.Device, r.Label = test.device, test.label })
		)
		row, _ := s.get(t, h)
		equal(t, "Device", row.Device, test.device)
		equal(t, "Label", row.Label, test.label)
		rows, err := s.List(s.ctx, id, session.Page{Limit: 10})
		if err != nil || len(rows) != 1 {
			t.Fatalf("List: got %d rows, %v, want 1", len(rows), err)
		}
		equal(t, "Device in the list", rows[0].Device, test.device)
		equal(t, "Label in the list", rows[0].Label, test.label)

		other := s.insert(t, user(id))
		_, now := s.get(t, other)
		moved := session.Renewal{Lifetimes: life, Device: test.device}
		next := session.Successor{Mark: mark("R1"), MintedAt: now}
		yes(t, "Mint")(s.Mint(s.ctx, other, mark("R0"), session.Mark{}, time.Time{}, next, moved))
		yes(t, "SetLabel")(s.SetLabel(s.ctx, other, test.label))
		row, _ = s.get(t, other)
		equal(t, "Device after Mint", row.Device, test.device)
		equal(t, "Label after SetLabel", row.Label, test.label)

		yes(t, "End")(s.End(s.ctx, h, how(1)))
		ended := s.ended(t, h)
		equal(t, "Device of the ended", ended.Device, test.device)
		equal(t, "Label of the ended", ended.Label, test.label)
		list, err := s.Endings(s.ctx, id, session.EndingsPage{Limit: 10})
		if err != nil || len(list) != 1 {
			t.Fatalf("Endings: got %d, %v, want 1", len(list), err)
		}
		equal(t, "Device in the list of the ended", list[0].Device, test.device)
		equal(t, "Label in the list of the ended", list[0].Label, test.label)
	}
}

func renewalMovesDevice(t *testing.T, s suite) {
	var (
		one   = session.Device{UserAgent: "one", Address: "192.0.2.1"}
		two   = session.Device{UserAgent: "two", Address: "192.0.2.2"}
		agent = session.Device{UserAgent: "agent only"}
		place = session.Device{Address: "2001:db8::1"}
		none  session.Device
	)
	h := s.insert(t, func(r *session.NewRow) { r.Device = one })
	row, now := s.get(t, h)
	next := session.Successor{Mark: mark("R1"), MintedAt: now}
	after := session.Successor{Mark: mark("R2"), MintedAt: now}
	for _, step := range []struct {
		what   string
		change func(session.Renewal) (bool, error)
		device session.Device // of the renewal
		ok     bool
		want   session.Device
	}{
		{"Mint without a device", func(r session.Renewal) (bool, error) {
			return s.Mint(s.ctx, h, row.Current, row.Pending, row.HandedAt, next, r)
		}, none, true, one},
		{"Mint from another", func(r session.Renewal) (bool, error) {
			return s.Mint(s.ctx, h, row.Current, row.Pending, row.HandedAt, next, r)
		}, two, true, two},
		{"Mint whose condition does not hold", func(r session.Renewal) (bool, error) {
			return s.Mint(s.ctx, h, mark("X"), row.Pending, row.HandedAt, next, r)
		}, one, false, two},
		{"HandOut without a device", func(r session.Renewal) (bool, error) {
			return s.HandOut(s.ctx, h, row.Current, row.Pending, true, r)
		}, none, true, two},
		{"HandOut with a user agent only", func(r session.Renewal) (bool, error) {
			return s.HandOut(s.ctx, h, row.Current, row.Pending, false, r)
		}, agent, true, agent},
		{"HandOut with an address only", func(r session.Renewal) (bool, error) {
			return s.HandOut(s.ctx, h, row.Current, row.Pending, true, r)
		}, place, true, place},
		{"HandOut whose condition does not hold", func(r session.Renewal) (bool, error) {
			return s.HandOut(s.ctx, h, mark("X"), row.Pending, true, r)
		}, one, false, place},
		{"Confirm whose condition does not hold", func(r session.Renewal) (bool, error) {
			return s.Confirm(s.ctx, h, mark("X"), nil, r)
		}, one, false, place},
		{"Confirm without a device", func(r session.Renewal) (bool, error) {
			return s.Confirm(s.ctx, h, row.Pending, &after, r)
		}, none, true, place},
		{"Confirm from another", func(r session.Renewal) (bool, error) {
			return s.Confirm(s.ctx, h, row.Pending, nil, r)
		}, one, true, one},
	} {
		verdict(t, step.what, step.ok)(step.change(session.Renewal{Lifetimes: life, Device: step.device}))
		row, _ = s.get(t, h)
		equal(t, "Device after "+step.what, row.Device, step.want)
		equal(t, "Label after "+step.what, row.Label, "")
	}
}
