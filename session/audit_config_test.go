package session_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

const day = 24 * time.Hour

func audited(t *testing.T, cfg session.Config) session.AuditReport {
	t.Helper()
	report, err := cfg.Audit(session.ASVSLevel3)
	if err != nil {
		t.Fatalf("Audit: %v", err)
	}
	sound(t, report)
	return report
}

// changes are the findings in which two reports differ, by number: the status in the second.
func changes(t *testing.T, before, after session.AuditReport) map[string]session.AuditStatus {
	t.Helper()
	if len(before) != len(after) {
		t.Fatalf("got %d findings, want %d", len(after), len(before))
	}
	changed := map[string]session.AuditStatus{}
	for i := range before {
		if !reflect.DeepEqual(before[i], after[i]) {
			changed[after[i].Requirement] = after[i].Status
		}
	}
	return changed
}

type statuses = map[string]session.AuditStatus

const (
	met      = session.AuditMet
	violated = session.AuditViolated
	duty     = session.AuditDuty
)

var sealedKeys = func() session.KeyEncryption {
	e, err := session.NewKeyEncryption(session.EncryptionKey{Version: 1, Secret: make([]byte, 32)})
	if err != nil {
		panic(err)
	}
	return e
}()

func off() time.Time { return time.Now().Add(time.Hour) }

