package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// TestVerifiedTokensAreBounded: there are as many as there is room for, those that live longest, and none twice.
func TestVerifiedTokensAreBounded(t *testing.T) {
	t.Parallel()
	for n, room := range map[int]int{-1: 0, 1: 4, 4: 4, 5: 8, 100: 128, 8192: 8192} {
		if v := newVerifiedTokens(n); len(v.sets)*ways != room {
			t.Errorf("%d: got room for %d, want %d", n, len(v.sets)*ways, room)
		}
	}
	begin := time.UnixMilli(1_760_000_000_000)
	var set verifiedSet
	for i := range 20 {
		minutes := i * 7 % 20
		token := &verifiedToken{token: fmt.Sprint(minutes), claims: accesstoken.Claims{ExpiresAt: begin.Add(time.Duration(minutes) * time.Minute)}}
		for range 2 {
			set.add(uint64(minutes), token)
		}
	}
	if got := set.find(13, "another"); got != nil {
		t.Errorf("a token with the hash of another: got %q", got.token)
	}
	held := map[string]bool{}
	for minutes := range 20 {
		if set.find(uint64(minutes), fmt.Sprint(minutes)) != nil {
			held[fmt.Sprint(minutes)] = true
		}
	}
	// The last in is in, whenever it expires.
	if len(held) != ways || !held["19"] || !held["18"] || !held["17"] || !held["13"] {
		t.Errorf("got %v, want 13, which came last, and 17 to 19", held)
	}
}
