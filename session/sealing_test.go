package session_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// holding is a store with these keys.
func (w *world) holding(keys ...session.Key) session.Store {
	w.t.Helper()
	store := memstore.New(w.clock.Now)
	for _, k := range keys {
		if err := store.InsertKey(w.ctx, k); err != nil {
			w.t.Fatal(err)
		}
	}
	return store
}

func TestKeyEncryption(t *testing.T) {
	t.Parallel()
	one, two := encryption(t, kek(1)), encryption(t, kek(2), kek(1))
	impostor := encryption(t, session.EncryptionKey{Version: 1, Secret: kek(3).Secret})
	secret, aad := []byte("the secret of the key"), []byte("kid, purpose, algorithm")
	sealed, err := one.Seal(t.Context(), secret, aad)
	if err != nil {
		t.Fatal(err)
	}
	again, err := one.Seal(t.Context(), secret, aad)
	if err != nil || bytes.Equal(again, sealed) || bytes.Contains(sealed, secret[:8]) {
		t.Errorf("sealed twice, it is the same, or the secret shows: %x, %v", sealed, err)
	}
	for name, e := range map[string]session.KeyEncryption{"its key": one, "a newer primary": two} {
		if got, err := e.Open(t.Context(), sealed, aad); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%s opens it to %q, %v", name, got, err)
		}
	}
	if one.Outdated(sealed) || !two.Outdated(sealed) || !one.Outdated(nil) {
		t.Error("outdated is what the primary key has not sealed")
	}
	refused := func(what string, e session.KeyEncryption, sealed, aad []byte, want string) {
		t.Helper()
		got, err := e.Open(t.Context(), sealed, aad)
		if err == nil || got != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), string(secret)) {
			t.Errorf("%s: got %q, %v, want an error with %q", what, got, err, want)
		}
	}
	refused("another key of that version", impostor, sealed, aad, "key-encryption key 1")
	refused("unknown version", encryption(t, kek(2)), sealed, aad, "key-encryption key 1, which is not configured")
	for i := range sealed {
		refused(fmt.Sprintf("truncated to %d", i), one, sealed[:i], aad, "")
		for bit := range 8 {
			flipped := bytes.Clone(sealed)
			flipped[i] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d flipped", bit, i), one, flipped, aad, "")
			refused(fmt.Sprintf("bit %d of byte %d flipped, two keys", bit, i), two, flipped, aad, "")
		}
	}
	refused("longer", one, append(bytes.Clone(sealed), 0), aad, "does not open it")
	for _, other := range []string{"", "kid, purpose, algorith", "kid, purpose, algorithm ", "Kid, purpose, algorithm"} {
		refused("other associated data", one, sealed, []byte(other), "does not open it")
	}
}

func TestNewKeyEncryptionRefuses(t *testing.T) {
	t.Parallel()
	short := session.EncryptionKey{Version: 7, Secret: []byte("thirty-one bytes of a secret---")}
	for name, test := range map[string]struct {
		keys []session.EncryptionKey
		want string
	}{
		"31 bytes":       {[]session.EncryptionKey{short}, "EncryptionKey 7 has 31 bytes"},
		"33 bytes":       {[]session.EncryptionKey{{Version: 7, Secret: make([]byte, 33)}}, "EncryptionKey 7 has 33 bytes"},
		"none":           {[]session.EncryptionKey{{}}, "EncryptionKey 0 has 0 bytes"},
		"a short second": {[]session.EncryptionKey{kek(1), short}, "EncryptionKey 7 has 31 bytes"},
		"one twice":      {[]session.EncryptionKey{kek(1), kek(2), kek(1)}, "EncryptionKey 1 is given twice"},
	} {
		_, err := session.NewKeyEncryption(test.keys[0], test.keys[1:]...)
		if !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), string(short.Secret)) {
			t.Errorf("%s: got %v, want ErrInvalidConfig with %q", name, err, test.want)
		}
	}
}

// A start without the right key-encryption key says what to do, and nothing that is secret.
func TestStartSaysWhatTheSealLacks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after session.KeyEncryption
		want          string
	}{
		"missing":         {encryption(t, kek(1)), nil, "set KeyEncryption"},
		"unknown version": {encryption(t, kek(1)), encryption(t, kek(2)), "key-encryption key 1, which is not configured"},
		"another key":     {encryption(t, kek(1)), encryption(t, session.EncryptionKey{Version: 1, Secret: kek(2).Secret}), "key-encryption key 1 does not open it"},
		"not sealed yet":  {nil, encryption(t, kek(1)), "set AcceptUnsealedKeys"},
	} {
		w := newWorld(t, func(cfg *session.Config) { cfg.KeyEncryption = test.before })
		d := w.dump()
		w.cfg.KeyEncryption = test.after
		_, err := session.New(w.ctx, w.store, w.cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
			continue
		}
		for _, k := range d.keys {
			for _, secret := range [][]byte{k.Material, kek(1).Secret, kek(2).Secret} {
				if text := err.Error(); strings.Contains(text, string(secret)) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
					t.Errorf("%s: the error holds a secret", name)
				}
			}
		}
		if after := w.dump(); fmt.Sprint(after.keys) != fmt.Sprint(d.keys) {
			t.Errorf("%s: a start that failed has changed the keys", name)
		}
	}
}

