package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// Manager creates, verifies, refreshes and ends sessions. It is safe for concurrent use; a process needs one.
type Manager struct {
	store      Store
	cfg        Config
	policy     policy
	keys       *keychain
	verified   *verifiedTokens
	confirmed  *confirmations
	refreshes  *coalescer
	tombstones *tombstones
	counts     *counters
	events     *events
	feed       *feed // nil without RevocationFeed
	doubts     doubts
	lost       undelivered
}

// New makes a Manager over a store whose schema is in place, and makes the store's first signing keys if there are none.
// The errors match ErrInvalidConfig or ErrUnavailable.
func New(ctx context.Context, store Store, cfg Config) (*Manager, error) {
	if store == nil {
		return nil, fmt.Errorf("%w: a store is required", ErrInvalidConfig)
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	counts := newCounters()
	m := &Manager{
		store:      store,
		policy:     policy{grace: cfg.Grace, handOuts: cfg.MaxHandOuts},
		verified:   newVerifiedTokens(cfg.VerifiedTokens),
		confirmed:  newConfirmations(),
		refreshes:  newCoalescer(),
		tombstones: newTombstones(),
		counts:     counts,
		events:     &events{hook: cfg.OnEvent, clock: cfg.Clock, logger: cfg.Logger, counts: counts},
	}
	bounded, cancel := context.WithTimeout(ctx, cfg.StoreTimeout)
	defer cancel()
	if m.keys, err = openKeychain(bounded, store, cfg, m.events); err != nil {
		return nil, err
	}
	if cfg.Revocation == "" || cfg.Revocation == RevocationFeed {
		var storeNow time.Time
		if cfg.KeySource == nil { // else the keys' clock is not the store's
			storeNow = m.keys.storeNow()
		}
		m.feed, err = openFeed(ctx, store, cfg, m.keys, storeNow)
		switch {
		case err == nil:
			cfg.Revocation = RevocationFeed
		case errors.Is(err, errors.ErrUnsupported) && cfg.Revocation == "":
			cfg.Revocation, m.feed = RevocationOff, nil
		case errors.Is(err, errors.ErrUnsupported):
			return nil, fmt.Errorf("%w: Revocation is %q, but the store keeps no feed", ErrInvalidConfig, cfg.Revocation)
		default:
			return nil, err
		}
	}
	if err := cfg.strict(); err != nil { // what becomes of Revocation depends on the store
		return nil, err
	}
	m.cfg = cfg
	return m, nil
}

// Now returns the time by Config.Clock.
func (m *Manager) Now() time.Time { return m.cfg.Clock() }

// IdleLifetime returns the configured one.
func (m *Manager) IdleLifetime() time.Duration { return m.cfg.IdleLifetime }

// storeContext bounds what one operation may wait for the store.
func (m *Manager) storeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, m.cfg.StoreTimeout)
}

// CreateOptions are the options of Create.
type CreateOptions struct {
	// Payload goes into every access token of the session, where the client and every service can read it: any value
	// that encoding/json encodes, or a json.RawMessage, whose bytes are kept but for white space around it.
	Payload any
	// Data stays in the store: any value that encoding/json encodes, or a json.RawMessage, whose bytes are kept.
	Data any
	// Device is what the request shows of the client. Adapters fill it in.
	Device Device
	// Label is a name for the session in the user's list: up to 64 printable characters.
	Label string
	// MaxAccessToken is the length of the longest access token that the client's transport can carry, in bytes; zero:
	// 8192, which is the longest that Verify looks at.
	MaxAccessToken int
	// AntiCSRF binds a token of the session into its access tokens, which the client is given beside them, and has to show that it
	// knows; see VerifyOptions.CheckAntiCSRF. For clients whose cookies a page of somebody else could have sent.
	AntiCSRF bool
}

// Create starts a session for a user who has just proved who they are, and returns what the client gets to hold.
//
// The errors match ErrInvalidUserID, ErrInvalidLabel, ErrInvalidJSON, ErrTooLarge, ErrSessionLimit or ErrUnavailable. Only the
// last may leave a session behind.
func (m *Manager) Create(ctx context.Context, userID string, opts CreateOptions) (_ *Session, _ Tokens, err error) {
	ctx, done := m.begin(ctx, OpCreate)
	defer func() { done(err) }()
	if !validUserID(userID) {
		return nil, Tokens{}, ErrInvalidUserID
	}
	if !validLabel(opts.Label) {
		return nil, Tokens{}, ErrInvalidLabel
	}
	payload, err := encodePayload(opts.Payload)
	if err != nil {
		return nil, Tokens{}, err
	}
	data, err := m.encodeData(opts.Data)
	if err != nil {
		return nil, Tokens{}, err
	}
	now := m.cfg.Clock()
	handle, err := newHandle(now, m.cfg.Random)
	if err != nil {
		return nil, Tokens{}, fmt.Errorf("create session: %w", err)
	}
	version, err := m.newVersion()
	if err != nil {
		return nil, Tokens{}, fmt.Errorf("create session: %w", err)
	}
	m.keys.keepUp(ctx)
	storeTime := m.storeTime() // before the session is there, so that nothing that ends it is older
	signer, _ := m.keys.refreshSigner(m.keys.now())
	refresh, err := refreshtoken.New(signer, handle, m.cfg.Random)
	if err != nil {
		return nil, Tokens{}, fmt.Errorf("create session: %w", err)
	}

	grant := grant{
		handle: handle, userID: userID, payload: payload, refresh: refresh, key: signer, at: now, storeTime: storeTime, authAt: now,
		left: m.cfg.AbsoluteLifetime, remaining: m.cfg.IdleLifetime, antiCSRF: opts.AntiCSRF,
	}
	s, tokens, err := m.issue(grant)
	if err != nil {
		return nil, Tokens{}, fmt.Errorf("create session: %w", err)
	}
	if err := fits(tokens.AccessToken, opts.MaxAccessToken); err != nil {
		return nil, Tokens{}, err
	}
	row := NewRow{
		Handle: handle, UserID: userID, Current: refresh.Mark(), Device: m.cfg.device(opts.Device), Label: opts.Label,
		Payload: payload, Data: data, DataVersion: version, Lifetimes: m.cfg.lifetimes(),
	}
	if err := m.insertWithinLimit(ctx, row); err != nil {
		return nil, Tokens{}, fmt.Errorf("create session: %w", err)
	}
	m.events.emit(Event{Kind: EventCreated, Handle: handle, UserID: userID, Device: row.Device})
	return s, tokens, nil
}

