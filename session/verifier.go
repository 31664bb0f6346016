package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// VerifierConfig says what a Verifier accepts. The zero value of a field means its documented default.
type VerifierConfig struct {
	// JWKSURL is where the issuing service serves its public keys; see the adapters' JWKS handlers. Either it or Keys is
	// required.
	JWKSURL string
	// Keys are the public keys, where they are not fetched.
	Keys JWKS

	Issuer   string // as in the issuing service's Config
	Audience string

	Client *http.Client // default: one with a timeout of 5 s that follows no redirects
	// MaxAge is how long the keys are kept where the answer's Cache-Control says nothing; default 2 min. It bounds what it
	// says, too, since a key that was cut off is accepted for as long.
	MaxAge time.Duration

	// VerifiedTokens is as in Config.
	VerifiedTokens int

	// Strict has NewVerifier refuse what violates a requirement of this level of OWASP ASVS 5.0.0; see Audit. Default: it takes what works.
	Strict ASVSLevel

	Clock func() time.Time // default time.Now
}

// fetchTimeout bounds a fetch, also with a Client that has no timeout of its own.
const fetchTimeout = 10 * time.Second

// maxJWKS limits the size of a fetched key set, in bytes, and maxVerifierKeys the number of its keys.
const (
	maxJWKS         = 64 << 10
	maxVerifierKeys = 100
)

// Verifier verifies access tokens in services that have no store, with the public keys of the service that issues them.
// It refuses what a Manager would refuse, but cannot know of sessions that have ended before their tokens expire. It is
// safe for concurrent use.
type Verifier struct {
	cfg      VerifierConfig
	keys     atomic.Pointer[publicKeys]
	reload   *reloader
	verified *verifiedTokens
}

// publicKeys is a key set by the header segments of its tokens.
type publicKeys struct {
	byHeader map[string]*accesstoken.Key
	until    time.Time // to be fetched anew; zero: never
}

