package session

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// RankAccessTokens orders a request's access tokens: those that this deployment signed and that have not expired, in the order that
// RankRefreshTokens would have their sessions, the newest of each first, and after them the others. It does not ask the store. A
// client whose cookie jar holds several of one name sends them all.
func (m *Manager) RankAccessTokens(ctx context.Context, candidates []string) []string {
	type issued struct {
		token, session string
		at             time.Time
	}
	var (
		good   []issued
		others []string
	)
	now := m.cfg.Clock()
	for _, c := range candidates {
		verified, _, flaw := m.verified.parse(c, m.keys.accessKey(ctx, now), accesstoken.Expected{
			Issuer: m.cfg.Issuer, Audience: m.cfg.Audience, Now: now,
		})
		if flaw != accesstoken.Flawless {
			others = append(others, c)
			continue
		}
		claims := &verified.claims
		at := claims.StoreTime // to the millisecond, and the same clock for all
		if at.IsZero() {
			at = claims.IssuedAt
		}
		good = append(good, issued{c, claims.Session, at})
	}
	slices.SortStableFunc(good, func(a, b issued) int { // handles in text are ordered by time, as in binary
		return cmp.Or(strings.Compare(b.session, a.session), b.at.Compare(a.at))
	})
	ranked := make([]string, len(good))
	for i, g := range good {
		ranked[i] = g.token
	}
	return append(ranked, others...)
}

// RankRefreshTokens returns those of a request's refresh tokens that this deployment minted, the newest of each session, the
// session first that began last, and last of all those whose key was cut off, without asking the store for any. A client
// whose cookie jar holds several of one name sends them all; an older one must not be taken for a thief's. One of which nobody can say
// whether it was minted, since the keys could not be read, comes before the others of the session that it names, in case it is
// newer, and after all other sessions, in case somebody has planted it: Refresh says ErrUnavailable of it.
func (m *Manager) RankRefreshTokens(ctx context.Context, candidates []string) []string {
	var (
		tokens, lost []refreshtoken.Token
		unread       = map[Handle]string{}
	)
	for _, c := range candidates {
		t, _, err := m.keys.openRefresh(ctx, c)
		var cutOff *EndedError
		switch {
		case err == nil:
			tokens = append(tokens, t)
		case errors.As(err, &cutOff):
			lost = append(lost, t)
		case errors.Is(err, ErrUnavailable):
			unread[refreshtoken.Claimed(c)] = c
		}
	}
	slices.SortStableFunc(tokens, func(a, b refreshtoken.Token) int {
		first, second := a.Handle(), b.Handle()
		return cmp.Or(bytes.Compare(second[:], first[:]), b.MintedAt().Compare(a.MintedAt()))
	})
	var ranked []string
	seen := map[Handle]bool{}
	add := func(tokens []refreshtoken.Token) {
		for _, t := range tokens {
			if seen[t.Handle()] {
				continue
			}
			seen[t.Handle()] = true
			if newer, ok := unread[t.Handle()]; ok {
				ranked = append(ranked, newer)
				delete(unread, t.Handle())
			}
			ranked = append(ranked, t.String())
		}
	}
	add(tokens)
	for _, c := range candidates {
		h := Handle(refreshtoken.Claimed(c))
		if left, ok := unread[h]; ok && left == c {
			ranked = append(ranked, c)
			delete(unread, h)
		}
	}
	add(lost)
	return ranked
}