// Whoever may write to the database cannot plant a key of their own: it is not sealed.
func TestPlantedKeyIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, accept := range []bool{false, true} {
		w := newWorld(t, func(cfg *session.Config) { cfg.KeyEncryption, cfg.AcceptUnsealedKeys = encryption(t, kek(1)), accept })
		tokens := w.login()
		planted := generate(session.PurposeAccess, session.HS256)
		planted.Sequence, planted.ActivatesAt = 2, w.clock.Now()
		if err := w.store.InsertKey(w.ctx, planted); err != nil {
			t.Fatal(err)
		}
		token := handSigned(t, planted, headerOf("HS256", planted.ID), edit(t, goodClaims, `"iss":"us","aud":"api",`, ``))
		if _, err := w.Verify(w.ctx, token, session.VerifyOptions{}); (err == nil) != accept {
			t.Errorf("with AcceptUnsealedKeys=%v: got %v", accept, err)
		}
		w.use(tokens.AccessToken)
		w.use(w.login().AccessToken)
	}
}

// logged collects what is logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// fleet is a number of processes under the bubble's clock.
type fleet struct {
	t     *testing.T
	store session.Store
	log   logged
	all   []*member
}

type member struct {
	*session.Manager
	stop   context.CancelFunc
	closed chan struct{}
}

func (f *fleet) start(change func(*session.Config)) *member {
	f.t.Helper()
	cfg := session.Config{Algorithm: session.ES256, Logger: slog.New(slog.NewTextHandler(&f.log, nil)), AccessLifetime: time.Hour}
	change(&cfg)
	manager, err := session.New(f.t.Context(), f.store, cfg)
	if err != nil {
		f.t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	m := &member{Manager: manager, stop: cancel, closed: make(chan struct{})}
	go func() {
		defer close(m.closed)
		m.Run(ctx)
	}()
	f.all = append(f.all, m)
	return m
}

// end stops the first member, as a rolling deployment does.
func (f *fleet) end() {
	f.all[0].stop()
	<-f.all[0].closed
	f.all = f.all[1:]
}

func (f *fleet) login() string {
	f.t.Helper()
	_, tokens, err := f.all[len(f.all)-1].Create(f.t.Context(), "user", session.CreateOptions{})
	if err != nil {
		f.t.Fatalf("Create: %v", err)
	}
	return tokens.AccessToken
}

func (f *fleet) use(token string) {
	f.t.Helper()
	for i, m := range f.all {
		if _, err := m.Verify(f.t.Context(), token, session.VerifyOptions{}); err != nil {
			f.t.Errorf("process %d refuses a live token: %v", i, err)
		}
	}
}

func (f *fleet) stored() []session.Key {
	f.t.Helper()
	keys, _, err := f.store.Keys(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return keys
}

// sealedBy reports whether all keys in the store are sealed under one key.
func (f *fleet) sealedBy(want session.EncryptionKey) bool {
	f.t.Helper()
	only := encryption(f.t, want)
	for _, k := range f.stored() {
		sealed, ok := bytes.CutPrefix(k.Material, sealedMark)
		if !ok || only.Outdated(sealed) {
			return false
		}
	}
	return true
}

// Sealing is switched on and its key replaced in five rolling deployments, with traffic all along.
func TestSealingIsIntroducedAndItsKeyReplacedWithoutDowntime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, store: memstore.New(nil)}
		for range 2 {
			f.start(func(*session.Config) {})
		}
		token := f.login()
		public := f.stored()
		for i, step := range []struct {
			config func(*session.Config)
			sealed session.EncryptionKey // once everybody has it
		}{
			{func(cfg *session.Config) { cfg.KeyEncryption, cfg.AcceptUnsealedKeys = encryption(t, kek(1)), true }, kek(1)},
			{func(cfg *session.Config) { cfg.KeyEncryption = encryption(t, kek(1)) }, kek(1)},
			{func(cfg *session.Config) { cfg.KeyEncryption = encryption(t, kek(1), kek(2)) }, kek(1)},
			{func(cfg *session.Config) { cfg.KeyEncryption = encryption(t, kek(2), kek(1)) }, kek(2)},
			{func(cfg *session.Config) { cfg.KeyEncryption = encryption(t, kek(2)) }, kek(2)},
		} {
			for range 2 {
				f.start(step.config)
				f.use(token)
				time.Sleep(session.DefaultKeyPollInterval)
				synctest.Wait()
				f.use(token)
				fresh := f.login()
				f.use(fresh)
				f.end()
				f.use(token)
			}
			time.Sleep(session.DefaultKeyPollInterval)
			synctest.Wait()
			if !f.sealedBy(step.sealed) {
				t.Errorf("step %d: not everything is sealed under key %d", i, step.sealed.Version)
			}
			token = f.login()
		}
		for i, k := range f.stored() {
			if k.ID != public[i].ID || !bytes.Equal(k.Public, public[i].Public) || bytes.Contains(k.Material, public[i].Material) {
				t.Errorf("%s key %d is another, or shows its secret", k.Purpose, k.Sequence)
			}
			if _, err := x509.ParsePKIXPublicKey(k.Public); k.Purpose == session.PurposeAccess && err != nil {
				t.Errorf("the public half in the store cannot be read: %v", err)
			}
		}
		for len(f.all) > 0 {
			f.end()
		}
		for _, k := range public {
			if strings.Contains(f.log.b.String(), fmt.Sprintf("%x", k.Material)) || strings.Contains(f.log.b.String(), string(k.Material)) {
				t.Error("the log holds a secret")
			}
		}
	})
}

