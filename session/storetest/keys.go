package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func key(id string, purpose session.KeyPurpose, sequence int) session.Key {
	return session.Key{
		ID: id, Purpose: purpose, Sequence: sequence, Algorithm: "HS256",
		Material:    []byte("\x00\xff'\\ secret of " + id),
		Public:      []byte("\x00\xff'\\ public half of " + id),
		ActivatesAt: time.UnixMicro(1_700_000_000_123_456).UTC(),
	}
}

func keys(t *testing.T, s suite) {
	got, now, err := s.Keys(s.ctx)
	if err != nil || len(got) != 0 || now.IsZero() {
		t.Fatalf("Keys of an empty store: got %d keys, now %v, %v", len(got), now, err)
	}
	retiring := key("ref1-_AAAAAAAAAA", session.PurposeRefresh, 1)
	retiring.RetiresAt = now
	secret := key("acc1-_AAAAAAAAAA", session.PurposeAccess, 1)
	secret.Public = nil
	want := []session.Key{ // in the order of the contract
		secret,
		key("ACC1-_aaaaaaaaaa", session.PurposeAccess, 2), // ids differ by case
		key("acc10AAAAAAAAAAA", session.PurposeAccess, 10),
		retiring,
	}
	for _, i := range []int{3, 2, 0, 1} {
		if err := s.InsertKey(s.ctx, want[i]); err != nil {
			t.Fatalf("InsertKey: %v", err)
		}
	}
	for name, dup := range map[string]session.Key{
		"id":                   key(want[0].ID, session.PurposeAccess, 11),
		"id of other purpose":  key(want[0].ID, session.PurposeRefresh, 11),
		"purpose and sequence": key("accXXAAAAAAAAAAA", session.PurposeAccess, 10),
	} {
		if err := s.InsertKey(s.ctx, dup); !errors.Is(err, session.ErrDuplicate) {
			t.Errorf("InsertKey with a known %s: got %v, want ErrDuplicate", name, err)
		}
	}
	got, _, err = s.Keys(s.ctx)
	if err != nil || len(got) != len(want) {
		t.Fatalf("Keys: got %d, %v, want %d", len(got), err, len(want))
	}
	for i, k := range got {
		if w := want[i]; k.ID != w.ID || k.Purpose != w.Purpose || k.Sequence != w.Sequence || k.Algorithm != w.Algorithm ||
			!bytes.Equal(k.Material, w.Material) || !bytes.Equal(k.Public, w.Public) || !k.ActivatesAt.Equal(w.ActivatesAt) ||
			!k.RetiresAt.Equal(w.RetiresAt) || k.RetiresAt.IsZero() != w.RetiresAt.IsZero() {
			t.Errorf("key %d: got %s %d, want %s %d, or another field differs", i, k.ID, k.Sequence, w.ID, w.Sequence)
		}
	}
}

func retireKey(t *testing.T, s suite) {
	k := key("retired-AAAAAAAA", session.PurposeAccess, 1)
	if err := s.InsertKey(s.ctx, k); err != nil {
		t.Fatalf("InsertKey: %v", err)
	}
	no(t, "RetireKey of an unknown key")(s.RetireKey(s.ctx, "unknown-AAAAAAAA"))
	yes(t, "RetireKey")(s.RetireKey(s.ctx, k.ID))
	first, now := s.onlyKey(t)
	if first.RetiresAt.IsZero() || first.RetiresAt.After(now) {
		t.Errorf("RetiresAt: got %v, at %v", first.RetiresAt, now)
	}
	no(t, "RetireKey again")(s.RetireKey(s.ctx, k.ID))
	second, _ := s.onlyKey(t)
	equal(t, "RetiresAt after a second RetireKey", second.RetiresAt, first.RetiresAt)
}

func keyMaterial(t *testing.T, s suite) {
	k := key("sealed-AAAAAAAAA", session.PurposeRefresh, 1)
	if err := s.InsertKey(s.ctx, k); err != nil {
		t.Fatalf("InsertKey: %v", err)
	}
	next := bytes.Repeat([]byte("\xff\x00'\\"), 500)
	no(t, "SetKeyMaterial over another material")(s.SetKeyMaterial(s.ctx, k.ID, next, next))
	no(t, "SetKeyMaterial of an unknown key")(s.SetKeyMaterial(s.ctx, "unknown-AAAAAAAA", k.Material, next))
	yes(t, "SetKeyMaterial")(s.SetKeyMaterial(s.ctx, k.ID, k.Material, next))
	no(t, "SetKeyMaterial over the old material")(s.SetKeyMaterial(s.ctx, k.ID, k.Material, next))
	got, _ := s.onlyKey(t)
	equalBytes(t, "Material", got.Material, next)
	equalBytes(t, "Public", got.Public, k.Public)

	yes(t, "DeleteKey")(s.DeleteKey(s.ctx, k.ID))
	no(t, "DeleteKey again")(s.DeleteKey(s.ctx, k.ID))
	if keys, _, err := s.Keys(s.ctx); err != nil || len(keys) != 0 {
		t.Errorf("Keys after DeleteKey: got %d, %v", len(keys), err)
	}
}

func (s suite) onlyKey(t *testing.T) (session.Key, time.Time) {
	t.Helper()
	keys, now, err := s.Keys(s.ctx)
	if err != nil || len(keys) != 1 {
		t.Fatalf("Keys: got %d, %v, want 1", len(keys), err)
	}
	return keys[0], now
}

func keysOnce(t *testing.T, s suite) {
	wins := race(t, 16, func(i int) (bool, error) {
		err := s.InsertKey(s.ctx, key(fmt.Sprintf("once-%011d", i), session.PurposeAccess, 1))
		if errors.Is(err, session.ErrDuplicate) {
			return false, nil
		}
		return err == nil, err
	})
	equal(t, "winners among 16 first keys", wins, 1)
}
