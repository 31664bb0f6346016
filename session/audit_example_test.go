package session_test

import (
	"context"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// What stands in the way of level 2, and what Strict says of it.
func ExampleConfig_Audit() {
	cfg := session.Config{Revocation: session.RevocationOff, Algorithm: session.EdDSA}
	report, err := cfg.Audit(session.ASVSLevel2)
	if err != nil {
		panic(err)
	}
	for _, f := range report.Violations() {
		fmt.Println(f.Requirement, f.Level, f.Status, f.Fields)
	}

	cfg.Strict = session.ASVSLevel1
	_, err = session.New(context.Background(), memstore.New(nil), cfg)
	fmt.Println(err)
	// Output:
	// 7.4.1 L1 violated [Revocation]
	// 9.2.4 L2 violated [Audience Algorithm]
	// invalid session configuration: Revocation is against requirement 7.4.1 of OWASP ASVS 5.0.0 (L1), "a session that has ended is of no use any more": Revocation is "off", or the store keeps no feed: access tokens pass until they expire, for up to 15m45s.
}

// Sessions that last as NIST SP 800-63B-4 says for its second level, but for an inactivity that is shorter.
func ExampleAAL() {
	manager, err := session.New(context.Background(), memstore.New(nil), session.Config{
		Assurance: session.AAL2, IdleLifetime: 30 * time.Minute, Strict: session.ASVSLevel2,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(manager.IdleLifetime())
	// Output:
	// 30m0s
}

// A Verifier has an audit of its own.
func ExampleVerifierConfig_Audit() {
	report, err := session.VerifierConfig{JWKSURL: "https://login.example.com/.well-known/jwks.json"}.Audit(session.ASVSLevel2)
	if err != nil {
		panic(err)
	}
	fmt.Println(report.Violations()[0].Requirement, report.Violations()[0].Detail)
	// Output:
	// 9.2.3 Audience is empty: every token passes that names none, for whichever service it was issued.
}