var sealedMark = []byte("wwsealed\x00\x01\xfe\xff")

// openSealed opens a key as the store holds it.
func openSealed(t testing.TB, k session.Key, e session.KeyEncryption) []byte {
	t.Helper()
	material, err := e.Open(t.Context(), bytes.TrimPrefix(k.Material, sealedMark), sealedWith(k))
	if err != nil {
		t.Fatalf("open %s key: %v", k.Purpose, err)
	}
	return material
}

func sealedWith(k session.Key) []byte {
	return fmt.Appendf(nil, "watchword signing key\x00%s\x00%s\x00%s", k.ID, k.Purpose, k.Algorithm)
}

// reseal replaces the seal of a key in a store.
func reseal(t testing.TB, store session.Store, k session.Key, from, to session.KeyEncryption) {
	t.Helper()
	sealed, err := to.Seal(t.Context(), openSealed(t, k, from), sealedWith(k))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := store.SetKeyMaterial(t.Context(), k.ID, k.Material, append(bytes.Clone(sealedMark), sealed...)); err != nil || !ok {
		t.Fatalf("SetKeyMaterial: %v, %v", ok, err)
	}
}

// A key that is loaded stays so when its seal alone has changed, and others can still be opened.
func TestLoadedKeyIsNotOpenedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.KeyEncryption = encryption(t, kek(1)) })
	first := w.login()
	reseal(t, w.store, w.dump().of(session.PurposeAccess), w.cfg.KeyEncryption, encryption(t, kek(2)))
	if err := w.RotateNow(w.ctx, session.PurposeAccess, "test", false); err != nil {
		t.Fatal(err)
	}
	w.use(first.AccessToken)
	w.clock.advance(session.DefaultKeyPropagation)
	w.use(w.login().AccessToken)
	w.use(first.AccessToken)
}

// A process that missed the change of key-encryption keys verifies with what it has loaded, for as long as it lives, and
// says what it cannot open.
func TestSealNeverStopsVerificationOfLoadedKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, store: memstore.New(nil)}
		old := f.start(func(cfg *session.Config) { cfg.KeyEncryption = encryption(t, kek(1)) })
		token := f.login()
		time.Sleep(session.DefaultKeyPollInterval)
		// At one blow, by hand: a process that names the old key as second would be sealed back by the old one.
		two := encryption(t, kek(2))
		for _, k := range f.stored() {
			reseal(t, f.store, k, encryption(t, kek(1)), two)
		}
		fresh := f.start(func(cfg *session.Config) { cfg.KeyEncryption = two })
		for range 5 {
			time.Sleep(session.DefaultKeyPollInterval)
			synctest.Wait()
			f.use(token)
			f.use(f.login())
			if !f.sealedBy(kek(2)) {
				t.Error("the process with the old key has sealed back")
			}
		}
		if _, _, err := old.Create(t.Context(), "user", session.CreateOptions{}); err != nil {
			t.Errorf("Create with keys that are loaded: %v", err)
		}

		// A key that the old process cannot open is left out, and the others go on.
		if err := fresh.RotateNow(t.Context(), session.PurposeAccess, "test", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(session.DefaultKeyPollInterval)
		synctest.Wait()
		f.use(token)
		f.end()
		f.end()
		if text := f.log.b.String(); !strings.Contains(text, "key-encryption key 2, which is not configured") {
			t.Errorf("the log does not say what cannot be opened: %s", text)
		}
	})
}
