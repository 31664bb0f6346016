package session

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
)

// Audit is Config.Audit of a service that only verifies: what V7 and V9 of OWASP ASVS 5.0.0 ask of one. It fetches nothing. The error is
// that of a level which does not exist.
func (cfg VerifierConfig) Audit(level ASVSLevel) (AuditReport, error) {
	attacks := []string{"session.TestAttacks", "session.TestVerifierRefusesWhatTheManagerRefuses"}
	times := Finding{
		Requirement: "9.2.1", Level: ASVSLevel1, Title: "a token is accepted within its time span alone",
		Status: AuditMet, Fields: []string{"Clock"}, Detail: "exp is held to the millisecond, nbf and iat with 60 s of leeway for clocks that differ.",
		Tests: append([]string{"session/internal/accesstoken.TestParseChecksTimes"}, attacks...),
	}
	if cfg.Clock != nil && !realClock(cfg.Clock) {
		times.Status, times.Detail = AuditDuty, "exp, nbf and iat are held to Clock: see to it that it tells the time."
	}
	audience := Finding{
		Requirement: "9.2.3", Level: ASVSLevel2, Title: "a service accepts tokens alone that are meant for it",
		Status: AuditMet, Fields: []string{"Audience"}, Detail: fmt.Sprintf("Tokens pass whose aud is %q, and no others.", cfg.Audience), Tests: attacks,
	}
	if cfg.Audience == "" {
		audience.Status, audience.Detail = AuditViolated, "Audience is empty: every token passes that names none, for whichever service it was issued."
	}
	return NewAuditReport(level,
		Finding{
			Requirement: "7.2.1", Level: ASVSLevel1, Title: "only the server verifies the tokens of sessions",
			Status: AuditMet, Detail: "Verify runs in the service; nothing passes but what the issuer has signed.", Tests: attacks,
		},
		Finding{
			Requirement: "7.4.1", Level: ASVSLevel1, Title: "a session that has ended is of no use any more",
			Status: AuditDuty, Detail: "A Verifier does not hear of ends: tokens pass until they expire. Have the issuer's AccessLifetime short, and leave what cannot wait to a service with a Manager.",
		},
		Finding{
			Requirement: "9.1.1", Level: ASVSLevel1, Title: "a token's signature or MAC is checked before anything that it says is believed",
			Status: AuditMet, Detail: "Nothing is read of the claims before; a token that is remembered is one that was checked, byte by byte.",
			Tests: append([]string{"session/internal/accesstoken.FuzzParse"}, attacks...),
		},
		Finding{
			Requirement: "9.1.2", Level: ASVSLevel1, Title: "listed algorithms alone make and verify tokens; none is not among them, and none stands in for another",
			Status: AuditMet, Detail: "EdDSA, ES256 and RS256 verify, each key with its own; there are no shared secrets.",
			Tests: append([]string{"session.TestNewVerifierRefuses"}, attacks...),
		},
		cfg.auditKeys(),
		times,
		Finding{
			Requirement: "9.2.2", Level: ASVSLevel2, Title: "a token is accepted as what it was issued for alone, by its type",
			Status: AuditMet, Detail: "An access token has a typ that no other token carries.", Tests: attacks,
		},
		audience,
	)
}

// strict refuses what Strict does not allow.
func (cfg VerifierConfig) strict() error {
	if cfg.Strict == 0 {
		return nil
	}
	report, err := cfg.Audit(cfg.Strict)
	if err != nil {
		return fmt.Errorf("%w: Strict is no level: %w", ErrInvalidConfig, err)
	}
	return report.Err()
}

// auditKeys is 9.1.3.
func (cfg VerifierConfig) auditKeys() Finding {
	f := Finding{
		Requirement: "9.1.3", Level: ASVSLevel1, Title: "keys come from configured sources; a token cannot bring its own",
		Status: AuditMet, Fields: []string{"Keys"}, Detail: "They are configured. A token only names its key.",
		Tests: []string{"session.TestAttacks", "session.FuzzJWKS", "session.TestNewVerifierRefuses"},
	}
	if cfg.JWKSURL == "" {
		return f
	}
	f.Fields, f.Detail = []string{"JWKSURL"}, "They come from JWKSURL, over TLS and without redirects. A token only names its key."
	switch u, err := url.Parse(cfg.JWKSURL); {
	case err != nil || u.Scheme != "https" && !loopback(u.Hostname()):
		f.Status, f.Detail = AuditViolated, "JWKSURL is not of https: whoever is on the way can put keys in."
	case u.Scheme != "https":
		f.Detail = "They come from JWKSURL, on this machine. A token only names its key."
	case unverified(cfg.Client):
		f.Status, f.Fields, f.Detail = AuditViolated, []string{"Client"}, "Client does not verify certificates: whoever is on the way can put keys in."
	case cfg.Client != nil:
		f.Status, f.Fields, f.Detail = AuditDuty, []string{"Client", "JWKSURL"},
			"They come from JWKSURL by a Client of yours: see to it that it verifies certificates, and follows no redirect to anybody else."
	}
	return f
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// unverified reports whether a client is known to take any certificate.
func unverified(client *http.Client) bool {
	if client == nil {
		return false
	}
	transport, ok := client.Transport.(*http.Transport)
	return ok && transport.TLSClientConfig != nil && insecure(transport.TLSClientConfig)
}

func insecure(cfg *tls.Config) bool {
	return cfg.InsecureSkipVerify && cfg.VerifyConnection == nil && cfg.VerifyPeerCertificate == nil
}
