package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Reason says why a session ended. It is a stable code, for programs and for the client that is refused.
type Reason string

// The reasons.
const (
	ReasonTheft          Reason = "theft"            // its refresh token was in two hands
	ReasonIdle           Reason = "idle"             // nobody refreshed it for Config.IdleLifetime
	ReasonAbsolute       Reason = "absolute"         // it reached Config.AbsoluteLifetime
	ReasonLogout         Reason = "logout"           // its own client ended it
	ReasonRevoked        Reason = "revoked"          // an administrator or the application ended it
	ReasonRevokedByUser  Reason = "revoked_by_user"  // the user ended it from elsewhere
	ReasonLimit          Reason = "session_limit"    // the user began more than Config.MaxSessions
	ReasonPasswordChange Reason = "password_changed" // the user's credentials were changed
	ReasonKeyCompromise  Reason = "key_compromised"  // the keys of refresh tokens were cut off
)

// reasons are the above, in an order that is never changed; an index into it fits into the memory of the feed.
var reasons = []Reason{
	ReasonRevoked, ReasonTheft, ReasonIdle, ReasonAbsolute, ReasonLogout, ReasonRevokedByUser, ReasonLimit,
	ReasonPasswordChange, ReasonKeyCompromise,
}

// known reports whether a reason is one of the above.
func (r Reason) known() bool {
	for _, k := range reasons {
		if r == k {
			return true
		}
	}
	return false
}

// Ending describes how a session ended. It is kept for Config.EndingRetention.
type Ending struct {
	Handle      Handle
	UserID      string
	Reason      Reason
	EndedAt     time.Time // by the store's clock, as the others
	CreatedAt   time.Time
	RefreshedAt time.Time
	Device      Device // of the session, as of its last refresh
	Label       string
	Theft       *Theft // with ReasonTheft; nil if another session of the user was stolen
}

// Theft is what is known of the theft of a refresh token.
type Theft struct {
	Kind TheftKind `json:"kind"`
	// Generations is by how many refreshes the presented token was behind the newest one that the client is known to hold.
	Generations int `json:"generations"`
	// SinceRotation is how long before that the client was found to hold the newer one; zero if it never was.
	SinceRotation time.Duration `json:"sinceRotation"`
	Device        Device        `json:"device"`    // of the session, as of its last refresh
	Presenter     Device        `json:"presenter"` // of the request that gave the theft away; it may be the owner's
}

func (e Ended) ending(cfg Config) Ending {
	ending := Ending{
		Handle: e.Handle, UserID: e.UserID, Reason: e.Reason, EndedAt: e.EndedAt, CreatedAt: e.CreatedAt,
		RefreshedAt: e.refreshedAt(), Device: cfg.shown(e.Device), Label: e.Label,
	}
	if e.Reason == ReasonTheft && len(e.Detail) > 0 {
		var theft Theft
		if json.Unmarshal(e.Detail, &theft) == nil {
			theft.Device, theft.Presenter = cfg.shown(theft.Device), cfg.shown(theft.Presenter)
			ending.Theft = &theft
		}
	}
	return ending
}

// Endings lists how a user's sessions ended, newest first. Config.Lists answers, if set. ErrInvalidUserID, ErrInvalidPage or ErrUnavailable.
func (m *Manager) Endings(ctx context.Context, userID string, page EndingsPage) (_ []Ending, err error) {
	ctx, done := m.begin(ctx, OpEndings)
	defer func() { done(err) }()
	if !validUserID(userID) {
		return nil, ErrInvalidUserID
	}
	if page.Limit, err = pageLimit(page.Limit); err != nil {
		return nil, err
	}
	ended, err := listed(ctx, m, func(ctx context.Context, from Lister) ([]Ended, error) {
		return from.Endings(ctx, userID, page)
	})
	if err != nil {
		return nil, fmt.Errorf("list endings: %w", err)
	}
	endings := make([]Ending, len(ended))
	for i, e := range ended {
		endings[i] = e.ending(m.cfg)
	}
	return endings, nil
}

// gone is the answer to somebody whose session the store does not know as live: an EndedError with the reason where there
// is a record of it. A session that has only expired is ended for good.
func (m *Manager) gone(ctx context.Context, h Handle) error {
	if h.IsZero() {
		return &EndedError{} // the zero handle stands for any session in EndExpired
	}
	id, err := m.newVersion()
	if err != nil {
		return &EndedError{Handle: h}
	}
	expired, lost := m.store.EndExpired(ctx, h, m.cfg.AbsoluteLifetime, id, 1)
	if lost == nil && len(expired) > 0 {
		m.emitEnded(expired)
		return m.tombstones.add(h, expired[0].Reason, m.cfg.Clock())
	}
	ended, err := m.store.Ending(ctx, h)
	if lost == nil && errors.Is(err, ErrNotFound) {
		return m.tombstones.add(h, "", m.cfg.Clock())
	}
	if err != nil {
		return &EndedError{Handle: h}
	}
	if lost != nil && ended.ID == id { // it was this call nevertheless
		m.emitEnded([]Ended{ended})
	}
	return m.tombstones.add(h, ended.Reason, m.cfg.Clock())
}