// auditFlips: a change of one field changes these findings, and no others. Those that come to be violated name the field.
var auditFlips = []struct {
	field string
	base  session.Config
	value any
	want  statuses
}{
	{"IdleLifetime", session.Config{}, 180 * day, statuses{"7.1.1": duty, "7.3.1": violated}}, // as long as AbsoluteLifetime
	{"IdleLifetime", session.Config{AbsoluteLifetime: 400 * day}, 399 * day, statuses{"7.1.1": duty, "7.3.1": met}},
	{"IdleLifetime", session.Config{AbsoluteLifetime: 500 * day, IdleLifetime: day}, 401 * day, statuses{"7.1.1": duty, "7.3.1": violated}},
	{"IdleLifetime", session.Config{Assurance: session.AAL1}, 29 * day, statuses{"7.1.1": duty, "7.3.1": met}},
	{"IdleLifetime", session.Config{Assurance: session.AAL2}, time.Hour + time.Second, statuses{"7.1.1": duty, "7.3.1": violated}},
	{"IdleLifetime", session.Config{Assurance: session.AAL3}, 16 * time.Minute, statuses{"7.1.1": duty, "7.3.1": violated, "7.4.1": met}}, // AccessLifetime follows
	{"AbsoluteLifetime", session.Config{}, 400 * day, statuses{"7.1.1": duty, "7.3.2": met}},
	{"AbsoluteLifetime", session.Config{}, 401 * day, statuses{"7.1.1": duty, "7.3.2": violated}},
	{"AbsoluteLifetime", session.Config{Assurance: session.AAL1}, 31 * day, statuses{"7.1.1": duty, "7.3.2": violated}},
	{"AbsoluteLifetime", session.Config{Assurance: session.AAL2}, day + time.Second, statuses{"7.1.1": duty, "7.3.2": violated}},
	{"AbsoluteLifetime", session.Config{Assurance: session.AAL3}, 13 * time.Hour, statuses{"7.1.1": duty, "7.3.2": violated}},
	{"Assurance", session.Config{IdleLifetime: 30 * day, AbsoluteLifetime: 180 * day}, session.AAL2, statuses{"7.3.1": violated, "7.3.2": violated}},
	{"Assurance", session.Config{}, session.AAL2, statuses{"7.1.1": duty, "7.3.1": met, "7.3.2": met}},

	{"AccessLifetime", session.Config{}, time.Hour, statuses{"7.4.1": violated}}, // with jitter
	{"AccessLifetime", session.Config{AccessJitter: session.NoJitter}, time.Hour, statuses{"7.4.1": met}},
	{"AccessLifetime", session.Config{Revocation: session.RevocationStrict}, 2 * time.Hour, statuses{}},
	{"AccessJitter", session.Config{AccessLifetime: 45 * time.Minute}, 0.5, statuses{"7.4.1": violated}},
	{"Revocation", session.Config{}, session.RevocationOff, statuses{"7.4.1": violated}},
	{"Revocation", session.Config{}, session.RevocationStrict, statuses{"7.4.1": met}},
	{"Revocation", session.Config{}, session.RevocationFeed, statuses{}},
	{"FeedInterval", session.Config{}, time.Minute, statuses{"7.4.1": met}},
	{"FeedInterval", session.Config{}, time.Minute + 1, statuses{"7.4.1": violated}},
	{"StaleFeed", session.Config{AccessLifetime: 2 * time.Hour, StaleFeed: session.StaleFeedRefuse}, session.StaleFeedAccept, statuses{"7.4.1": violated}},
	{"StaleFeed", session.Config{}, session.StaleFeedRefuse, statuses{"7.4.1": met}},
	{"MaxFeedAge", session.Config{AccessLifetime: 3 * time.Hour, StaleFeed: session.StaleFeedRefuse}, 2 * time.Hour, statuses{"7.4.1": violated}},
	{"MaxFeedAge", session.Config{}, 2 * time.Hour, statuses{}}, // tokens pass all the same

	{"MaxSessions", session.Config{}, 5, statuses{"7.1.2": duty}},
	{"OnLimit", session.Config{MaxSessions: 5}, session.LimitRefuse, statuses{"7.1.2": duty}},
	{"OnLimit", session.Config{}, session.LimitRefuse, statuses{}},
	{"Devices", session.Config{}, session.DeviceNone, statuses{"7.5.2": duty}},
	{"Devices", session.Config{}, session.DeviceCoarse, statuses{}},

	{"Random", session.Config{}, rand.NewChaCha8([32]byte{}), statuses{"7.2.3": violated}},
	{"Clock", session.Config{}, off, statuses{"9.2.1": duty}},
	{"Clock", session.Config{}, time.Now, statuses{}},
	{"KeyEncryption", session.Config{}, sealedKeys, statuses{"9.1.3": met}},
	{"AcceptUnsealedKeys", session.Config{KeyEncryption: sealedKeys}, true, statuses{"9.1.3": violated}},
	{"AcceptUnsealedKeys", session.Config{}, true, statuses{}}, // of no effect
	{"KeySource", session.Config{}, session.StaticKeys(), statuses{"9.1.3": duty, "9.2.3": duty, "9.2.4": duty}},
	{"KeySource", session.Config{Audience: "api"}, session.StaticKeys(), statuses{"9.1.3": duty}},
	{"Algorithm", session.Config{}, session.HS512, statuses{"9.1.2": met, "9.2.4": met}},
	{"Algorithm", session.Config{}, session.EdDSA, statuses{"9.1.2": met, "9.2.4": violated}},
	{"Algorithm", session.Config{}, session.ES256, statuses{"9.1.2": met, "9.2.4": violated}},
	{"Algorithm", session.Config{}, session.RS256, statuses{"9.1.2": met, "9.2.4": violated}},
	{"Algorithm", session.Config{Audience: "api"}, session.ES256, statuses{"9.1.2": met}},
	{"Audience", session.Config{}, "api", statuses{"9.2.3": met, "9.2.4": met}},
	{"Audience", session.Config{Algorithm: session.ES256, Audience: "api"}, "", statuses{"9.2.3": met, "9.2.4": violated}},
}