// laterExtra is what a later token of the session may be longer by than its first, in bytes: the unc claim, a fraction in
// exp, an anti-CSRF token, should that be switched on, and the store's time, should that not be known at first.
const laterExtra = 20 + 43 + 27

// storeTime is a moment by the store's clock that is not after now; zero: that clock is not known.
func (m *Manager) storeTime() time.Time {
	var now time.Time
	if m.feed != nil {
		now = m.feed.storeNow()
	}
	if m.cfg.KeySource == nil { // else the keys' clock is not the store's
		now = later(now, m.keys.storeNow())
	}
	return now
}

// fits refuses a payload with which a later token of the session would be too long.
func fits(accessToken string, limit int) error {
	if limit <= 0 || limit > accesstoken.MaxLen {
		limit = accesstoken.MaxLen
	}
	if size := len(accessToken) + laterExtra; size > limit {
		return fmt.Errorf("%w: the access token would be %d bytes with this payload, at most %d fit", ErrTooLarge, size, limit)
	}
	return nil
}

// insert adds the row, once: when the first answer was lost, a duplicate at the second attempt is our own row.
func (m *Manager) insert(ctx context.Context, row NewRow) error {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	err := m.store.Insert(ctx, row)
	if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		if err = m.store.Insert(ctx, row); errors.Is(err, ErrDuplicate) {
			return nil
		}
	}
	return err
}

// grant is everything that a pair of tokens is made from.
type grant struct {
	handle      Handle
	userID      string
	payload     json.RawMessage
	refresh     refreshtoken.Token
	key         *refreshtoken.Key // that signed refresh
	unconfirmed bool              // refresh is not known to have arrived
	kept        bool              // refresh is the token that the client presented
	antiCSRF    bool              // the client is to have an anti-CSRF token
	at          time.Time         // by this process's clock
	storeTime   time.Time         // by the store's, not after; zero: not known
	authAt      time.Time         // when the user last proved who they are, by this process's clock
	remaining   time.Duration     // from then until the session ends if nobody refreshes it
	left        time.Duration     // from then until it ends in any case
	result      refreshResult     // of the refresh that it is the outcome of
}

// intact refuses a row that somebody has damaged, since Create takes neither: the payload is spliced into tokens as it is, and a user
// id that is not UTF-8 would become another one. It is asked before anything is written, so that nobody's attempts count.
func intact(row Row) error {
	if !validUserID(row.UserID) || len(row.Payload) > 0 && (!utf8.Valid(row.Payload) || !json.Valid(row.Payload)) {
		return fmt.Errorf("session %s: its user id or payload in the store is corrupted", row.Handle)
	}
	return nil
}

// issue makes the tokens of a grant. They expire relative to its moment, so that the store's clock and this process's need
// not agree, and no access token outlives its session.
func (m *Manager) issue(g grant) (*Session, Tokens, error) {
	now := g.at
	mark := g.refresh.Mark()
	claims := accesstoken.Claims{
		Issuer: m.cfg.Issuer, Audience: m.cfg.Audience,
		Subject: g.userID, Session: g.handle.String(),
		IssuedAt: now, ExpiresAt: now.Add(min(m.cfg.accessLifetime(mark), g.remaining, g.left)),
		StoreTime: g.storeTime, AuthTime: g.authAt,
		RefreshMark: mark, Unconfirmed: g.unconfirmed,
		Payload: g.payload,
	}
	if g.antiCSRF {
		claims.AntiCSRF = g.key.AntiCSRF(g.handle)
	}
	access, err := m.keys.accessSigner().Sign(claims)
	if err != nil {
		return nil, Tokens{}, err
	}
	tokens := Tokens{
		IssuedAt:       now,
		AccessToken:    access,
		AccessExpires:  claims.ExpiresAt,
		RefreshExpires: now.Add(min(g.remaining, g.left)),
		AntiCSRF:       claims.AntiCSRF,
		ID:             generationID(mark),
	}
	if !g.kept {
		tokens.RefreshToken = g.refresh.String()
	}
	return &Session{manager: m, facts: &facts{
		handle: g.handle, userID: g.userID, payload: g.payload, expires: claims.ExpiresAt, authAt: g.authAt.Truncate(time.Second), mark: mark,
	}}, tokens, nil
}

// generationID makes the public id of a generation from its mark, so that it is the same however often that generation
// is handed out.
func generationID(mark Mark) string {
	sum := sha256.Sum256(append([]byte("watchword generation id v1"), mark[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
