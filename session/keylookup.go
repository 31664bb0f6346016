package session

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// accessKey finds the key of an access token by its first segment, for a request that came just now; or returns nil.
func (k *keychain) accessKey(ctx context.Context, now time.Time) func(segment string) *accesstoken.Key {
	return func(segment string) *accesstoken.Key {
		known := k.ring.Load().access[segment]
		if known == nil && oursByForm(segment) {
			k.lookAgain(ctx, true, unknownKeyPause)
			known = k.ring.Load().access[segment] // also if somebody else has just looked
			now = k.cfg.Clock()
		}
		if known == nil || !known.good(k.storeTime(now)) {
			return nil
		}
		return known.key
	}
}

// oursByForm reports whether a token's first segment is one that a process of this deployment might have written.
func oursByForm(segment string) bool {
	kid, err := accesstoken.ParseHeader(segment)
	if err == nil {
		_, err = parseKeyID(kid)
	}
	return err == nil
}

// openRefresh authenticates a refresh token, and returns the key that signed it. The errors are ErrUnauthorised: no process of this
// deployment has minted it; an EndedError, together with the token: its key was cut off; ErrUnavailable: it names a key that is
// not known here, and the keys could not be read, so that another process may have minted it.
func (k *keychain) openRefresh(ctx context.Context, text string) (refreshtoken.Token, *refreshtoken.Key, error) {
	var (
		known  *ringKey[*refreshtoken.Key]
		unread bool
	)
	token, key, err := refreshtoken.Open(text, func(id refreshtoken.KeyID) *refreshtoken.Key {
		ring := k.ring.Load()
		if known = ring.refresh[id]; known == nil {
			k.lookAgain(ctx, true, unknownKeyPause)
			ring = k.ring.Load() // also if somebody else has just looked
			known = ring.refresh[id]
		}
		if known == nil {
			unread = ring.outdated || ring.closed[base64.RawURLEncoding.EncodeToString(id[:])] || ctx.Err() != nil
			return nil
		}
		return known.key
	})
	now := k.now()
	switch {
	case unread:
		return refreshtoken.Token{}, nil, fmt.Errorf("%w: the signing keys have not been read", ErrUnavailable)
	case err != nil:
	case known.good(now):
		return token, key, nil
	case !known.cutOff.IsZero() && !now.Before(known.cutOff):
		return token, nil, &EndedError{Handle: token.Handle(), Reason: ReasonKeyCompromise}
	}
	return refreshtoken.Token{}, nil, ErrUnauthorised
}
