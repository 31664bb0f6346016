package config

import (
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
	"github.com/watchword-dev/watchword/store/mysql"
)

// setting is one variable of the environment.
type setting struct {
	name  string // without the prefix
	form  string // what a value looks like
	def   string // parsed like a value; empty: none
	shown string // what --help says is the default, where the library has it and nothing is to be set
	help  string
	field string // of the library's Config that it sets; empty: none
	set   func(c *Config, value string) error
}

func (s setting) variable() string { return prefix + s.name }

// settings is every setting, in the order in which --help lists them.
var settings = []setting{
	{
		name: "ADDR", form: "host:port", def: "127.0.0.1:8080",
		help: "Address to listen on. Port 0 takes any free one.",
		set:  address(func(c *Config) *string { return &c.Addr }),
	},
	{
		name: "METRICS_ADDR", form: "host:port",
		help: "Another address, at which Prometheus finds /metrics. It is for those who run the demo: keep it off the network that clients come from. Without it there are no metrics.",
		set:  address(func(c *Config) *string { return &c.MetricsAddr }),
	},
	{
		name: "WEB", form: "directory", def: "demo/web/dist", field: "Web",
		help: "Where the front end was built, relative to the working directory. Without it there is a page that says how to build it.",
		set:  text(func(c *Config) *string { return &c.Web }),
	},
	{
		name: "MYSQL_DSN", form: "dsn",
		help: "MySQL or MariaDB database for sessions and users: user:password@tcp(host:3306)/database. Without it both are kept in memory and gone with the process.",
		set:  dsn(func(c *Config) *string { return &c.MySQLDSN }),
	},
	{
		name: "MYSQL_MAX_CONNS", form: "number", def: "32",
		help: "How many connections to the database the process may have. One is enough for it to work.",
		set:  atLeastOne(func(c *Config) *int { return &c.MySQLMaxConns }),
	},
	{
		name: "TABLE_PREFIX", form: "text", def: mysql.DefaultTablePrefix, field: "TablePrefix",
		help: "What the names of the tables begin with: 1 to 32 letters, digits and underscores.",
		set:  tablePrefix(func(c *Config) *string { return &c.TablePrefix }),
	},
	{
		name: "ACCESS_LIFETIME", form: "duration", shown: session.DefaultAccessLifetime.String(), field: "AccessLifetime",
		help: "How long an access token is good. The default gives way to a shorter IDLE_LIFETIME.",
		set:  positive(func(c *Config) *duration { return &c.Session.AccessLifetime }),
	},
	{
		name: "IDLE_LIFETIME", form: "duration", shown: session.DefaultIdleLifetime.String(), field: "IdleLifetime",
		help: "How long a session lives that nobody refreshes. The default gives way to a shorter ABSOLUTE_LIFETIME.",
		set:  positive(func(c *Config) *duration { return &c.Session.IdleLifetime }),
	},
	{
		name: "ABSOLUTE_LIFETIME", form: "duration", shown: session.DefaultAbsoluteLifetime.String(), field: "AbsoluteLifetime",
		help: "How long any session lives.",
		set:  positive(func(c *Config) *duration { return &c.Session.AbsoluteLifetime }),
	},
	{
		name: "GRACE", form: "duration", def: session.DefaultGrace.String(), field: "Grace",
		help: "How long requests that cross with a refresh are honoured. 0 is the strict mode: only the newest token counts, and two tabs that refresh at once log each other out.",
		set:  zeroMeans(session.NoGrace, func(c *Config) *duration { return &c.Session.Grace }),
	},
	{
		name: "THEFT", form: "revoke|revoke_user|report", def: string(session.TheftRevoke), field: "Theft",
		help: "What a stolen refresh token brings about. revoke: its session ends. revoke_user: all sessions of its user end. report: it is refused and logged, and the session lives on.",
		set: choice(func(c *Config) *session.TheftPolicy { return &c.Session.Theft }, []option[session.TheftPolicy]{
			{"revoke", session.TheftRevoke}, {"revoke_user", session.TheftRevokeUser}, {"report", session.TheftReport},
		}),
	},
	{
		name: "REVOCATION", form: "feed|strict|off", def: string(session.RevocationFeed), field: "Revocation",
		help: "When the access tokens of an ended session stop to pass. feed: within FEED_INTERVAL, at no cost to a request. strict: at once, since every request asks the store. off: when they expire.",
		set: choice(func(c *Config) *session.RevocationMode { return &c.Session.Revocation }, []option[session.RevocationMode]{
			{"feed", session.RevocationFeed}, {"strict", session.RevocationStrict}, {"off", session.RevocationOff},
		}),
	},
	{
		name: "FEED_INTERVAL", form: "duration", def: session.DefaultFeedInterval.String(), field: "FeedInterval",
		help: "How often a process reads what was revoked by others.",
		set:  positive(func(c *Config) *duration { return &c.Session.FeedInterval }),
	},
	{
		name: "MAX_FEED_AGE", form: "duration", shown: session.DefaultMaxFeedAge.String(), field: "MaxFeedAge",
		help: "How long a process may have been unable to read that before it counts as stale. At least twice FEED_INTERVAL, to which the default gives way.",
		set:  positive(func(c *Config) *duration { return &c.Session.MaxFeedAge }),
	},
	{
		name: "STALE_FEED", form: "accept|refuse", def: string(session.StaleFeedAccept), field: "StaleFeed",
		help: "What becomes of good access tokens meanwhile. accept: they pass. refuse: requests get 503.",
		set: choice(func(c *Config) *session.StaleFeedPolicy { return &c.Session.StaleFeed }, []option[session.StaleFeedPolicy]{
			{"accept", session.StaleFeedAccept}, {"refuse", session.StaleFeedRefuse},
		}),
	},
	{
		name: "ENDING_RETENTION", form: "duration", def: session.DefaultEndingRetention.String(), field: "EndingRetention",
		help: "How long it is kept how a session ended. 0: no longer than the end of its access tokens needs.",
		set:  zeroMeans(session.NoEndings, func(c *Config) *duration { return &c.Session.EndingRetention }),
	},
	{
		name: "DEVICES", form: "full|coarse|none", def: string(session.DeviceFull), field: "Devices",
		help: "What is kept of a client's device. full: user agent and address. coarse: of the address only its network. none: nothing.",
		set: choice(func(c *Config) *session.DevicePolicy { return &c.Session.Devices }, []option[session.DevicePolicy]{
			{"full", session.DeviceFull}, {"coarse", session.DeviceCoarse}, {"none", session.DeviceNone},
		}),
	},
	{
		name: "TRUSTED_PROXIES", form: "networks", field: "TrustedProxies",
		help: "Proxies in front of the demo, separated by commas, whose word for a client's address is taken: addresses or networks, such as 10.0.0.0/8. Without it: nobody's.",
		set:  list(func(c *Config) *[]string { return &c.Wire.TrustedProxies }),
	},
	{
		name: "MAX_SESSIONS", form: "number", def: "0", field: "MaxSessions",
		help: "How many sessions a user may have at once. 0: any number.",
		set:  count(func(c *Config) *int { return &c.Session.MaxSessions }),
	},
	{
		name: "ON_LIMIT", form: "end_oldest|refuse", def: string(session.LimitEndOldest), field: "OnLimit",
		help: "What becomes of a login too many. end_oldest: the user's oldest session ends. refuse: the login is refused.",
		set: choice(func(c *Config) *session.LimitPolicy { return &c.Session.OnLimit }, []option[session.LimitPolicy]{
			{"end_oldest", session.LimitEndOldest}, {"refuse", session.LimitRefuse},
		}),
	},
	{
		name: "ANTI_CSRF", form: "fetch-metadata|token|both|none", def: string(wire.AntiCSRFFetchMetadata), field: "AntiCSRF",
		help: "How a request that changes something proves that this site's own page sent it. fetch-metadata: by what the browser says of its origin. token: by the anti-csrf header. both: by both. none: SameSite cookies have to do.",
		set: choice(func(c *Config) *wire.AntiCSRF { return &c.Wire.AntiCSRF }, []option[wire.AntiCSRF]{
			{"fetch-metadata", wire.AntiCSRFFetchMetadata}, {"token", wire.AntiCSRFToken}, {"both", wire.AntiCSRFBoth}, {"none", wire.AntiCSRFNone},
		}),
	},
	{
		name: "ALGORITHM", form: "HS256|HS512|EdDSA|ES256|RS256", def: string(session.HS256), field: "Algorithm",
		help: "How access tokens are signed. With the last three their public keys are at /.well-known/jwks.json.",
		set:  choice(func(c *Config) *session.Algorithm { return &c.Session.Algorithm }, algorithms),
	},
	{
		name: "KEY_ROTATION", form: "duration", def: session.DefaultAccessKeyRotation.String(), field: "AccessKeyRotation",
		help: "How long a key signs access tokens. 0: for ever.",
		set:  zeroMeans(session.NoRotation, func(c *Config) *duration { return &c.Session.AccessKeyRotation }),
	},
	{
		name: "REFRESH_KEY_ROTATION", form: "duration", def: session.DefaultRefreshKeyRotation.String(), field: "RefreshKeyRotation",
		help: "How long a key signs refresh tokens. 0: for ever.",
		set:  zeroMeans(session.NoRotation, func(c *Config) *duration { return &c.Session.RefreshKeyRotation }),
	},
	{
		name: "KEY_PROPAGATION", form: "duration", def: session.DefaultKeyPropagation.String(), field: "KeyPropagation",
		help: "How long before it signs a key is published, so that every process knows it by then. At least twice KEY_POLL_INTERVAL.",
		set:  positive(func(c *Config) *duration { return &c.Session.KeyPropagation }),
	},
	{
		name: "KEY_POLL_INTERVAL", form: "duration", def: session.DefaultKeyPollInterval.String(), field: "KeyPollInterval",
		help: "How often a process looks for keys that were published or cut off.",
		set:  positive(func(c *Config) *duration { return &c.Session.KeyPollInterval }),
	},
	{
		name: "KEY_ENCRYPTION", form: "version:base64,…", field: "KeyEncryption",
		help: "Seals the signing keys in the database: one or more keys of 32 bytes in base64, each with a number of its own, such as 1:mB0…=. The first one seals, all of them open. Keys that are there already in the clear are sealed as well.",
		set:  keyEncryption(func(c *Config) *session.Config { return &c.Session }),
	},
	{
		name: "COOKIE_DOMAIN", form: "domain", field: "Cookies.Domain",
		help: "Domain of the cookies. Without it they go to the host that set them and to no other.",
		set:  text(func(c *Config) *string { return &c.Wire.Cookies.Domain }),
	},
	{
		name: "COOKIE_SECURE", form: "true|false", field: "Cookies.Insecure",
		help: "Send the cookies over TLS only. Without it: false on a loopback address, true on any other.",
		set:  optionalFlag(func(c *Config) **bool { return &c.secure }),
	},
	{
		name: "COOKIE_SAMESITE", form: "lax|strict|none", def: "lax", field: "Cookies.SameSite",
		help: "Which requests of other sites' pages carry the cookies. none needs COOKIE_SECURE, and an ANTI_CSRF other than none.",
		set:  choice(func(c *Config) *sameSite { return &c.Wire.Cookies.SameSite }, sameSites),
	},
	{
		name: "COOKIE_PATH", form: "path", def: "/", field: "Cookies.Path",
		help: "Path of the access cookie. It has to cover /api.",
		set:  apiPath(func(c *Config) *string { return &c.Wire.Cookies.Path }),
	},
	{
		name: "COOKIE_PREFIX", form: "auto|none", def: string(wire.PrefixAuto), field: "Cookies.Prefix",
		help: "auto: names begin with __Host- or __Secure- where Secure, domain and path allow it. none: plain names.",
		set: choice(func(c *Config) *wire.Prefix { return &c.Wire.Cookies.Prefix }, []option[wire.Prefix]{
			{"auto", wire.PrefixAuto}, {"none", wire.PrefixNone},
		}),
	},
	{
		name: "STATUS_TRY_REFRESH", form: "status", def: "401", field: "StatusTryRefresh",
		help: "Status, 400 to 499, that tells a client to refresh and try again.",
		set:  status(func(c *Config) *int { return &c.Wire.StatusTryRefresh }),
	},
	{
		name: "STATUS_UNAUTHORISED", form: "status", def: "401", field: "StatusUnauthorised",
		help: "Status, 400 to 499, that tells a client that there is no session.",
		set:  status(func(c *Config) *int { return &c.Wire.StatusUnauthorised }),
	},
	{
		name: "STATUS_THEFT", form: "status", def: "401", field: "StatusTheft",
		help: "Status, 400 to 499, of a refresh with a stolen token.",
		set:  status(func(c *Config) *int { return &c.Wire.StatusTheft }),
	},
	{
		name: "ALLOWED_ORIGINS", form: "origins", field: "AllowedOrigins",
		help: "Origins, separated by commas, whose pages may call with cookies, such as https://app.example.com. Without it: none but the demo's own.",
		set:  list(func(c *Config) *[]string { return &c.Wire.AllowedOrigins }),
	},
	{
		name: "PROOF_LIFETIME", form: "duration", def: "5m",
		help: "How long ago a user may have proved who they are to change the password.",
		set:  positive(func(c *Config) *duration { return &c.ProofAge }),
	},
	{
		name: "CLEANUP_INTERVAL", form: "duration", def: session.DefaultCleanupInterval.String(), field: "CleanupInterval",
		help: "How often expired sessions, and records that are no longer kept, are removed from the store. 0: never; expired sessions are dead all the same.",
		set:  zeroMeans(session.NoCleanup, func(c *Config) *duration { return &c.Session.CleanupInterval }),
	},
	{
		name: "DEMO_OPEN_LOGIN", form: "1|0", def: "0",
		help: "1: any user name with the password \"watchword\" logs in. Refused unless ADDR is a loopback address.",
		set:  flag(func(c *Config) *bool { return &c.OpenLogin }),
	},
	{
		name: "DEMO_LAB", form: "1|0", def: "0",
		help: "1: the front end has a lab, which shows the refresh tokens of a session, steals them, loses answers, and cuts the connection to the database. Refused unless ADDR is a loopback address.",
		set:  flag(func(c *Config) *bool { return &c.Lab }),
	},
}
