package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// TestI5RotationIsSilentOnMySQL: four processes on one database rotate access keys every two seconds under traffic. No live
// token is refused, and no process leaves a goroutine behind.
//
// It is not parallel, so that a goroutine which is left is one of its own.
func TestI5RotationIsSilentOnMySQL(t *testing.T) {
	dsn := mysqltest.Database(t)
	openAt(t, dsn, unlimited) // migrates, and waits for nothing below
	before := goleak.IgnoreCurrent()
	const (
		processes = 4
		lifetime  = 4 * time.Second
	)
	cfg := session.Config{
		AccessLifetime: lifetime, IdleLifetime: time.Minute, Grace: 200 * time.Millisecond,
		AccessKeyRotation: 2 * time.Second, RefreshKeyRotation: 4 * time.Second,
		KeyPropagation: 2 * time.Second, KeyPollInterval: 100 * time.Millisecond, // a busy machine may be late
	}
	ctx, stop := context.WithCancel(t.Context())
	var (
		runs     sync.WaitGroup
		managers []*session.Manager
		stores   []*mysql.Store
	)
	for range processes {
		store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
		if err != nil {
			t.Fatal(err)
		}
		unlimited(store.DB())
		m := manager(t, store, cfg)
		runs.Go(func() { m.Run(ctx) })
		managers, stores = append(managers, m), append(stores, store)
	}
	pick := func() *session.Manager { return managers[rand.IntN(processes)] }

	until := time.Now().Add(12 * time.Second)
	var clients sync.WaitGroup
	var mu sync.Mutex
	kids, verified := map[string]bool{}, 0
	for n := range 6 {
		clients.Go(func() {
			_, tokens, err := pick().Create(t.Context(), fmt.Sprint("user", n), session.CreateOptions{})
			if err != nil {
				t.Errorf("create: %v", err)
				return
			}
			refresh := tokens.RefreshToken
			var alive []session.Tokens
			for time.Now().Before(until) {
				_, tokens, err := pick().Refresh(t.Context(), refresh, session.RefreshOptions{})
				if err != nil {
					t.Errorf("refresh: %v", err)
					return
				}
				if tokens.RefreshToken != "" {
					refresh = tokens.RefreshToken
				}
				s, err := pick().Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{})
				if err != nil {
					t.Errorf("first use: %v", err)
					return
				}
				if renewed, ok := s.Renewed(); ok {
					tokens.AccessToken = renewed.AccessToken
				}
				alive = append(alive, tokens)
				mu.Lock()
				header, _, _ := strings.Cut(tokens.AccessToken, ".")
				kids[header] = true
				mu.Unlock()
				for _, tokens := range alive {
					if time.Until(tokens.AccessExpires) < 50*time.Millisecond {
						continue
					}
					if _, err := pick().Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
						t.Errorf("a live token, %v before its end: %v", time.Until(tokens.AccessExpires), err)
						return
					}
					mu.Lock()
					verified++
					mu.Unlock()
				}
				time.Sleep(rand.N(300 * time.Millisecond))
			}
		})
	}
	clients.Wait()
	keys, _, err := stores[0].Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sequences := map[string]int{}
	for _, k := range keys {
		sequences[fmt.Sprint(k.Purpose, k.Sequence)]++
	}
	for name, n := range sequences {
		if n != 1 {
			t.Errorf("%d keys are %s", n, name)
		}
	}
	t.Logf("%d verifications under %d access keys; %d keys in the store", verified, len(kids), len(keys))
	if len(kids) < 4 {
		t.Errorf("in 12 s of rotation every two seconds only %d access keys signed", len(kids))
	}
	stop()
	runs.Wait()
	for _, store := range stores {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := goleak.Find(before); err != nil {
		t.Errorf("a goroutine survives Run and Close: %v", err)
	}
}

// Keys in the database are sealed: what a copy of the table holds opens nothing, and the wrong key stops the start.
func TestSealedKeysOnMySQL(t *testing.T) {
	t.Parallel()
	store := open(t, "", unlimited)
	encryption := func(version uint32, fill byte) session.KeyEncryption {
		t.Helper()
		e, err := session.NewKeyEncryption(session.EncryptionKey{Version: version, Secret: []byte(strings.Repeat(string(rune(fill)), 32))})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	m := manager(t, store, session.Config{KeyEncryption: encryption(1, 'a'), Algorithm: session.RS256})
	_, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again := manager(t, store, session.Config{KeyEncryption: encryption(1, 'a'), Algorithm: session.RS256})
	if _, err := again.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
		t.Errorf("another process with the same key-encryption key: %v", err)
	}
	for name, cfg := range map[string]session.Config{
		"none": {}, "another secret": {KeyEncryption: encryption(1, 'b')}, "another version": {KeyEncryption: encryption(2, 'a')},
	} {
		_, err := session.New(t.Context(), store, cfg)
		if err == nil || errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "key") {
			t.Errorf("key-encryption key: %s: got %v, want a refusal that says what is wrong", name, err)
		}
	}
}
