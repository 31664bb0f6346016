package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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
	_, tokens, err := other.Refresh(t.Context(), older.RefreshToken, session.RefreshOptions{}) // its successor, under the new key
	if err != nil {
		t.Fatal(err)
	}
	_, another, err := other.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrUnauthorised) {
		t.Errorf("in the outage: got %v, want ErrUnavailable", err)
	}
	// Among several of its session it may be the newest: an older one must not be presented in its stead. But who has planted something of
	// the right form must not keep others from being presented.
	got := m.RankRefreshTokens(t.Context(), []string{another.RefreshToken, older.RefreshToken, tokens.RefreshToken})
	if !slices.Equal(got, []string{tokens.RefreshToken, older.RefreshToken, another.RefreshToken}) {
		t.Errorf("of three in a jar, the unknown one of a known session is not the first, or the one of another not the last: %v", got)
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

// service is a key management service that can be away, or keep its callers waiting.
type service struct {
	session.KeyEncryption
	away    atomic.Bool
	waiting chan struct{} // if set: is told of each call, which then waits for hold
	hold    chan struct{}
}

func newService(t *testing.T) *service {
	t.Helper()
	encryption, err := session.NewKeyEncryption(session.EncryptionKey{Version: 1, Secret: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return &service{KeyEncryption: encryption}
}

func (s *service) Open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	if s.away.Load() {
		return nil, fmt.Errorf("the service is away: %w", context.DeadlineExceeded)
	}
	if s.waiting != nil {
		s.waiting <- struct{}{}
		<-s.hold
	}
	return s.KeyEncryption.Open(ctx, sealed, associated)
}

// The same where the keys are read, and the service that opens them is away or takes its time.
func TestI9UnopenedKeysLogNobodyOut(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	clock := func() time.Time { return time.Unix(1_800_000_000+passed.Load(), 0) }
	store, opener := memstore.New(clock), newService(t)
	cut := &deafStore{Store: store}
	other, err := session.New(t.Context(), store, session.Config{Clock: clock, KeyEncryption: newService(t)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := session.New(t.Context(), cut, session.Config{Clock: clock, KeyEncryption: opener})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.RotateNow(t.Context(), session.PurposeRefresh, "a test", false); err != nil {
		t.Fatal(err)
	}
	passed.Add(int64(session.DefaultKeyPropagation/time.Second) + 1)
	_, tokens, err := other.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	unavailable := func(when string) {
		t.Helper()
		if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", when, err)
		}
	}
	opener.away.Store(true)
	unavailable("the service is away")
	opener.away.Store(false)
	cut.away.Store(true)
	passed.Add(2)
	unavailable("the store is away")

	// The keys can be read again, and are being opened.
	cut.away.Store(false)
	opener.waiting, opener.hold = make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	<-opener.waiting
	unavailable("the key is being opened")
	close(opener.hold)
	for i := 0; ; i++ {
		_, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{})
		if err == nil {
			break
		}
		if !errors.Is(err, session.ErrUnavailable) || i > 10_000 {
			t.Fatalf("afterwards: got %v, want new tokens", err)
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
}
