package session

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"time"
)

// Defaults of Config.
const (
	DefaultAccessLifetime   = 15 * time.Minute
	DefaultAccessJitter     = 0.05
	DefaultIdleLifetime     = 30 * 24 * time.Hour
	DefaultAbsoluteLifetime = 180 * 24 * time.Hour
	DefaultGrace            = 10 * time.Second
	DefaultStoreTimeout     = 5 * time.Second

	DefaultAccessKeyRotation  = 24 * time.Hour
	DefaultRefreshKeyRotation = 30 * 24 * time.Hour
	DefaultKeyPropagation     = 5 * time.Minute
	DefaultKeyPollInterval    = 90 * time.Second

	DefaultMaxHandOuts    = 32
	DefaultMaxDataBytes   = 1 << 20
	DefaultPage           = 100
	DefaultVerifiedTokens = 8192

	DefaultFeedInterval    = time.Second
	DefaultMaxFeedAge      = 30 * time.Second
	DefaultEndingRetention = 30 * 24 * time.Hour
	DefaultCleanupInterval = 15 * time.Minute
	DefaultCleanupShare    = 0.25
)

// NoGrace is the strict mode of Config.Grace: no crossing request is honoured, each refresh mints a new successor and
// only the newest counts. It logs out clients that refresh from two tabs at once; it is for tests and for clients that
// are known to be single-threaded.
const NoGrace time.Duration = -1

// NoJitter has every access token live for Config.AccessLifetime exactly.
const NoJitter = -1

// NoRotation switches the scheduled rotation of keys off.
const NoRotation time.Duration = -1

// NoEndings keeps the record of a session's end only for as long as revocation needs it.
const NoEndings time.Duration = -1

// NoVerifiedTokens has Verify check the signature of every token each time.
const NoVerifiedTokens = -1

// NoCleanup leaves Manager.Cleanup to the application.
const NoCleanup time.Duration = -1

// TheftPolicy says what becomes of a session whose refresh token was stolen.
type TheftPolicy string

// The theft policies. Under each of them the request that gave the thief away is refused with a TheftError.
const (
	TheftRevoke     TheftPolicy = "revoke"      // end the session. The default
	TheftRevokeUser TheftPolicy = "revoke_user" // end all sessions of the user
	TheftReport     TheftPolicy = "report"      // tell, and let the session live
)

// RevocationMode says when the access tokens of an ended session stop to pass. Processes that share a store should have
// the same.
type RevocationMode string

// The revocation modes. In each of them no refresh succeeds once the session has ended.
const (
	// RevocationFeed has Manager.Run ask the store once in FeedInterval what was revoked, and costs a request nothing. The
	// default, where the store keeps a feed.
	RevocationFeed RevocationMode = "feed"
	// RevocationStrict asks the store in each Verify: one read by primary key. While it does not answer, Verify gives
	// ErrUnavailable.
	RevocationStrict RevocationMode = "strict"
	// RevocationOff lets access tokens live until they expire.
	RevocationOff RevocationMode = "off"
)

// StaleFeedPolicy says what Verify makes of good access tokens while the feed cannot be read.
type StaleFeedPolicy string

// The policies for a stale feed. Either way it is logged, told as an event, and shown by Manager.Health.
const (
	StaleFeedAccept StaleFeedPolicy = "accept" // they pass, as with RevocationOff. The default: an outage logs nobody out
	StaleFeedRefuse StaleFeedPolicy = "refuse" // they get ErrUnavailable
)

// LimitPolicy says what becomes of a session too many.
type LimitPolicy string

