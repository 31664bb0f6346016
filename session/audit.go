package session

import (
	"crypto/rand"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Where the audit draws a line of its own, since ASVS gives no figures.
const (
	maxRevocationDelay = time.Minute // within which an ended session's access tokens stop to pass
	maxRevocationBlind = time.Hour   // likewise, in a process that cannot read the feed
)

// Audit holds the configuration, with its defaults, against those requirements of OWASP ASVS 5.0.0 up to a level that concern the core:
// all of chapters V7, Session Management, and V9, Self-contained Tokens. What concerns cookies and browsers is wire.Config's, and what
// concerns services that only verify VerifierConfig's.
//
// The default Revocation is taken for RevocationFeed, which it is with every store that keeps a feed; Strict looks at the store as well.
// The error is that of Validate, whatever Strict says, or that of a level which does not exist.
func (c Config) Audit(level ASVSLevel) (AuditReport, error) {
	c.Strict = 0
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return c.audit(level)
}

// strict refuses what Strict does not allow. The defaults are filled in.
func (c Config) strict() error {
	if c.Strict == 0 {
		return nil
	}
	report, err := c.audit(c.Strict)
	if err != nil {
		return fmt.Errorf("%w: Strict is no level: %w", ErrInvalidConfig, err)
	}
	return report.Err()
}

func (c Config) audit(level ASVSLevel) (AuditReport, error) {
	return NewAuditReport(level, slices.Concat(c.auditDocuments(), c.auditTokens(), c.auditTimeouts(), c.auditEnds(), c.auditAbuse(), c.auditSelfContained())...)
}

// auditDocuments is V7.1.
func (c Config) auditDocuments() []Finding {
	within := "are longer than NIST SP 800-63B-4 recommends even at AAL1 (30 days in all): write down why"
	if level := levelOf(c.lifetimes()); level != 0 {
		within = fmt.Sprintf("are within %v of NIST SP 800-63B-4: write down that this is the level you need", level)
	}
	sessions := "MaxSessions is 0, which allows any number: write that down, or choose one"
	if c.MaxSessions > 0 {
		sessions = fmt.Sprintf("MaxSessions is %d, and OnLimit %q: write that down", c.MaxSessions, c.OnLimit)
	}
	return []Finding{
		{
			Requirement: "7.1.1", Level: ASVSLevel2, Title: "the timeouts of sessions are written down, with a reason where they go beyond NIST SP 800-63B",
			Status: AuditDuty, Fields: []string{"IdleLifetime", "AbsoluteLifetime"},
			Detail: fmt.Sprintf("IdleLifetime, %s, and AbsoluteLifetime, %s, %s.", span(c.IdleLifetime), span(c.AbsoluteLifetime), within),
		},
		{
			Requirement: "7.1.2", Level: ASVSLevel2, Title: "it is written down how many sessions a user may have, and what becomes of one too many",
			Status: AuditDuty, Fields: []string{"MaxSessions", "OnLimit"}, Detail: sessions + ".",
			Tests: []string{"session.TestLimitOfParallelLogins", "session.TestLimitEndsTheOldest", "session.TestLimitRefuses"},
		},
		{
			Requirement: "7.1.3", Level: ASVSLevel2, Title: "where other systems log users in (SSO), it is written down how sessions here and there go together",
			Status: AuditDuty, Detail: "Watchword knows of no other system.",
		},
	}
}

// auditTokens is V7.2.
func (c Config) auditTokens() []Finding {
	random := Finding{
		Requirement: "7.2.3", Level: ASVSLevel1, Title: "reference tokens are unique, with at least 128 bits from a cryptographic random generator",
		Status: AuditMet, Fields: []string{"Random"}, Detail: "A session's refresh token holds 256 bits from crypto/rand, and each successor 256 that are derived from those.",
		Tests: []string{"session.TestRefreshTokensAreOfTheirRandomness", "session/internal/refreshtoken.TestSuccessorIsReproducible"},
	}
	if c.Random != rand.Reader {
		random.Status, random.Detail = AuditViolated, "Random is not crypto/rand.Reader; anything else is for tests."
	}
	return []Finding{
		{
			Requirement: "7.2.1", Level: ASVSLevel1, Title: "only the server verifies the tokens of sessions",
			Status: AuditMet, Detail: "Verify, Refresh and a Verifier run in the service; nothing is taken from a client but what this deployment has signed.",
			Tests: []string{"session.TestAttacks", "session/internal/refreshtoken.TestOpenRefusesEveryAlteration"},
		},
		{
			Requirement: "7.2.2", Level: ASVSLevel1, Title: "tokens are made anew for each session; none is a fixed secret",
			Status: AuditMet, Detail: "Each Create makes tokens of its own, and each refresh makes new ones.",
			Tests: []string{"session.TestLoginContinuesNothing", "session.TestTheftAfterUseOfTheSuccessor"},
		},
		random,
		{
			Requirement: "7.2.4", Level: ASVSLevel1, Title: "each proof of who the user is brings a new token, and ends the one before",
			Status: AuditDuty, Detail: "Create and Reauthenticated make tokens that cannot be made from older ones, and the refresh token before a proof is over once that after it is used. " +
				"Call them after each proof, and end the session that a client had before its login with Revoke: Create does not know of it.",
			Tests: []string{"session.TestLoginContinuesNothing", "session.TestProofIsNotSharedWithAThief", "session.TestTheftAfterAProof"},
		},
	}
}

// auditTimeouts is V7.3.
func (c Config) auditTimeouts() []Finding {
	idle := Finding{
		Requirement: "7.3.1", Level: ASVSLevel2, Title: "a session that nobody uses ends",
		Status: AuditMet, Fields: []string{"IdleLifetime"}, Detail: fmt.Sprintf("It ends %s after its last refresh.", span(c.IdleLifetime)),
		Tests: []string{"session.TestLifetimesEnd"},
	}
	absolute := Finding{
		Requirement: "7.3.2", Level: ASVSLevel2, Title: "every session ends at last, used or not",
		Status: AuditMet, Fields: []string{"AbsoluteLifetime"}, Detail: fmt.Sprintf("It ends %s after its login.", span(c.AbsoluteLifetime)),
		Tests: []string{"session.TestLifetimesEnd"},
	}
	limits, whose := c.Assurance.limits(), "any browser keeps a cookie"
	if c.Assurance != 0 {
		whose = fmt.Sprintf("%v of NIST SP 800-63B-4 allows, which Assurance names", c.Assurance)
	}
	switch {
	case c.IdleLifetime >= c.AbsoluteLifetime:
		idle.Status, idle.Detail = AuditViolated, fmt.Sprintf("IdleLifetime, %s, is no shorter than AbsoluteLifetime, so that it ends nothing.", span(c.IdleLifetime))
	case c.IdleLifetime > limits.Idle:
		idle.Status, idle.Detail = AuditViolated, fmt.Sprintf("IdleLifetime is %s, longer than %s: %s.", span(c.IdleLifetime), whose, span(limits.Idle))
	}
	if c.AbsoluteLifetime > limits.Absolute {
		absolute.Status, absolute.Detail = AuditViolated, fmt.Sprintf("AbsoluteLifetime is %s, longer than %s: %s.", span(c.AbsoluteLifetime), whose, span(limits.Absolute))
	}
	return []Finding{idle, absolute}
}

// auditRevocation is 7.4.1. Refresh tokens of an ended session pass nowhere, whatever the mode; this is about access tokens.
func (c Config) auditRevocation() Finding {
	found := func(status AuditStatus, detail string, fields ...string) Finding {
		return Finding{
			Requirement: "7.4.1", Level: ASVSLevel1, Title: "a session that has ended is of no use any more",
			Status: status, Fields: fields, Detail: detail,
			Tests: []string{
				"session.TestI4EveryInterleavingWithRevoke", "session.TestFeedReachesOtherProcesses", "session.TestVerifyAsksTheStoreAsTheModeSays",
				"session.TestStaleFeed", "session.TestRevokedStaysRefusedInAnOutage",
			},
		}
	}
	longest := c.AccessLifetime + c.jitter()
	switch c.Revocation {
	case RevocationStrict:
		return found(AuditMet, "Each Verify asks the store.", "Revocation")
	case RevocationOff:
		return found(AuditViolated, fmt.Sprintf("Revocation is %q, or the store keeps no feed: access tokens pass until they expire, for up to %s.", c.Revocation, span(longest)), "Revocation")
	}
	if c.FeedInterval > maxRevocationDelay {
		return found(AuditViolated, fmt.Sprintf("FeedInterval is %s: access tokens of an ended session pass for so long, which is more than %s.", span(c.FeedInterval), span(maxRevocationDelay)), "FeedInterval")
	}
	blind, fields := longest, []string{"AccessLifetime", "StaleFeed"}
	if c.StaleFeed == StaleFeedRefuse && c.MaxFeedAge < longest {
		blind, fields = c.MaxFeedAge, []string{"MaxFeedAge"}
	}
	if blind > maxRevocationBlind {
		return found(AuditViolated, fmt.Sprintf("While a process cannot read the feed it lets access tokens of sessions that end meanwhile pass for up to %s, which is more than %s.",
			span(blind), span(maxRevocationBlind)), fields...)
	}
	return found(AuditMet, fmt.Sprintf("With Manager.Run, access tokens stop to pass %s after their session has ended, and while a process cannot read the feed %s after.", span(c.FeedInterval), span(blind)),
		append([]string{"Revocation", "FeedInterval"}, fields...)...)
}

// auditEnds is V7.4.
func (c Config) auditEnds() []Finding {
	return []Finding{
		c.auditRevocation(),
		{
			Requirement: "7.4.2", Level: ASVSLevel1, Title: "all sessions of a user end when the account is disabled or deleted",
			Status: AuditDuty, Detail: "Call RevokeUser there.", Tests: []string{"session.TestSessionsAndRevocation"},
		},
		{
			Requirement: "7.4.3", Level: ASVSLevel2, Title: "users who change or remove an authentication factor can end their other sessions",
			Status: AuditDuty, Detail: "Offer it there, and call RevokeOthers.", Tests: []string{"session.TestSessionsAndRevocation"},
		},
		{
			Requirement: "7.4.4", Level: ASVSLevel2, Title: "every page that needs a session shows how to log out",
			Status: AuditDuty, Detail: "Show it; HTTP adapters have a handler for it.",
		},
		{
			Requirement: "7.4.5", Level: ASVSLevel2, Title: "administrators can end the sessions of one user, and of all",
			Status: AuditDuty, Detail: "Give them RevokeUser and RevokeAll.", Tests: []string{"session.TestSessionsAndRevocation", "session.TestRevokeAllReachesEverybody"},
		},
	}
}

// auditAbuse is V7.5 and V7.6.
func (c Config) auditAbuse() []Finding {
	proof := []string{"session.TestMaxAuthAge", "session.TestAuthTimeIsOfTheLastProof"}
	devices := "Sessions tells them with their devices."
	if c.Devices == DeviceNone {
		devices = fmt.Sprintf("Devices is %q: Sessions tells when they began and were used, and their labels, but no devices.", c.Devices)
	}
	return []Finding{
		{
			Requirement: "7.5.1", Level: ASVSLevel2, Title: "who changes what logins hang on, such as a mail address or a second factor, proves in full who they are again",
			Status: AuditDuty, Detail: "Ask for MaxAuthAge there, and call Reauthenticated after the proof.", Tests: proof,
		},
		{
			Requirement: "7.5.2", Level: ASVSLevel2, Title: "users see their sessions, and can end each of them after a proof of who they are",
			Status: AuditDuty, Fields: []string{"Devices"}, Detail: devices + " Show them; let users end them by RevokeOwned, where MaxAuthAge is asked for.",
			Tests: append([]string{"session.TestRevokeKeepsToItsOptions", "session.TestDevicePolicyHoldsEverywhere"}, proof...),
		},
		{
			Requirement: "7.5.3", Level: ASVSLevel3, Title: "what is most sensitive asks for another proof or confirmation first",
			Status: AuditDuty, Detail: "Ask for MaxAuthAge there, or for a confirmation of your own.", Tests: proof,
		},
		{
			Requirement: "7.6.1", Level: ASVSLevel2, Title: "sessions here and at an identity provider last and end as is documented for both",
			Status: AuditDuty, Detail: "Watchword knows of no provider: end sessions when it says so, and ask it for a proof in time.",
		},
		{
			Requirement: "7.6.2", Level: ASVSLevel2, Title: "no session begins without the user's doing",
			Status: AuditDuty, Detail: "Sessions begin in Create alone: call it where the user has acted or agreed.",
		},
	}
}

// realClock reports whether a clock is time.Now.
func realClock(clock func() time.Time) bool {
	return reflect.ValueOf(clock).Pointer() == reflect.ValueOf(time.Now).Pointer()
}

// span writes a duration as people do: "30 days", "15m".
func span(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 1 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", days)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
