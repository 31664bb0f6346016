package session

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

const (
	maxLifetime = 100 * 365 * 24 * time.Hour // keeps every sum of a time and a lifetime far from overflow
	maxGrace    = 5 * time.Minute
)

// maxVerifiedTokens keeps the memory of verified tokens within a few gigabytes.
const (
	maxVerifiedTokens  = 1 << 20
	wantVerifiedTokens = "it must be between 1 and 1048576, or NoVerifiedTokens"
)

func validVerifiedTokens(n int) bool { return n >= NoVerifiedTokens && n <= maxVerifiedTokens }

func (c Config) validate() error {
	refuse := func(field, why string, args ...any) error {
		return fmt.Errorf("%w: %s %s", ErrInvalidConfig, field, fmt.Sprintf(why, args...))
	}
	switch {
	case len(c.Issuer) > 256 || !utf8.ValidString(c.Issuer):
		return refuse("Issuer", "is longer than 256 bytes, or no UTF-8")
	case len(c.Audience) > 256 || !utf8.ValidString(c.Audience):
		return refuse("Audience", "is longer than 256 bytes, or no UTF-8")
	case c.Assurance < 0 || c.Assurance > AAL3:
		return refuse("Assurance", "is %d: it must be AAL1, AAL2 or AAL3, or 0 for none", int(c.Assurance))
	case c.AbsoluteLifetime >= time.Second && c.AbsoluteLifetime < c.AccessLifetime:
		return refuse("AbsoluteLifetime", "is %v: it must not be shorter than AccessLifetime (%v)", c.AbsoluteLifetime, c.AccessLifetime)
	case c.AbsoluteLifetime < time.Second: // the longest first: the others' defaults give way to it
		return refuse("AbsoluteLifetime", "is %v: it must be at least 1s", c.AbsoluteLifetime)
	case c.IdleLifetime < time.Second:
		return refuse("IdleLifetime", "is %v: it must be at least 1s", c.IdleLifetime)
	case c.AccessLifetime < time.Second:
		return refuse("AccessLifetime", "is %v: it must be at least 1s", c.AccessLifetime)
	case !(c.AccessJitter > 0 && c.AccessJitter <= 0.5) && c.AccessJitter != NoJitter: // nor is NaN
		return refuse("AccessJitter", "is %v: it must be positive and at most 0.5, or NoJitter", c.AccessJitter)
	case c.IdleLifetime <= c.AccessLifetime+c.jitter():
		return refuse("IdleLifetime", "is %v: it must be longer than AccessLifetime (%v) with AccessJitter, when clients refresh", c.IdleLifetime, c.AccessLifetime)
	case c.AbsoluteLifetime < c.IdleLifetime:
		return refuse("AbsoluteLifetime", "is %v: it must not be shorter than IdleLifetime (%v)", c.AbsoluteLifetime, c.IdleLifetime)
	case c.AbsoluteLifetime > maxLifetime:
		return refuse("AbsoluteLifetime", "is %v: it must not be longer than %v", c.AbsoluteLifetime, maxLifetime)
	case c.Grace < 0 && c.Grace != NoGrace:
		return refuse("Grace", "is %v: it must be positive, or NoGrace for the strict mode", c.Grace)
	case c.Grace > maxGrace:
		return refuse("Grace", "is %v: it must not be longer than %v, since a thief has that long", c.Grace, maxGrace)
	case c.MaxHandOuts < 2 || c.MaxHandOuts > 1<<20:
		return refuse("MaxHandOuts", "is %d: it must be between 2 and %d", c.MaxHandOuts, 1<<20)
	case c.StoreTimeout < 0:
		return refuse("StoreTimeout", "is %v: it must be positive", c.StoreTimeout)
	case c.MaxDataBytes < 0 || c.MaxDataBytes > 8<<20:
		return refuse("MaxDataBytes", "is %d: it must be between 1 and %d", c.MaxDataBytes, 8<<20)
	case !validVerifiedTokens(c.VerifiedTokens):
		return refuse("VerifiedTokens", "is %d: %s", c.VerifiedTokens, wantVerifiedTokens)
	case c.Theft != TheftRevoke && c.Theft != TheftRevokeUser && c.Theft != TheftReport:
		return refuse("Theft", "is %q: it must be %q, %q or %q", c.Theft, TheftRevoke, TheftRevokeUser, TheftReport)
	case !accesstoken.Supported(string(c.Algorithm)):
		return refuse("Algorithm", "is %q: it must be HS256, HS512, EdDSA, ES256 or RS256", c.Algorithm)
	case c.KeyPollInterval < time.Millisecond || c.KeyPollInterval > maxLifetime:
		return refuse("KeyPollInterval", "is %v: it must be at least 1ms", c.KeyPollInterval)
	case c.KeyPropagation < 2*c.KeyPollInterval || c.KeyPropagation > maxLifetime:
		return refuse("KeyPropagation", "is %v: it must be at least twice KeyPollInterval (%v)", c.KeyPropagation, c.KeyPollInterval)
	}
	for _, r := range []struct {
		field    string
		rotation time.Duration
	}{{"AccessKeyRotation", c.AccessKeyRotation}, {"RefreshKeyRotation", c.RefreshKeyRotation}} {
		if r.rotation != NoRotation && (r.rotation < c.KeyPropagation || r.rotation > maxLifetime) {
			return refuse(r.field, "is %v: it must be at least KeyPropagation (%v), or NoRotation", r.rotation, c.KeyPropagation)
		}
	}
	if err := c.validateRevocation(refuse); err != nil {
		return err
	}
	if c.KeySource != nil && c.KeyEncryption != nil {
		return refuse("KeyEncryption", "is for keys in the store, but KeySource gives them")
	}
	return nil
}

