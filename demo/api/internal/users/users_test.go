package users

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// cheap keeps tests fast; the cost is a parameter of each hash.
var cheap = Cost{MemoryKiB: 8, Passes: 1}

func TestRegisterAndAuthenticate(t *testing.T) {
	t.Parallel()
	u := New(NewMemory(), NewHasher(cheap), false)
	for _, id := range []string{"ann", "Ann", "ann ", "änn", strings.Repeat("🦉", 128)} {
		if err := u.Register(t.Context(), id, "the password of "+string([]rune(id)[:3])); err != nil {
			t.Fatalf("register %q: %v", id, err)
		}
	}
	if err := u.Register(t.Context(), "ann", "another password"); !errors.Is(err, ErrTaken) {
		t.Errorf("register twice: got %v, want ErrTaken", err)
	}
	for _, test := range []struct {
		id, password string
		want         error
	}{
		{"ann", "the password of ann", nil},
		{"Ann", "the password of Ann", nil},
		{"ann", "the password of Ann", ErrCredentials},
		{"ann", "another password", ErrCredentials},
		{"ANN", "the password of ann", ErrCredentials},
		{"bob", "the password of bob", ErrCredentials},
		{"", "password of", ErrCredentials},
		{"ann", "", ErrCredentials},
		{"ann", openPassword, ErrCredentials},
		{"ann", strings.Repeat("x", 1000), ErrCredentials},
	} {
		if err := u.Authenticate(t.Context(), test.id, test.password); !errors.Is(err, test.want) {
			t.Errorf("authenticate %q with %q: got %v, want %v", test.id, test.password, err, test.want)
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	u := New(NewMemory(), NewHasher(cheap), false)
	for _, id := range []string{"", strings.Repeat("a", 129), "a\xff", "a\ufffd"} {
		if err := u.Register(t.Context(), id, "a good long password"); !errors.Is(err, ErrUserID) {
			t.Errorf("register %q: got %v, want ErrUserID", id, err)
		}
	}
	wantRule(t, "register", u.Register(t.Context(), "ann", "fourteen chars"), TooShort)
	if err := u.Authenticate(t.Context(), "ann", "fourteen chars"); !errors.Is(err, ErrCredentials) {
		t.Errorf("a refused user: got %v, want ErrCredentials", err)
	}
}

// wantRule checks that an error is that of a rule.
func wantRule(t *testing.T, what string, err error, want Rule) {
	t.Helper()
	var weak *WeakPasswordError
	if !errors.As(err, &weak) || weak.Rule != want {
		t.Errorf("%s: got %v, want rule %s", what, err, want)
	}
}

// TestOlderPasswordsStay: the rules are for those who choose a password now.
func TestOlderPasswordsStay(t *testing.T) {
	t.Parallel()
	directory, hasher := NewMemory(), NewHasher(cheap)
	hash, err := hasher.Hash(t.Context(), "7 chars")
	if err != nil {
		t.Fatal(err)
	}
	if err := directory.Add(t.Context(), "ann", hash); err != nil {
		t.Fatal(err)
	}
	if err := New(directory, hasher, false).Authenticate(t.Context(), "ann", "7 chars"); err != nil {
		t.Error(err)
	}
}

func TestOpenLogin(t *testing.T) {
	t.Parallel()
	u := New(NewMemory(), NewHasher(cheap), true)
	if err := u.Authenticate(t.Context(), "anybody", "watchword"); err != nil {
		t.Errorf("open login: %v", err)
	}
	if err := u.Authenticate(t.Context(), "anybody", "watchwords"); !errors.Is(err, ErrCredentials) {
		t.Errorf("open login with another password: got %v", err)
	}
}

// TestUnknownUsersCostAsMuch holds Authenticate to the same work for an id that nobody has: it waits for its turn to hash.
func TestUnknownUsersCostAsMuch(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap)
	u := New(NewMemory(), h, false)
	for range atOnce {
		h.turns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := u.Authenticate(ctx, "nobody", "some password"); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy: no hash was made for an unknown user", err)
	}
	cost, _, _, err := parse(u.dummy)
	if err != nil || cost != cheap {
		t.Errorf("the dummy hash has cost %v, %v; want %v", cost, err, cheap)
	}
}

// TestTurnsAreGivenBack: more hashes at once than there are turns all come to their end.
func TestTurnsAreGivenBack(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := h.Hash(t.Context(), "a password"); err != nil {
				t.Errorf("hash: %v", err)
			}
		})
	}
	all.Wait()
	if len(h.turns) != 0 || cap(h.turns) != atOnce {
		t.Errorf("%d of %d turns are still taken", len(h.turns), cap(h.turns))
	}
}