// unauditedFields change nothing in a report, whatever they are: here to something else, and why that is.
var unauditedFields = map[string]struct {
	value any
	why   string
}{
	"Issuer":       {"https://issuer.example", "keys tell who has issued a token; no requirement asks for iss"},
	"Grace":        {time.Minute, "within it the client's own older token is answered with the newest; a proof ends it all the same"},
	"MaxHandOuts":  {2, "when a shadow is found out. ASVS has theft of refresh tokens in V10, for OAuth"},
	"StoreTimeout": {time.Second, "availability"},
	"MaxDataBytes": {1 << 10, "what the application keeps"},
	"Theft":        {session.TheftReport, "a stolen token is refused under each policy. ASVS has what follows in V10 (10.4.5), for OAuth"},
	"OnTheft":      {func(context.Context, *session.TheftError) {}, "alarms are V16's"},
	"OnEvent":      {func(session.Event) {}, "logging is V16's"},
	"OnFeedPoll":   {func(session.FeedPoll) {}, "metrics"},
	"OnOperation": {func(ctx context.Context, _ session.Operation) (context.Context, func(error)) {
		return ctx, func(error) {}
	}, "traces"},
	"EndingRetention":    {session.NoEndings, "records of ends; nothing passes by them, or for want of them"},
	"CleanupInterval":    {session.NoCleanup, "a session that has expired is refused whether its row is there or not"},
	"CleanupSchedule":    {nightly, "as CleanupInterval"},
	"CleanupTimeLimit":   {time.Hour, "as CleanupInterval"},
	"CleanupShare":       {1.0, "as CleanupInterval"},
	"CleanupHold":        {func(context.Context) bool { return true }, "as CleanupInterval"},
	"VerifiedTokens":     {session.NoVerifiedTokens, "a token that is remembered passes no longer than one that is not"},
	"AccessKeyRotation":  {session.NoRotation, "the life of keys is V11's"},
	"RefreshKeyRotation": {session.NoRotation, "the life of keys is V11's"},
	"KeyPropagation":     {time.Hour, "the life of keys is V11's"},
	"KeyPollInterval":    {time.Second, "the life of keys is V11's"},
	"Lists":              {memstore.New(nil), "what people look at; nothing is verified by it"},
	"Strict":             {session.ASVSLevel1, "it says what New makes of the report"},
	"Logger":             {slog.Default(), "logging is V16's"},
	"Sleep":              {noSleep, "how a request waits, for tests"},
	"RunSleep":           {noSleep, "how Run waits, for tests"},
}

func noSleep(context.Context, time.Duration) error { return nil }

func with[C any](base C, field string, value any) C {
	v := reflect.ValueOf(&base).Elem()
	for name := range strings.SplitSeq(field, ".") {
		v = v.FieldByName(name)
	}
	v.Set(reflect.ValueOf(value).Convert(v.Type()))
	return base
}

// TestAuditOfEachField: flipping any one field yields exactly its requirements, and what has nothing to do with any changes nothing.
func TestAuditOfEachField(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, flip := range auditFlips {
		known[flip.field] = true
		after := audited(t, with(flip.base, flip.field, flip.value))
		if got := changes(t, audited(t, flip.base), after); !reflect.DeepEqual(got, flip.want) {
			t.Errorf("%s = %v: got %v, want %v", flip.field, flip.value, got, flip.want)
		}
		for _, f := range after.Violations() {
			named := slices.Contains(f.Fields, flip.field) || flip.field == "AccessJitter" && f.Fields[0] == "AccessLifetime" ||
				flip.field == "Assurance" && slices.Contains([]string{"IdleLifetime", "AbsoluteLifetime"}, f.Fields[0])
			if flip.want[f.Requirement] == violated && !named {
				t.Errorf("%s = %v: %s names %v", flip.field, flip.value, f.Requirement, f.Fields)
			}
		}
	}
	for field, other := range unauditedFields {
		if known[field] || other.why == "" {
			t.Errorf("%s is twice in the lists, or for no reason", field)
		}
		known[field] = true
		if got := changes(t, audited(t, session.Config{}), audited(t, with(session.Config{}, field, other.value))); len(got) > 0 {
			t.Errorf("%s = %v: got %v, want no change: %s", field, other.value, got, other.why)
		}
	}
	everyField(t, reflect.TypeFor[session.Config](), "", known)
}

