package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
)

// keys looks whether there are signing keys, whether they open, and whether somebody rotates them.
func keys(ctx context.Context, p *Patient) ([]Result, error) {
	all, now, err := p.Store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	cfg := p.Settings.Session
	infos, err := cfg.DescribeKeys(all, now)
	if err != nil {
		return nil, err
	}
	var results []Result
	newest := map[session.KeyPurpose]session.KeyInfo{}
	unsealed, outdated := 0, 0
	for _, k := range infos {
		newest[k.Purpose] = k
		if !k.Sealed {
			unsealed++
		}
		if k.Sealed && k.Outdated {
			outdated++
		}
	}
	if len(newest) < 2 {
		return []Result{problem("start the application: it makes them", "there are no signing keys")}, nil
	}
	results = append(results, seals(cfg.KeyEncryption != nil, len(infos), unsealed, outdated)...)
	for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
		results = append(results, rotation(cfg, newest[purpose], now)...)
	}
	if have := newest[session.PurposeAccess].Algorithm; p.Settings.Given("ALGORITHM") && have != string(cfg.Algorithm) {
		results = append(results, warning("the application makes one of that kind when it runs with the same settings",
			"ALGORITHM is %s, and the newest access key is for %s", cfg.Algorithm, have))
	}
	results = append(results, open(ctx, p, all)...)
	if len(results) == 0 {
		results = append(results, ok("%d signing keys, and they open", len(infos)))
	}
	return results, nil
}

// seals says what is to be said of sealing.
func seals(encrypted bool, all, unsealed, outdated int) (results []Result) {
	switch {
	case !encrypted && unsealed > 0:
		results = append(results, note("set WATCHWORD_KEY_ENCRYPTION, here and in the application", "the keys are in the clear: who has a copy of the database can make access tokens"))
	case unsealed > 0:
		results = append(results, warning("if it was you who put them there, run `WATCHWORD_ACCEPT_UNSEALED_KEYS=1 watchword keys reseal`", "%d of %d keys are in the clear, though there is a key-encryption key", unsealed, all))
	}
	if outdated > 0 {
		results = append(results, note("run `watchword keys reseal`", "%d of %d keys are sealed with another than the first key-encryption key", outdated, all))
	}
	return results
}

// rotation says whether a purpose's keys are looked after.
func rotation(cfg session.Config, newest session.KeyInfo, now time.Time) []Result {
	every := or(cfg.RefreshKeyRotation, session.DefaultRefreshKeyRotation)
	if newest.Purpose == session.PurposeAccess {
		every = or(cfg.AccessKeyRotation, session.DefaultAccessKeyRotation)
	}
	const advice = "does a process of the application call Manager.Run?"
	late := or(cfg.KeyPropagation, session.DefaultKeyPropagation) + 2*or(cfg.KeyPollInterval, session.DefaultKeyPollInterval)
	switch age := now.Sub(newest.ActivatesAt); {
	case newest.State == session.KeyCutOff:
		return []Result{problem(advice, "the newest %s key was cut off, and has no successor", newest.Purpose)}
	case every == session.NoRotation:
		return []Result{note("", "%s keys are not rotated: the settings say so", newest.Purpose)}
	case age > every+late:
		return []Result{warning(advice, "the newest %s key is %v old, and should have been replaced after %v", newest.Purpose, age.Truncate(time.Second), every)}
	}
	return nil
}

// open tries whether the key-encryption key opens the keys. All of them are there, so that the Manager makes none.
func open(ctx context.Context, p *Patient, all []session.Key) []Result {
	cfg := p.Settings.Session
	cfg.Revocation, cfg.VerifiedTokens = session.RevocationOff, session.NoVerifiedTokens
	cfg.AcceptUnsealedKeys = true // it was told whether there are any
	if _, err := session.New(ctx, keysOnly{p.Store, all}, cfg); err != nil {
		return []Result{problem("set WATCHWORD_KEY_ENCRYPTION to what the application has", "the keys do not open: %v", settings.Explain(err))}
	}
	return nil
}

// keysOnly is a store whose keys are those that were read, and to which none can be added.
type keysOnly struct {
	session.Store
	keys []session.Key
}

// Keys implements session.KeyStore.
func (s keysOnly) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	_, now, err := s.Store.Keys(ctx)
	return s.keys, now, err
}

// InsertKey implements session.KeyStore.
func (s keysOnly) InsertKey(context.Context, session.Key) error {
	return errors.New("the doctor makes no keys")
}

// backlog is how many expired sessions are counted.
const backlog = 10000

// cleanup looks whether somebody ends the sessions that have expired.
func cleanup(ctx context.Context, p *Patient) ([]Result, error) {
	cfg := p.Settings.Session
	interval := or(cfg.CleanupInterval, session.DefaultCleanupInterval)
	if interval == session.NoCleanup {
		interval = 24 * time.Hour
	}
	late := max(4*interval, time.Hour)
	// The tables' times are microseconds of the server's clock.
	//nolint:gosec // a prefix has letters, digits and underscores alone
	statement := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM `%ssessions` WHERE ended_at IS NULL AND expires_at >= 0"+
		" AND expires_at < TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - %d LIMIT %d) AS late", p.Prefix, late.Microseconds(), backlog)
	var n int
	if err := p.DB.QueryRowContext(ctx, statement).Scan(&n); err != nil {
		return nil, err
	}
	many := fmt.Sprint(n)
	if n == backlog {
		many += " or more"
	}
	if n > 0 {
		return []Result{warning("does a process of the application call Manager.Run? `watchword cleanup` does it by hand",
			"%s sessions expired more than %v ago, and nobody has ended them", many, late)}, nil
	}
	return []Result{ok("no expired sessions are left lying")}, nil
}