func TestEnsureKeepsTheUser(t *testing.T) {
	t.Parallel()
	u := New(NewMemory(), NewHasher(cheap), false)
	for _, password := range []string{"the first password", "the second password"} {
		if err := u.Ensure(t.Context(), "demo", password); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Authenticate(t.Context(), "demo", "the first password"); err != nil {
		t.Errorf("the first password: %v", err)
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	u := New(NewMemory(), NewHasher(cheap), true)
	u.Refuse("a published password")
	if err := u.Ensure(t.Context(), "demo", "the password of demo"); err != nil {
		t.Fatal(err)
	}
	if err := u.Register(t.Context(), "ann", "the password of ann"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		id, old, next string
		want          error
	}{
		{"demo", "the password of demo", "another password", ErrFixed},
		{"nobody", openPassword, "another password", ErrFixed},
		{"ann", "the password of bob", "another password", ErrCredentials},
		{"ann", openPassword, "another password", ErrCredentials}, // which lets in, but is not hers
		{"ann", "", "another password", ErrCredentials},
		{"ann", "the password of ann", "another password", nil},
		{"ann", "the password of ann", "another password", nil}, // the answer was lost
		{"ann", "the password of ann", "a third password", ErrCredentials},
	} {
		if err := u.Change(t.Context(), test.id, test.old, test.next); !errors.Is(err, test.want) {
			t.Errorf("change %q from %q to %.20q: got %v, want %v", test.id, test.old, test.next, err, test.want)
		}
	}
	wantRule(t, "change to a short one", u.Change(t.Context(), "ann", "another password", "fourteen chars"), TooShort)
	wantRule(t, "change to a published one", u.Change(t.Context(), "ann", "another password", "a published password"), Common)
	for password, want := range map[string]error{"another password": nil, "the password of ann": ErrCredentials} {
		if err := u.Authenticate(t.Context(), "ann", password); !errors.Is(err, want) {
			t.Errorf("log in with %q: got %v, want %v", password, err, want)
		}
	}
	if err := u.Authenticate(t.Context(), "demo", "the password of demo"); err != nil {
		t.Errorf("log in as the demo's user: %v", err)
	}
}

// overtaken is a directory in which somebody else changes each hash right before it is replaced.
type overtaken struct{ *Memory }

func (o overtaken) Replace(ctx context.Context, userID, old, next string) (bool, error) {
	if _, err := o.Memory.Replace(ctx, userID, old, "overtaken"); err != nil {
		return false, err
	}
	return o.Memory.Replace(ctx, userID, old, next)
}

// TestChangesAtOnce: of two changes at once one wins, and the other one's old password was wrong.
func TestChangesAtOnce(t *testing.T) {
	t.Parallel()
	u := New(overtaken{NewMemory()}, NewHasher(cheap), false)
	if err := u.Register(t.Context(), "ann", "the password of ann"); err != nil {
		t.Fatal(err)
	}
	if err := u.Change(t.Context(), "ann", "the password of ann", "another password"); !errors.Is(err, ErrCredentials) {
		t.Errorf("got %v, want ErrCredentials", err)
	}
	if hash, _, _ := u.directory.Hash(t.Context(), "ann"); hash != "overtaken" {
		t.Errorf("the other one's change is gone")
	}
}

func TestHashFormat(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap)
	one, err := h.Hash(t.Context(), "a password")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := h.Hash(t.Context(), "a password")
	if one == two || !strings.HasPrefix(one, "$argon2id$v=19$m=8,t=1,p=1$") || strings.Contains(one, "a password") {
		t.Errorf("got %s and %s", one, two)
	}
	for _, bad := range []string{
		"", "plain", one[:len(one)-1], one + "A", one + "$", strings.Replace(one, "m=8", "m=4294967295", 1),
		strings.Replace(one, "t=1", "t=0", 1), strings.Replace(one, "v=19", "v=16", 1), strings.Replace(one, "argon2id", "argon2i", 1),
	} {
		if ok, err := h.Matches(t.Context(), bad, "a password"); ok || !errors.Is(err, errHash) {
			t.Errorf("hash %q: got %v, %v; want errHash", bad, ok, err)
		}
	}
}
