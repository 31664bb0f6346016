package session_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// deafStore does not give its keys while it is away.
type deafStore struct {
	session.Store
	away atomic.Bool
}

func (s *deafStore) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	if s.away.Load() {
		return nil, time.Time{}, session.ErrUnavailable
	}
	return s.Store.Keys(ctx)
}

// I9, I5: a process that could not read the keys for as long as it takes until a new one signs gets refresh tokens whose key it does
// not know. It must not take them for forged, neither in the outage nor within the moment after it in which it does not look again: that
// would log their clients out.
func TestI9UnreadKeysLogNobodyOut(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	clock := func() time.Time { return time.Unix(1_800_000_000+passed.Load(), 0) }
	store := memstore.New(clock)
	cut := &deafStore{Store: store}
	cfg := session.Config{Clock: clock}
	var managers [2]*session.Manager
	for i, s := range []session.Store{store, cut} {
		m, err := session.New(t.Context(), s, cfg)
		if err != nil {
			t.Fatal(err)
		}
		managers[i] = m
	}
	other, m := managers[0], managers[1]

	_, older, err := other.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cut.away.Store(true)
	if err := other.RotateNow(t.Context(), session.PurposeRefresh, "a test", false); err != nil {
		t.Fatal(err)
	}
	passed.Add(int64(session.DefaultKeyPropagation/time.Second) + 1)
	_, tokens, err := other.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrUnauthorised) {
		t.Errorf("in the outage: got %v, want ErrUnavailable", err)
	}
	// Among several in a jar, it may be the newest: an older one must not be presented in its stead.
	if got := m.RankRefreshTokens(t.Context(), []string{older.RefreshToken, tokens.RefreshToken}); len(got) != 2 || got[0] != tokens.RefreshToken {
		t.Errorf("of two in a jar, the unknown one is not first: %v", got)
	}
	cut.away.Store(false)
	if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrUnauthorised) {
		t.Errorf("right after the outage: got %v, want ErrUnavailable", err)
	}
	passed.Add(2)
	if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); err != nil {
		t.Errorf("two seconds later: got %v, want new tokens", err)
	}

	// What is not the form of a token, or whose key is known, is told from such a token as ever.
	cut.away.Store(true)
	passed.Add(2)
	known := tokens.RefreshToken
	forged := strings.Replace(known, known[len(known)-4:], "AAAA", 1)
	for _, garbage := range []string{"", "garbage", forged} {
		if _, _, err := m.Refresh(t.Context(), garbage, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("refresh with %q in an outage: got %v, want ErrUnauthorised", garbage, err)
		}
	}
}

// The same where the caller's context ends before anybody has had an answer.
func TestI9UnreadKeysAndAnImpatientCaller(t *testing.T) {
	t.Parallel()
	store := memstore.New(nil)
	first, err := session.New(t.Context(), store, session.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, tokens, err := first.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := session.New(t.Context(), memstore.New(nil), session.Config{}) // which has not read that key
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := elsewhere.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if _, _, err := elsewhere.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
		t.Errorf("without haste: got %v, want ErrUnauthorised", err)
	}
}
