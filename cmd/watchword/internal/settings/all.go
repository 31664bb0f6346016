package settings

import (
	"slices"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// setting is one variable of the environment.
type setting struct {
	name   string // without the prefix
	form   string // what a value looks like
	def    string // what is said to be the default
	help   string
	field  string // of session.Config that it sets; empty: none
	secret bool   // it may come from a file, too
	set    func(s *Settings, value string) error
}

// all is every setting, in the order in which the help lists them.
var all = slices.Concat(ofSessions, ofHTTP)

// ofSessions are the database's and session.Config's.
var ofSessions = []setting{
	{
		name: "MYSQL_DSN", form: "user:password@tcp(host:3306)/database", secret: true,
		help: "The database that sessions and keys are kept in.",
		set:  dsn,
	},
	{
		name: "TABLE_PREFIX", form: "text", def: mysql.DefaultTablePrefix, field: "TablePrefix",
		help: "What the names of the tables begin with.",
		set:  tablePrefix,
	},
	{
		name: "KEY_ENCRYPTION", form: "version:base64,…", field: "KeyEncryption", secret: true,
		help: "What the signing keys in the database are sealed with: keys of 32 bytes in base64, each with a number of its own. The first one seals, all of them open.",
		set:  keyEncryption,
	},
	{
		name: "ACCEPT_UNSEALED_KEYS", form: "1|0", def: "0", field: "AcceptUnsealedKeys",
		help: "Whether the application accepts keys in the clear beside sealed ones, for audit. The command itself does.",
		set:  flag(func(s *Settings) *bool { return &s.Session.AcceptUnsealedKeys }),
	},
	{
		name: "ISSUER", form: "text", field: "Issuer",
		help: "The iss of access tokens, for audit.",
		set:  text(func(s *Settings) *string { return &s.Session.Issuer }),
	},
	{
		name: "AUDIENCE", form: "text", field: "Audience",
		help: "The aud of access tokens, for audit.",
		set:  text(func(s *Settings) *string { return &s.Session.Audience }),
	},
	{
		name: "ALGORITHM", form: "HS256|HS512|EdDSA|ES256|RS256", def: "that of the newest key", field: "Algorithm",
		help: "How access tokens are signed.",
		set: choice(func(s *Settings) *session.Algorithm { return &s.Session.Algorithm },
			session.HS256, session.HS512, session.EdDSA, session.ES256, session.RS256),
	},
	{
		name: "ACCESS_LIFETIME", form: "duration", def: session.DefaultAccessLifetime.String(), field: "AccessLifetime",
		help: "How long an access token is good. A cleanup keeps what was revoked for that long, so it must not be shorter here than in the application.",
		set:  positive(func(s *Settings) *duration { return &s.Session.AccessLifetime }),
	},
	{
		name: "IDLE_LIFETIME", form: "duration", def: session.DefaultIdleLifetime.String(), field: "IdleLifetime",
		help: "How long a session lives that nobody refreshes.",
		set:  positive(func(s *Settings) *duration { return &s.Session.IdleLifetime }),
	},
	{
		name: "ABSOLUTE_LIFETIME", form: "duration", def: session.DefaultAbsoluteLifetime.String(), field: "AbsoluteLifetime",
		help: "How long any session lives.",
		set:  positive(func(s *Settings) *duration { return &s.Session.AbsoluteLifetime }),
	},
	{
		name: "GRACE", form: "duration", def: session.DefaultGrace.String(), field: "Grace",
		help: "How long requests that cross with a refresh are honoured. 0: not at all.",
		set:  zeroMeans(session.NoGrace, func(s *Settings) *duration { return &s.Session.Grace }),
	},
	{
		name: "THEFT", form: "revoke|revoke_user|report", def: string(session.TheftRevoke), field: "Theft",
		help: "What a stolen refresh token brings about.",
		set: choice(func(s *Settings) *session.TheftPolicy { return &s.Session.Theft },
			session.TheftRevoke, session.TheftRevokeUser, session.TheftReport),
	},
	{
		name: "REVOCATION", form: "feed|strict|off", def: string(session.RevocationFeed), field: "Revocation",
		help: "When the access tokens of an ended session stop to pass.",
		set: choice(func(s *Settings) *session.RevocationMode { return &s.Session.Revocation },
			session.RevocationFeed, session.RevocationStrict, session.RevocationOff),
	},
	{
		name: "FEED_INTERVAL", form: "duration", def: session.DefaultFeedInterval.String(), field: "FeedInterval",
		help: "How often a process reads what was revoked by others.",
		set:  positive(func(s *Settings) *duration { return &s.Session.FeedInterval }),
	},
	{
		name: "MAX_FEED_AGE", form: "duration", def: session.DefaultMaxFeedAge.String(), field: "MaxFeedAge",
		help: "How long a process may have been unable to read that before it counts as stale.",
		set:  positive(func(s *Settings) *duration { return &s.Session.MaxFeedAge }),
	},
	{
		name: "STALE_FEED", form: "accept|refuse", def: string(session.StaleFeedAccept), field: "StaleFeed",
		help: "What becomes of good access tokens meanwhile.",
		set: choice(func(s *Settings) *session.StaleFeedPolicy { return &s.Session.StaleFeed },
			session.StaleFeedAccept, session.StaleFeedRefuse),
	},
	{
		name: "ENDING_RETENTION", form: "duration", def: session.DefaultEndingRetention.String(), field: "EndingRetention",
		help: "How long it is kept how a session ended. 0: no longer than the end of its access tokens needs.",
		set:  zeroMeans(session.NoEndings, func(s *Settings) *duration { return &s.Session.EndingRetention }),
	},
	{
		name: "CLEANUP_INTERVAL", form: "duration", def: session.DefaultCleanupInterval.String(), field: "CleanupInterval",
		help: "How often the application removes what is no longer needed. 0: never.",
		set:  zeroMeans(session.NoCleanup, func(s *Settings) *duration { return &s.Session.CleanupInterval }),
	},
	{
		name: "DEVICES", form: "full|coarse|none", def: string(session.DeviceFull), field: "Devices",
		help: "What is kept, and shown, of a client's device.",
		set: choice(func(s *Settings) *session.DevicePolicy { return &s.Session.Devices },
			session.DeviceFull, session.DeviceCoarse, session.DeviceNone),
	},
	{
		name: "MAX_SESSIONS", form: "number", def: "0", field: "MaxSessions",
		help: "How many sessions a user may have at once. 0: any number.",
		set:  count(func(s *Settings) *int { return &s.Session.MaxSessions }),
	},
	{
		name: "ON_LIMIT", form: "end_oldest|refuse", def: string(session.LimitEndOldest), field: "OnLimit",
		help: "What becomes of a login too many.",
		set: choice(func(s *Settings) *session.LimitPolicy { return &s.Session.OnLimit },
			session.LimitEndOldest, session.LimitRefuse),
	},
	{
		name: "KEY_ROTATION", form: "duration", def: session.DefaultAccessKeyRotation.String(), field: "AccessKeyRotation",
		help: "How long a key signs access tokens. 0: for ever.",
		set:  zeroMeans(session.NoRotation, func(s *Settings) *duration { return &s.Session.AccessKeyRotation }),
	},
	{
		name: "REFRESH_KEY_ROTATION", form: "duration", def: session.DefaultRefreshKeyRotation.String(), field: "RefreshKeyRotation",
		help: "How long a key signs refresh tokens. 0: for ever.",
		set:  zeroMeans(session.NoRotation, func(s *Settings) *duration { return &s.Session.RefreshKeyRotation }),
	},
	{
		name: "KEY_PROPAGATION", form: "duration", def: session.DefaultKeyPropagation.String(), field: "KeyPropagation",
		help: "How long before it signs a key is published, so that every process knows it by then.",
		set:  positive(func(s *Settings) *duration { return &s.Session.KeyPropagation }),
	},
	{
		name: "KEY_POLL_INTERVAL", form: "duration", def: session.DefaultKeyPollInterval.String(), field: "KeyPollInterval",
		help: "How often a process looks for keys that were published or cut off.",
		set:  positive(func(s *Settings) *duration { return &s.Session.KeyPollInterval }),
	},
}
