package session_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func auditedVerifier(t *testing.T, cfg session.VerifierConfig) session.AuditReport {
	t.Helper()
	report, err := cfg.Audit(session.ASVSLevel3)
	if err != nil {
		t.Fatal(err)
	}
	sound(t, report)
	return report
}

func dialing(cfg *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}
}

// TestAuditOfEachFieldOfAVerifier is TestAuditOfEachField of VerifierConfig.
func TestAuditOfEachFieldOfAVerifier(t *testing.T) {
	t.Parallel()
	base := session.VerifierConfig{JWKSURL: "https://issuer.example/jwks", Audience: "api"}
	known := map[string]bool{}
	for _, flip := range []struct {
		field string
		value any
		want  statuses
	}{
		{"Audience", "", statuses{"9.2.3": violated}},
		{"JWKSURL", "http://issuer.example/jwks", statuses{"9.1.3": violated}},
		{"JWKSURL", "http://127.0.0.1.example/jwks", statuses{"9.1.3": violated}},
		{"JWKSURL", "http://127.0.0.1:8080/jwks", statuses{"9.1.3": met}},
		{"JWKSURL", "http://[::1]:8080/jwks", statuses{"9.1.3": met}},
		{"JWKSURL", "http://localhost:8080/jwks", statuses{"9.1.3": met}},
		{"JWKSURL", "", statuses{"9.1.3": met}}, // then there are Keys
		{"Client", dialing(&tls.Config{InsecureSkipVerify: true}), statuses{"9.1.3": violated}},
		{"Client", dialing(nil), statuses{"9.1.3": duty}},
		{"Client", &http.Client{}, statuses{"9.1.3": duty}},
		{"Clock", off, statuses{"9.2.1": duty}},
		{"Clock", time.Now, statuses{}},
		// Without a bearing: keys tell the issuer, Keys are taken as they are, and what is remembered, or for how long a key is kept
		// that was cut off, is in no requirement of these chapters.
		{"Issuer", "https://issuer.example", statuses{}},
		{"Keys", session.JWKS{}, statuses{}},
		{"MaxAge", time.Hour, statuses{}},
		{"VerifiedTokens", session.NoVerifiedTokens, statuses{}},
		{"Strict", session.ASVSLevel1, statuses{}},
	} {
		known[flip.field] = true
		after := auditedVerifier(t, with(base, flip.field, flip.value))
		if got := changes(t, auditedVerifier(t, base), after); !reflect.DeepEqual(got, flip.want) {
			t.Errorf("%s = %v: got %v, want %v", flip.field, flip.value, got, flip.want)
		}
		for _, f := range after.Violations() {
			if !slices.Contains(f.Fields, flip.field) {
				t.Errorf("%s = %v: %s names %v", flip.field, flip.value, f.Requirement, f.Fields)
			}
		}
	}
	everyField(t, reflect.TypeFor[session.VerifierConfig](), "", known)
	golden(t, "verifier", auditedVerifier(t, base))
}

func TestStrictVerifierRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signedWith(session.EdDSA), func(cfg *session.Config) { cfg.Audience = "api" })
	keys := w.JWKS(w.ctx)
	for _, test := range []struct {
		cfg  session.VerifierConfig
		want string
	}{
		{session.VerifierConfig{Keys: keys, Audience: "api", Strict: session.ASVSLevel3}, ""},
		{session.VerifierConfig{Keys: keys, Strict: session.ASVSLevel1}, ""},
		{session.VerifierConfig{Keys: keys, Strict: session.ASVSLevel2}, ": Audience is against requirement 9.2.3 "},
		{session.VerifierConfig{JWKSURL: "http://issuer.example", Audience: "api", Strict: session.ASVSLevel1}, ": JWKSURL is against requirement 9.1.3 "},
		{session.VerifierConfig{Keys: keys, Audience: "api", Strict: 4}, ": Strict is no level"},
	} {
		_, err := session.NewVerifier(w.ctx, test.cfg)
		if test.want == "" && err == nil {
			continue
		}
		if test.want == "" || !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.cfg, err, test.want)
		}
	}
}
