package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// Defaults of Config.
const (
	DefaultAccessLifetime   = 15 * time.Minute
	DefaultIdleLifetime     = 30 * 24 * time.Hour
	DefaultAbsoluteLifetime = 180 * 24 * time.Hour
	DefaultGrace            = 10 * time.Second
	DefaultStoreTimeout     = 5 * time.Second

	DefaultAccessKeyRotation  = 24 * time.Hour
	DefaultRefreshKeyRotation = 30 * 24 * time.Hour
	DefaultKeyPropagation     = 5 * time.Minute
	DefaultKeyPollInterval    = time.Minute

	DefaultMaxHandOuts  = 32
	DefaultMaxDataBytes = 1 << 20
	DefaultPage         = 100
)

// NoGrace is the strict mode of Config.Grace: no crossing request is honoured, each refresh mints a new successor and
// only the newest counts. It logs out clients that refresh from two tabs at once; it is for tests and for clients that
// are known to be single-threaded.
const NoGrace time.Duration = -1

// NoRotation switches the scheduled rotation of keys off.
const NoRotation time.Duration = -1

// AntiCSRF says how a request proves that the client's own page sent it.
type AntiCSRF string

// The anti-CSRF modes.
const (
	// AntiCSRFNone leaves it to SameSite cookies, or to the application. The default.
	AntiCSRFNone AntiCSRF = "none"
	// AntiCSRFToken binds a token into the access token, which the client has to send in the anti-csrf header of every
	// request that changes something.
	AntiCSRFToken AntiCSRF = "token"
)

// TheftPolicy says what becomes of a session whose refresh token was stolen.
type TheftPolicy string

// The theft policies. Under either the request that gave the thief away is refused with a TheftError.
const (
	TheftRevoke TheftPolicy = "revoke" // end the session. The default
	TheftReport TheftPolicy = "report" // call OnTheft and let the session live
)