// The limit policies.
const (
	LimitEndOldest LimitPolicy = "end_oldest" // Create ends the user's oldest sessions. The default; ErrSessionLimit if newer ones begin meanwhile
	LimitRefuse    LimitPolicy = "refuse"     // Create gives ErrSessionLimit
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

	// Assurance has sessions last as NIST SP 800-63B-4 says for an authentication assurance level: IdleLifetime and AbsoluteLifetime default
	// to the level's, and Audit holds them to it. Default: to none.
	Assurance AAL

	// AccessJitter is by which part of AccessLifetime an access token may live longer or shorter, so that clients which came together, as
	// they do after an outage, do not come back together for ever; default 0.05, at most 0.5. NoJitter: none.
	AccessJitter float64

	// Grace is how long requests that cross with a refresh are honoured; default 10 s. It should be four times what a
	// request and its response take at worst. NoGrace is the strict mode.
	Grace time.Duration

	// MaxHandOuts is how often successors of one refresh token are handed out without any being used, where those within a
	// quarter of Grace count as one; one more is taken for theft, by somebody who shadows the client. Default 32. A client
	// none of whose answers arrive for minutes, and who goes on asking all the time, looks the same: choose more where that
	// is to be expected.
	MaxHandOuts int

	// StoreTimeout bounds what one operation may wait for the store, beside the caller's own context; default 5 s. Keep it below Grace:
	// what is answered later than that may be taken for theft.
	StoreTimeout time.Duration

	// MaxDataBytes limits the size of a session's data; default 1 MiB, at most 8 MiB.
	MaxDataBytes int

	Theft TheftPolicy // default TheftRevoke

	// OnTheft is told once of each theft that ends a session; under TheftReport, of each stolen token that is presented. It
	// runs within the request that was refused, with a context that does not end with it, and should return soon.
	OnTheft func(context.Context, *TheftError)

	// OnEvent is told of everything that happens to sessions, for an audit trail: one at a time, in order, outside of the
	// requests, so that it may take its time. While it is busy up to 4096 events wait; see Event.Dropped. Manager.Run, when it
	// ends, waits a little for those that are left.
	OnEvent func(Event)

	// Revocation says when the access tokens of an ended session stop to pass; default RevocationFeed if the store keeps a
	// feed, else RevocationOff.
	Revocation RevocationMode
	// FeedInterval is how often the feed is read; default 1 s. An access token stops to pass that long after Revoke has
	// returned, and as long as the store takes to answer.
	FeedInterval time.Duration
	// MaxFeedAge is how old what was last read may be before the feed counts as stale; default 30 s, at least twice
	// FeedInterval.
	MaxFeedAge time.Duration
	StaleFeed  StaleFeedPolicy // default StaleFeedAccept
	// OnFeedPoll is told of each reading of the feed, for metrics: those of Manager.Run, and those of calls that revoke many sessions. It must
	// return soon, and may be called by several at once.
	OnFeedPoll func(FeedPoll)

	// OnOperation is told of the beginning of each operation that asks the store, for traces and latencies; package adapters/otel has one.
	// The store is called with the context that it returns, and the function that it returns is called with the operation's error when
	// that is over. It must return soon, and be safe for concurrent use.
	OnOperation func(context.Context, Operation) (context.Context, func(error))

	// EndingRetention is how long it is kept how a session ended; default 30 days. NoEndings: hardly longer than
	// AccessLifetime.
	EndingRetention time.Duration
	// CleanupInterval is how often Manager.Run removes what is no longer needed; default 15 min. NoCleanup: never; see
	// Manager.Cleanup.
	CleanupInterval time.Duration
	// CleanupSchedule says instead when Manager.Run does so: it is given the time by Clock, and returns the next moment after it, as the
	// schedules of cron libraries do, or the zero time: never again.
	CleanupSchedule func(now time.Time) (next time.Time)
	// CleanupTimeLimit bounds how long a cleanup of Manager.Run goes on, for those that have to be over by the morning; what is left waits
	// for the next. Default: none.
	CleanupTimeLimit time.Duration
	// CleanupShare is the share of its time that a cleanup works, from 0.01 to 1; it rests for the others, so that requests find the database
	// free, and for longer while the database is slower than it was. Default 0.25.
	CleanupShare float64
	// CleanupHold is asked about twenty times a second of a cleanup's work whether it should hold on, and again each second until that is
	// false: for what a cleanup cannot see itself, such as how far replicas lag behind. Default: it never should.
	CleanupHold func(context.Context) bool

	// Devices says what of a client's device is kept; default DeviceFull.
	Devices DevicePolicy

	// MaxSessions is how many sessions a user may have at once; zero: any number. OnLimit says what becomes of one too
	// many; default LimitEndOldest.
	MaxSessions int
	OnLimit     LimitPolicy

	// VerifiedTokens is how many access tokens the process remembers once it has verified them, so that the next request with the same one
	// costs no cryptography; default 8192, which take some 1.5 KiB each, and never more than 4.5. Revocation, expiry, audience and anti-CSRF
	// token are checked each time all the same. NoVerifiedTokens: none.
	VerifiedTokens int

	// Algorithm signs access tokens; default HS256. To change it is a rotation: tokens of both verify meanwhile.
	Algorithm Algorithm

	// AccessKeyRotation and RefreshKeyRotation are how long a key signs; defaults 24 h and 30 days, at least
	// KeyPropagation. NoRotation: for ever. Manager.Run does it.
	AccessKeyRotation  time.Duration
	RefreshKeyRotation time.Duration
	// KeyPropagation is how long before it signs a key is published, so that every process has loaded it by then; default
	// 5 min, at least twice KeyPollInterval.
	KeyPropagation time.Duration
	// KeyPollInterval is how old a process's knowledge of the keys may be; default 90 s, or half of a shorter
	// KeyPropagation. With RevocationFeed each reading of the feed brings it up to date, too, and the keys themselves are read every tenth time.
	KeyPollInterval time.Duration

	// KeyEncryption seals the keys that the store holds; default nil: they are in the clear.
	KeyEncryption KeyEncryption
	// AcceptUnsealedKeys lets a store whose keys are in the clear be opened with KeyEncryption, so that Manager.Run can seal
	// them. Switch it off again: whoever may write to the database could plant a key otherwise.
	AcceptUnsealedKeys bool
	// KeySource gives the keys instead of the store. Rotation, and everything about keys above, is then its business.
	KeySource KeySource

	// Lists answers Sessions and Endings instead of the store, and nothing else: a store over a replica, say, which spares the primary what
	// people look at. It may be behind by as much as is bearable there: a session that has just begun, or its end, may be missing; one that
	// has just ended may still be shown, unless this process has heard of that by its feed. While it is away the store answers.
	Lists Lister

	// Strict has New refuse what violates a requirement of this level of OWASP ASVS 5.0.0, with an error that names requirement and field;
	// see Audit. Default: New takes what works.
	Strict ASVSLevel

	// Logger is told of what Manager.Run does and of what it cannot do; default: nobody is. At the level of debugging it is told why tokens
	// were refused, too. Nothing secret is logged.
	Logger *slog.Logger

	// Clock gives the process's time, for the time claims of access tokens; default time.Now.
	Clock func() time.Time
	// Sleep waits within a request, or returns the context's error; default: a timer. Anything else is for tests.
	Sleep func(context.Context, time.Duration) error
	// RunSleep waits between the jobs of Manager.Run likewise.
	RunSleep func(context.Context, time.Duration) error
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
	preset := c.Assurance.lifetimes()
	orDefault(&c.AbsoluteLifetime, max(preset.Absolute, c.IdleLifetime, 2*c.AccessLifetime))
	orDefault(&c.IdleLifetime, max(min(preset.Idle, c.AbsoluteLifetime), 2*c.AccessLifetime))
	orDefault(&c.AccessLifetime, max(min(DefaultAccessLifetime, c.IdleLifetime/2), time.Second))
	orDefault(&c.AccessJitter, DefaultAccessJitter)
	orDefault(&c.Grace, DefaultGrace)
	orDefault(&c.StoreTimeout, DefaultStoreTimeout)
	orDefault(&c.MaxHandOuts, DefaultMaxHandOuts)
	orDefault(&c.MaxDataBytes, DefaultMaxDataBytes)
	orDefault(&c.VerifiedTokens, DefaultVerifiedTokens)
	orDefault(&c.Theft, TheftRevoke)
	orDefault(&c.Algorithm, HS256)
	orDefault(&c.AccessKeyRotation, DefaultAccessKeyRotation)
	orDefault(&c.RefreshKeyRotation, DefaultRefreshKeyRotation)
	orDefault(&c.KeyPropagation, DefaultKeyPropagation)
	orDefault(&c.KeyPollInterval, min(DefaultKeyPollInterval, c.KeyPropagation/2))
	orDefault(&c.FeedInterval, DefaultFeedInterval)
	orDefault(&c.MaxFeedAge, max(DefaultMaxFeedAge, 2*c.FeedInterval))
	orDefault(&c.StaleFeed, StaleFeedAccept)
	orDefault(&c.EndingRetention, DefaultEndingRetention)
	if c.CleanupSchedule == nil {
		orDefault(&c.CleanupInterval, DefaultCleanupInterval)
	}
	orDefault(&c.CleanupShare, DefaultCleanupShare)
	orDefault(&c.Devices, DeviceFull)
	orDefault(&c.OnLimit, LimitEndOldest)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.RunSleep == nil {
		c.RunSleep = sleep
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if err := c.validate(); err != nil {
		return c, err
	}
	return c, c.strict()
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jitter is by how much an access token may live longer or shorter.
func (c Config) jitter() time.Duration {
	return time.Duration(max(c.AccessJitter, 0) * float64(c.AccessLifetime)).Truncate(time.Millisecond)
}

// accessLifetime is how long an access token lives that comes with a refresh token of this mark, which is as good as random.
func (c Config) accessLifetime(mark Mark) time.Duration {
	share := float64(binary.BigEndian.Uint32(mark[:4]))/math.MaxUint32*2 - 1
	return c.AccessLifetime + time.Duration(share*float64(c.jitter())).Truncate(time.Millisecond)
}

func (c Config) lifetimes() Lifetimes {
	return Lifetimes{Idle: c.IdleLifetime, Absolute: c.AbsoluteLifetime}
}
