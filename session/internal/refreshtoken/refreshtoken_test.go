package refreshtoken

import (
	"bytes"
	"encoding/base64"
	"testing"
	"time"
)

var (
	handle = [16]byte{1, 2, 3, 15: 16}
	moment = time.UnixMicro(1_760_000_000_123_456).UTC()
)

func testKey(t testing.TB, id byte) *Key {
	t.Helper()
	k, err := NewKey(KeyID{id}, bytes.Repeat([]byte{id}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ring(keys ...*Key) func(KeyID) *Key {
	return func(id KeyID) *Key {
		for _, k := range keys {
			if k.ID == id {
				return k
			}
		}
		return nil
	}
}

func mint(t testing.TB, k *Key) Token {
	t.Helper()
	token, err := New(k, handle, bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestOpenGivesBackWhatWasMinted(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	token := mint(t, k)
	got, signer, err := Open(token.String(), ring(testKey(t, 2), k))
	if err != nil || got != token || signer != k {
		t.Fatalf("got %v, %v", signer, err)
	}
	if got.Handle() != handle || !got.MintedAt().Equal(time.Unix(0, 0)) || len(got.String()) != Len {
		t.Errorf("got handle %v, minted at %v, length %d", got.Handle(), got.MintedAt(), len(got.String()))
	}
}

func TestSuccessorIsReproducible(t *testing.T) {
	t.Parallel()
	one, two := testKey(t, 1), testKey(t, 2)
	token := mint(t, one)
	next := token.Successor(one, two, moment.Add(time.Minute))
	if again := token.Successor(one, two, moment.Add(time.Minute)); again != next {
		t.Error("the same successor was not made again")
	}
	for name, other := range map[string]Token{
		"another moment":      token.Successor(one, two, moment.Add(time.Minute+time.Microsecond)),
		"another predecessor": next.Successor(one, two, moment.Add(time.Minute)),
		"another key":         token.Successor(two, two, moment.Add(time.Minute)),
		"the token itself":    token,
	} {
		if other == next || other.Mark() == next.Mark() {
			t.Errorf("%s gives the same successor", name)
		}
	}
	got, signer, err := Open(next.String(), ring(one, two))
	if err != nil || signer != two || got.Handle() != handle || !got.MintedAt().Equal(moment.Add(time.Minute)) {
		t.Errorf("the successor opens as %v, %v", got.MintedAt(), err)
	}
}

func TestOpenRefusesEveryAlteration(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	text := mint(t, k).String()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_\n="
	for i := range text {
		for _, c := range alphabet {
			if altered := text[:i] + string(c) + text[i+1:]; altered != text {
				if _, _, err := Open(altered, ring(k)); err == nil {
					t.Fatalf("altered at %d to %q, it opens", i, c)
				}
			}
		}
	}
	if _, _, err := Open(text, ring(testKey(t, 2))); err == nil {
		t.Error("it opens without its key")
	}
	impostor := *testKey(t, 2)
	impostor.ID = k.ID
	if _, _, err := Open(mint(t, &impostor).String(), ring(k)); err == nil {
		t.Error("it opens with another key of the same id")
	}
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	raw[0] = 2
	copy(raw[macAt:], sum(k.mac, raw[:macAt]))
	if _, _, err := Open(encoding.EncodeToString(raw), ring(k)); err == nil {
		t.Error("another version opens")
	}
}

func TestKeysOfOneMaterialDiffer(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	if bytes.Equal(k.mac, k.derive) || bytes.Equal(k.mac, k.csrf) || bytes.Equal(k.derive, k.csrf) {
		t.Error("two uses share a key")
	}
	if _, err := NewKey(KeyID{}, make([]byte, 31)); err == nil {
		t.Error("31 bytes of material pass")
	}
	if k.AntiCSRF(handle) == k.AntiCSRF([16]byte{}) || k.AntiCSRF(handle) == testKey(t, 2).AntiCSRF(handle) {
		t.Error("anti-CSRF tokens do not depend on session and key")
	}
}

// FuzzOpen: what opens is exactly what sealing its content gives, byte for byte: a token has one spelling.
func FuzzOpen(f *testing.F) {
	k := testKey(f, 1)
	token := mint(f, k)
	next := token.Successor(k, k, moment)
	f.Add(token.String())
	f.Add(next.String())
	f.Add(token.String()[:Len-1])
	f.Add(token.String() + "=")
	f.Add(token.String()[:50] + "\n" + token.String()[51:])
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		got, signer, err := Open(text, ring(k))
		if err != nil {
			return
		}
		raw, err := encoding.DecodeString(text)
		if err != nil || signer != k || seal(k, got.handle, got.generation, got.minted, raw[secretAt:macAt]) != got || got.String() != text {
			t.Errorf("%q opens", text)
		}
	})
}
