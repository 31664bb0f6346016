package session_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// FuzzInput gives Create and SetLabel, SetPayload and Lookup what users and their clients choose. It is refused by the error that the
// contract has for it, or kept and given back as it is; of the device only what can stand in a list and a log.
func FuzzInput(f *testing.F) {
	f.Add("alice", "at work", "A browser", "192.0.2.1", `{"role":"admin"}`, "0199c82c-c000-73c5-8b91-b19d9b2d5ec9")
	key := fixedKeys(f)
	clock := newClock()
	cfg := session.Config{Clock: clock.Now, KeySource: session.StaticKeys(key[0], key[len(key)-1]), Revocation: session.RevocationOff, MaxDataBytes: 4096}
	f.Fuzz(func(t *testing.T, user, label, agent, address, payload, text string) {
		m, err := session.New(t.Context(), memstore.New(clock.Now), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var none session.Handle
		handle, err := session.ParseHandle(text)
		var read session.Handle
		quoted, _ := json.Marshal(text)
		if errRead := json.Unmarshal(quoted, &read); err == nil != (errRead == nil) || read != handle || err == nil && handle.String() != text || err != nil && handle != none {
			t.Errorf("handle %q: got %v, %v, and out of JSON %v, %v", text, handle, err, read, errRead)
		}
		if _, err := m.Lookup(t.Context(), handle); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("Lookup(%v): got %v, want ErrUnauthorised", handle, err)
		}

		opts := session.CreateOptions{
			Label: label, Device: session.Device{UserAgent: agent, Address: address},
			Payload: json.RawMessage(payload), Data: json.RawMessage(payload),
		}
		created, tokens, err := m.Create(t.Context(), user, opts)
		goodUser := user != "" && utf8.ValidString(user) && utf8.RuneCountInString(user) <= 128
		goodLabel := utf8.ValidString(label) && utf8.RuneCountInString(label) <= 64 && !strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) })
		goodPayload := json.Valid([]byte(payload)) && utf8.ValidString(payload)
		want := map[error]bool{session.ErrInvalidUserID: !goodUser, session.ErrInvalidLabel: !goodLabel, session.ErrInvalidJSON: !goodPayload}
		if err != nil {
			for kind, expected := range want {
				if expected && errors.Is(err, kind) {
					return
				}
			}
			if !errors.Is(err, session.ErrTooLarge) || len(payload)+len(user) < 2000 {
				t.Errorf("Create: got %v", err)
			}
			return
		}
		if !goodUser || !goodLabel || !goodPayload {
			t.Fatalf("Create takes user %q, label %q and payload %q", user, label, payload)
		}
		if len(tokens.AccessToken) > 8<<10 {
			t.Errorf("an access token of %d bytes", len(tokens.AccessToken))
		}
		verified, err := m.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{})
		if err != nil || verified.UserID() != user || string(verified.RawPayload()) != strings.Trim(payload, " \t\r\n") {
			t.Fatalf("Verify: got %v, want user %q and payload %q", err, user, payload)
		}
		data, err := created.Data(t.Context())
		if err != nil || string(data.Raw) != payload {
			t.Errorf("data: got %q, %v, want %q", data.Raw, err, payload)
		}
		infos, err := m.Sessions(t.Context(), user, session.Page{})
		if err != nil || len(infos) != 1 || infos[0].Label != label || infos[0].UserID != user {
			t.Fatalf("Sessions: got %+v, %v", infos, err)
		}
		kept := infos[0].Device
		if len(kept.UserAgent) > 256 || !utf8.ValidString(kept.UserAgent) || strings.ContainsFunc(kept.UserAgent, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("the user agent %q is kept as %q", agent, kept.UserAgent)
		}
		if parsed, err := netip.ParseAddr(kept.Address); kept.Address != "" && (err != nil || parsed.String() != kept.Address || parsed.Zone() != "") {
			t.Errorf("the address %q is kept as %q", address, kept.Address)
		}
		if err := m.SetLabel(t.Context(), created.Handle(), agent); err == nil == errors.Is(err, session.ErrInvalidLabel) {
			t.Errorf("SetLabel(%q): got %v", agent, err)
		}
		if err := m.SetPayload(t.Context(), created.Handle(), json.RawMessage(label), session.PayloadOptions{}); err == nil != json.Valid([]byte(label)) {
			t.Errorf("SetPayload(%q): got %v", label, err)
		}
	})
}