// validateRevocation is the part of validate that is about how sessions end, and about what is kept of them.
func (c Config) validateRevocation(refuse func(field, why string, args ...any) error) error {
	switch {
	case c.Revocation != "" && c.Revocation != RevocationFeed && c.Revocation != RevocationStrict && c.Revocation != RevocationOff:
		return refuse("Revocation", "is %q: it must be %q, %q or %q", c.Revocation, RevocationFeed, RevocationStrict, RevocationOff)
	case c.FeedInterval < time.Millisecond || c.FeedInterval > maxLifetime:
		return refuse("FeedInterval", "is %v: it must be at least 1ms", c.FeedInterval)
	case c.MaxFeedAge < 2*c.FeedInterval || c.MaxFeedAge > maxLifetime:
		return refuse("MaxFeedAge", "is %v: it must be at least twice FeedInterval (%v)", c.MaxFeedAge, c.FeedInterval)
	case c.StaleFeed != StaleFeedAccept && c.StaleFeed != StaleFeedRefuse:
		return refuse("StaleFeed", "is %q: it must be %q or %q", c.StaleFeed, StaleFeedAccept, StaleFeedRefuse)
	case c.EndingRetention < 0 && c.EndingRetention != NoEndings || c.EndingRetention > maxLifetime:
		return refuse("EndingRetention", "is %v: it must be positive, or NoEndings", c.EndingRetention)
	case c.CleanupSchedule != nil && c.CleanupInterval != 0:
		return refuse("CleanupInterval", "is %v, but CleanupSchedule says when to clean up", c.CleanupInterval)
	case c.CleanupSchedule == nil && c.CleanupInterval < time.Millisecond && c.CleanupInterval != NoCleanup || c.CleanupInterval > maxLifetime:
		return refuse("CleanupInterval", "is %v: it must be at least 1ms, or NoCleanup", c.CleanupInterval)
	case c.CleanupTimeLimit < 0 || c.CleanupTimeLimit > maxLifetime:
		return refuse("CleanupTimeLimit", "is %v: it must be positive", c.CleanupTimeLimit)
	case !(c.CleanupShare >= 0.01 && c.CleanupShare <= 1): // nor is NaN
		return refuse("CleanupShare", "is %v: it must be between 0.01 and 1", c.CleanupShare)
	case c.Devices != DeviceFull && c.Devices != DeviceCoarse && c.Devices != DeviceNone:
		return refuse("Devices", "is %q: it must be %q, %q or %q", c.Devices, DeviceFull, DeviceCoarse, DeviceNone)
	case c.MaxSessions < 0 || c.MaxSessions > maxSessions:
		return refuse("MaxSessions", "is %d: it must be between 1 and %d, or 0 for any number", c.MaxSessions, maxSessions)
	case c.OnLimit != LimitEndOldest && c.OnLimit != LimitRefuse:
		return refuse("OnLimit", "is %q: it must be %q or %q", c.OnLimit, LimitEndOldest, LimitRefuse)
	}
	return nil
}
