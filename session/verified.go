package session

import (
	"encoding/json"
	"hash/maphash"
	"math/bits"
	"strings"
	"sync/atomic"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// verifiedTokens remembers access tokens whose signatures were good, so that those of the following requests cost no cryptography and no
// JSON. It remembers what cannot change: by which key a token is signed, and its claims. Everything else is asked anew each time.
//
// It is a table of sets, in which readers and writers need no locks: a token that is overwritten, or read while it is, is a token that
// is verified once more. Readers write nothing, so that processors do not wait for each other.
type verifiedTokens struct {
	seed maphash.Seed // secret: nobody can choose tokens that displace each other
	sets []verifiedSet
}

// ways is how many tokens a set holds.
const ways = 4

// verifiedSet fits into a cache line. A hash tells which token is worth a look; it may be that of one that was there before.
type verifiedSet struct {
	hashes [ways]atomic.Uint64
	tokens [ways]atomic.Pointer[verifiedToken]
}

// verifiedToken is not changed once it is made.
type verifiedToken struct {
	token  string
	header string // its first segment
	key    *accesstoken.Key
	claims accesstoken.Claims
	facts  facts // of the claims
}

// maxVerified is the length of the longest token that is remembered, in bytes: with half a kilobyte beside it, it bounds the memory of each.
// It is what a cookie can carry.
const maxVerified = 4 << 10

// hashed is how much of a token its hash is of: its end, which is the signature's, and so tells tokens apart that have been verified.
const hashed = 64

// newVerifiedTokens makes room for at least n tokens; for none if n is negative.
func newVerifiedTokens(n int) *verifiedTokens {
	v := &verifiedTokens{seed: maphash.MakeSeed()}
	if n > 0 {
		v.sets = make([]verifiedSet, 1<<bits.Len(uint((n-1)/ways)))
	}
	return v
}

// parse verifies a token, whose key keys finds by its first segment, unless it has done so before: then it was known. Without a flaw the
// result is not nil.
func (v *verifiedTokens) parse(token string, keys func(header string) *accesstoken.Key, want accesstoken.Expected) (t *verifiedToken, known bool, flaw accesstoken.Flaw) {
	remembers := len(v.sets) > 0 && len(token) <= maxVerified
	var (
		set  *verifiedSet
		hash uint64
	)
	if remembers {
		hash = maphash.String(v.seed, token[max(len(token)-hashed, 0):])
		set = &v.sets[hash%uint64(len(v.sets))]
		if known := set.find(hash, token); known != nil && keys(known.header) == known.key {
			if flaw := known.claims.Flaw(&want); flaw != accesstoken.Flawless {
				return nil, true, flaw
			}
			return known, true, accesstoken.Flawless
		}
	}
	claims, key, flaw := accesstoken.Judge(token, keys, want)
	if flaw != accesstoken.Flawless {
		return nil, false, flaw
	}
	handle, err := ParseHandle(claims.Session)
	if err != nil {
		return nil, false, accesstoken.Unsound
	}
	verified := &verifiedToken{header: key.Header(), key: key, claims: claims, facts: facts{
		handle: handle, userID: claims.Subject, payload: claims.Payload, expires: claims.ExpiresAt, authAt: claims.AuthTime, mark: claims.RefreshMark,
	}}
	if claims.Payload == nil {
		verified.facts.payload = json.RawMessage("null")
	}
	if remembers {
		verified.token = strings.Clone(token) // it may be a part of a request's header, which would be kept with it
		set.add(hash, verified)
	}
	return verified, false, accesstoken.Flawless
}

// find returns a token of the set, or nil. The comparison need not be in constant time: whoever has not seen the token cannot know which
// text has its hash.
func (s *verifiedSet) find(hash uint64, token string) *verifiedToken {
	for i := range s.hashes {
		if s.hashes[i].Load() != hash {
			continue
		}
		if known := s.tokens[i].Load(); known != nil && known.token == token {
			return known
		}
	}
	return nil
}

// add takes a token into the set, in a place that is free, or in that of the one which expires first.
func (s *verifiedSet) add(hash uint64, t *verifiedToken) {
	place, first := 0, s.tokens[0].Load()
	for i := range s.tokens {
		other := s.tokens[i].Load()
		if other == nil || other.token == t.token { // by a request beside this one, or under a key that was loaded anew
			place = i
			break
		}
		if other.claims.ExpiresAt.Before(first.claims.ExpiresAt) {
			place, first = i, other
		}
	}
	s.tokens[place].Store(t)
	s.hashes[place].Store(hash)
}