// everyField asserts that each field of a configuration is in one of the lists.
func everyField(t *testing.T, config reflect.Type, prefix string, known map[string]bool) {
	t.Helper()
	for _, field := range reflect.VisibleFields(config) {
		if field.Type.Kind() == reflect.Struct && field.Type.PkgPath() == config.PkgPath() && field.Type.Name() != "JWKS" {
			everyField(t, field.Type, prefix+field.Name+".", known)
		} else if !known[prefix+field.Name] {
			t.Errorf("what does the audit make of %s%s?", prefix, field.Name)
		}
	}
}

// TestDefaultsMeetLevel2: nothing is violated, and the report is the golden one.
func TestDefaultsMeetLevel2(t *testing.T) {
	t.Parallel()
	report, err := session.Config{}.Audit(session.ASVSLevel2)
	if err != nil || len(report.Violations()) > 0 || report.Err() != nil {
		t.Errorf("got %v, %v", err, report.Violations())
	}
	golden(t, "config", audited(t, session.Config{}))
	if _, err := session.New(t.Context(), memstore.New(nil), session.Config{Strict: session.ASVSLevel2}); err != nil {
		t.Errorf("New: %v", err)
	}
}

// TestStrictRefuses: what Audit calls a violation, New and Validate refuse under Strict of that level or above, and nothing else.
func TestStrictRefuses(t *testing.T) {
	t.Parallel()
	for _, flip := range auditFlips {
		cfg := with(flip.base, flip.field, flip.value)
		if cfg.KeySource != nil {
			cfg.KeySource = keysFor(session.HS256)
		}
		for level := session.ASVSLevel1; level <= session.ASVSLevel3; level++ {
			cfg.Strict = level
			report, err := cfg.Audit(level)
			if err != nil {
				t.Fatal(err)
			}
			_, err = session.New(t.Context(), memstore.New(nil), cfg)
			if invalid := cfg.Validate(); (err == nil) != (invalid == nil) || err != nil && err.Error() != invalid.Error() {
				t.Errorf("%s = %v, %v: New says %v, and Validate %v", flip.field, flip.value, level, err, invalid)
			}
			bad := report.Violations()
			if (err != nil) != (len(bad) > 0) || err != nil && !errors.Is(err, session.ErrInvalidConfig) {
				t.Errorf("%s = %v, %v: got %v, want an error for %v", flip.field, flip.value, level, err, bad)
			}
			for _, f := range bad {
				if text := err.Error(); !strings.Contains(text, " "+f.Fields[0]+" ") || !strings.Contains(text, " "+f.Requirement+" ") {
					t.Errorf("%s = %v, %v: got %v, want one that names %s and %v", flip.field, flip.value, level, err, f.Requirement, f.Fields)
				}
			}
		}
	}
	for _, level := range []session.ASVSLevel{-1, 4} {
		if err := (session.Config{Strict: level}).Validate(); !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), ": Strict ") {
			t.Errorf("Strict = %d: got %v", level, err)
		}
	}
}

// TestStrictNeedsAFeed: what becomes of the default Revocation depends on the store, and Strict asks it.
func TestStrictNeedsAFeed(t *testing.T) {
	t.Parallel()
	store := feedless{memstore.New(nil)}
	_, err := session.New(t.Context(), store, session.Config{Strict: session.ASVSLevel1})
	if !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), ": Revocation is against requirement 7.4.1 ") {
		t.Errorf("got %v, want Revocation refused for 7.4.1", err)
	}
	if _, err := session.New(t.Context(), store, session.Config{Strict: session.ASVSLevel1, Revocation: session.RevocationStrict}); err != nil {
		t.Errorf("a store that is asked each time needs no feed: %v", err)
	}
}

// TestAuditOfAnInvalidConfig: there is no report of what New would not take, but for Strict.
func TestAuditOfAnInvalidConfig(t *testing.T) {
	t.Parallel()
	if report, err := (session.Config{IdleLifetime: -1}).Audit(session.ASVSLevel1); report != nil || !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("got %v, %v", report, err)
	}
	report, err := session.Config{Revocation: session.RevocationOff, Strict: session.ASVSLevel3}.Audit(session.ASVSLevel1)
	if err != nil || len(report.Violations()) != 1 {
		t.Errorf("got %v, %v", report.Violations(), err)
	}
}