// NewVerifier makes a Verifier, and fetches the keys if they are to be fetched. While they cannot be fetched later on,
// the last ones serve. The error matches ErrInvalidConfig or ErrUnavailable.
func NewVerifier(ctx context.Context, cfg VerifierConfig) (*Verifier, error) {
	if cfg.JWKSURL != "" && len(cfg.Keys.Keys) > 0 {
		return nil, fmt.Errorf("%w: JWKSURL and Keys are both given", ErrInvalidConfig)
	}
	if !validVerifiedTokens(cfg.VerifiedTokens) {
		return nil, fmt.Errorf("%w: VerifiedTokens is %d: %s", ErrInvalidConfig, cfg.VerifiedTokens, wantVerifiedTokens)
	}
	if err := cfg.strict(); err != nil {
		return nil, err
	}
	orDefault(&cfg.MaxAge, 2*time.Minute)
	orDefault(&cfg.VerifiedTokens, DefaultVerifiedTokens)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{
			Timeout:       5 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	v := &Verifier{cfg: cfg, reload: newReloader(), verified: newVerifiedTokens(cfg.VerifiedTokens)}
	if cfg.JWKSURL == "" {
		keys, err := newPublicKeys(cfg.Keys)
		if err == nil && len(keys.byHeader) == 0 {
			err = errors.New("there are none")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: Keys: %w", ErrInvalidConfig, err)
		}
		v.keys.Store(keys)
		return v, nil
	}
	if u, err := url.Parse(cfg.JWKSURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%w: JWKSURL is not an absolute URL of http or https", ErrInvalidConfig)
	}
	if cfg.MaxAge < time.Second {
		return nil, fmt.Errorf("%w: MaxAge is %v: it must be at least 1s", ErrInvalidConfig, cfg.MaxAge)
	}
	if err := v.fetch(ctx); err != nil {
		return nil, err
	}
	if len(v.keys.Load().byHeader) == 0 {
		return nil, fmt.Errorf("%w: JWKSURL serves no key: does the service sign with EdDSA, ES256 or RS256?", ErrInvalidConfig)
	}
	return v, nil
}

// newPublicKeys reads a set. Keys of other kinds and for other uses are passed over, as RFC 7517, section 5, says.
func newPublicKeys(set JWKS) (*publicKeys, error) {
	keys := &publicKeys{byHeader: map[string]*accesstoken.Key{}}
	if len(set.Keys) > maxVerifierKeys {
		return nil, fmt.Errorf("%d keys, at most %d are taken", len(set.Keys), maxVerifierKeys)
	}
	for _, j := range set.Keys {
		if key, err := j.key(); err == nil && (j.Use == "" || j.Use == "sig") {
			keys.byHeader[key.Header()] = key
		}
	}
	if len(keys.byHeader) == 0 && len(set.Keys) > 0 || set.Keys == nil {
		return nil, errors.New("no public key of a kind that signs access tokens")
	}
	return keys, nil // none at all is an answer, too: they were cut off
}

// fetch gets the key set and makes it the current one.
func (v *Verifier) fetch(ctx context.Context) error {
	fail := func(why string) error { return fmt.Errorf("fetch keys: %w: %s", ErrUnavailable, why) }
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.cfg.JWKSURL, http.NoBody)
	if err != nil {
		return fail("the URL is no good")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := v.cfg.Client.Do(req)
	if err != nil {
		return fmt.Errorf("fetch keys: %w: %w", ErrUnavailable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fail("status " + strconv.Itoa(resp.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	if err != nil || len(body) > maxJWKS {
		return fail("the answer breaks off, or is too large")
	}
	var set JWKS
	if json.Unmarshal(body, &set) != nil {
		return fail("the answer is no key set")
	}
	keys, err := newPublicKeys(set)
	if err != nil {
		return fail(err.Error())
	}
	keys.until = v.cfg.Clock().Add(min(v.cfg.MaxAge, maxAge(resp.Header, v.cfg.MaxAge)))
	v.keys.Store(keys)
	return nil
}

// maxAge reads max-age out of Cache-Control (RFC 9111, section 5.2.2.1), or returns def.
func maxAge(h http.Header, def time.Duration) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if seconds, err := strconv.ParseUint(value, 10, 31); err == nil && strings.EqualFold(name, "max-age") {
			return max(time.Duration(seconds)*time.Second, time.Second)
		}
	}
	return def
}

// fetchAgain fetches the keys if that was not tried a moment ago.
func (v *Verifier) fetchAgain(ctx context.Context, wait bool) {
	if v.cfg.JWKSURL == "" {
		return
	}
	v.reload.again(ctx, v.cfg.Clock, unknownKeyPause, wait, func() {
		// For all who wait, not for the one who happened to come first. If it fails, the last keys serve.
		_ = v.fetch(context.WithoutCancel(ctx))
	})
}

// Verify checks an access token, as Manager.Verify does. The Session that it returns has no store: its operations on data
// and Revoke fail with ErrNoStore.
func (v *Verifier) Verify(ctx context.Context, accessToken string, opts VerifyOptions) (*Session, error) {
	now := v.cfg.Clock()
	if until := v.keys.Load().until; !until.IsZero() && !now.Before(until) {
		v.fetchAgain(ctx, false) // by one request; the others go on
	}
	verified, _, flaw := v.verified.parse(accessToken, func(segment string) *accesstoken.Key {
		key := v.keys.Load().byHeader[segment]
		if key == nil && oursByForm(segment) {
			v.fetchAgain(ctx, true)
			key = v.keys.Load().byHeader[segment] // also if somebody else has just fetched
		}
		return key
	}, accesstoken.Expected{Issuer: v.cfg.Issuer, Audience: v.cfg.Audience, Now: now})
	if flaw != accesstoken.Flawless {
		return nil, ErrTryRefresh
	}
	s, err := newSession(nil, verified, opts)
	if err == nil {
		err = s.authenticatedWithin(opts.MaxAuthAge, now)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}