// Config says how sessions behave. The zero value of a field means its documented default.
type Config struct {
	// Issuer and Audience are the iss and aud of access tokens (RFC 7519, section 4.1). A token must carry exactly what
	// is configured; empty: the claim must be absent.
	Issuer   string
	Audience string

	// How long an access token lives, a session that nobody refreshes, and any session; defaults 15 min, 30 days and 180
	// days. IdleLifetime must be longer than AccessLifetime, since clients refresh when their access token has expired, and
	// no longer than AbsoluteLifetime. A default gives way to what is set: with IdleLifetime alone set to 10 min, access
	// tokens live half as long.
	AccessLifetime   time.Duration
	IdleLifetime     time.Duration
	AbsoluteLifetime time.Duration

	// Grace is how long requests that cross with a refresh are honoured; default 10 s. It should be four times what a
	// request and its response take at worst. NoGrace is the strict mode.
	Grace time.Duration

	// MaxHandOuts is how often successors of one refresh token are handed out without any being used, where those within a
	// quarter of Grace count as one; one more is taken for theft, by somebody who shadows the client. Default 32. A client
	// none of whose answers arrive for minutes, and who goes on asking all the time, looks the same: choose more where that
	// is to be expected.
	MaxHandOuts int

	// StoreTimeout bounds what one operation may wait for the store, beside the caller's own context; default 5 s.
	StoreTimeout time.Duration

	// MaxDataBytes limits the size of a session's data; default 1 MiB, at most 8 MiB.
	MaxDataBytes int

	AntiCSRF AntiCSRF    // default AntiCSRFNone
	Theft    TheftPolicy // default TheftRevoke

	// OnTheft is told once of each theft that ends a session; under TheftReport, of each stolen token that is presented. It
	// runs within the request that was refused, with a context that does not end with it, and should return soon.
	OnTheft func(context.Context, *TheftError)

	// Algorithm signs access tokens; default HS256. To change it is a rotation: tokens of both verify meanwhile.
	Algorithm Algorithm

	// AccessKeyRotation and RefreshKeyRotation are how long a key signs; defaults 24 h and 30 days, at least
	// KeyPropagation. NoRotation: for ever. Manager.Run does it.
	AccessKeyRotation  time.Duration
	RefreshKeyRotation time.Duration
	// KeyPropagation is how long before it signs a key is published, so that every process has loaded it by then; default
	// 5 min, at least twice KeyPollInterval.
	KeyPropagation time.Duration
	// KeyPollInterval is how old a process's knowledge of the keys may be; default 1 min.
	KeyPollInterval time.Duration

	// KeyEncryption seals the keys that the store holds; default nil: they are in the clear.
	KeyEncryption KeyEncryption
	// AcceptUnsealedKeys lets a store whose keys are in the clear be opened with KeyEncryption, so that Manager.Run can seal
	// them. Switch it off again: whoever may write to the database could plant a key otherwise.
	AcceptUnsealedKeys bool
	// KeySource gives the keys instead of the store. Rotation, and everything about keys above, is then its business.
	KeySource KeySource

	// Logger is told of what Manager.Run does and of what it cannot do; default: nobody is. Nothing secret is logged.
	Logger *slog.Logger

	// Clock gives the process's time, for the time claims of access tokens; default time.Now.
	Clock func() time.Time
	// Random gives the randomness of keys, handles and tokens; default crypto/rand.Reader. Anything else is for tests.
	Random io.Reader
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate says whether New would take the configuration. The error matches ErrInvalidConfig and names the field.
func (c Config) Validate() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults returns the configuration with every zero field filled in, or an ErrInvalidConfig that names a field.
func (c Config) withDefaults() (Config, error) {
	orDefault(&c.AbsoluteLifetime, max(DefaultAbsoluteLifetime, c.IdleLifetime, 2*c.AccessLifetime))
	orDefault(&c.IdleLifetime, max(min(DefaultIdleLifetime, c.AbsoluteLifetime), 2*c.AccessLifetime))
	orDefault(&c.AccessLifetime, max(min(DefaultAccessLifetime, c.IdleLifetime/2), time.Second))
	orDefault(&c.Grace, DefaultGrace)
	orDefault(&c.StoreTimeout, DefaultStoreTimeout)
	orDefault(&c.MaxHandOuts, DefaultMaxHandOuts)
	orDefault(&c.MaxDataBytes, DefaultMaxDataBytes)
	orDefault(&c.AntiCSRF, AntiCSRFNone)
	orDefault(&c.Theft, TheftRevoke)
	orDefault(&c.Algorithm, HS256)
	orDefault(&c.AccessKeyRotation, DefaultAccessKeyRotation)
	orDefault(&c.RefreshKeyRotation, DefaultRefreshKeyRotation)
	orDefault(&c.KeyPropagation, DefaultKeyPropagation)
	orDefault(&c.KeyPollInterval, DefaultKeyPollInterval)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	return c, c.validate()
}

const (
	maxLifetime = 100 * 365 * 24 * time.Hour // keeps every sum of a time and a lifetime far from overflow
	maxGrace    = 5 * time.Minute
)

func (c Config) validate() error {
	refuse := func(field, why string, args ...any) error {
		return fmt.Errorf("%w: %s %s", ErrInvalidConfig, field, fmt.Sprintf(why, args...))
	}
	switch {
	case len(c.Issuer) > 256 || !utf8.ValidString(c.Issuer):
		return refuse("Issuer", "is longer than 256 bytes, or no UTF-8")
	case len(c.Audience) > 256 || !utf8.ValidString(c.Audience):
		return refuse("Audience", "is longer than 256 bytes, or no UTF-8")
	case c.AbsoluteLifetime >= time.Second && c.AbsoluteLifetime < c.AccessLifetime:
		return refuse("AbsoluteLifetime", "is %v: it must not be shorter than AccessLifetime (%v)", c.AbsoluteLifetime, c.AccessLifetime)
	case c.AbsoluteLifetime < time.Second: // the longest first: the others' defaults give way to it
		return refuse("AbsoluteLifetime", "is %v: it must be at least 1s", c.AbsoluteLifetime)
	case c.IdleLifetime < time.Second:
		return refuse("IdleLifetime", "is %v: it must be at least 1s", c.IdleLifetime)
	case c.AccessLifetime < time.Second:
		return refuse("AccessLifetime", "is %v: it must be at least 1s", c.AccessLifetime)
	case c.IdleLifetime <= c.AccessLifetime:
		return refuse("IdleLifetime", "is %v: it must be longer than AccessLifetime (%v), when clients refresh", c.IdleLifetime, c.AccessLifetime)
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
	case c.AntiCSRF != AntiCSRFNone && c.AntiCSRF != AntiCSRFToken:
		return refuse("AntiCSRF", "is %q: it must be %q or %q", c.AntiCSRF, AntiCSRFNone, AntiCSRFToken)
	case c.Theft != TheftRevoke && c.Theft != TheftReport:
		return refuse("Theft", "is %q: it must be %q or %q", c.Theft, TheftRevoke, TheftReport)
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
	if c.KeySource != nil && c.KeyEncryption != nil {
		return refuse("KeyEncryption", "is for keys in the store, but KeySource gives them")
	}
	return nil
}

func (c Config) lifetimes() Lifetimes {
	return Lifetimes{Idle: c.IdleLifetime, Absolute: c.AbsoluteLifetime}
}
