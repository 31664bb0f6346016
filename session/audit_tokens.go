package session

import "fmt"

// auditSelfContained is V9.
func (c Config) auditSelfContained() []Finding {
	return append(c.auditTokenSource(), c.auditTokenContent()...)
}

// auditTokenSource is V9.1.
func (c Config) auditTokenSource() []Finding {
	keys := Finding{
		Requirement: "9.1.3", Level: ASVSLevel1, Title: "keys come from configured sources; a token cannot bring its own",
		Status: AuditMet, Fields: []string{"KeyEncryption", "AcceptUnsealedKeys", "KeySource"},
		Detail: "They come from the store, in the clear: who may write to it may plant one. A token only names its key.",
		Tests:  []string{"session.TestAttacks", "session.TestMalformedKeyIDsCostNoLook", "session.TestPlantedKeyIsLeftOut"},
	}
	switch {
	case c.KeySource != nil:
		keys.Status, keys.Fields, keys.Detail = AuditDuty, []string{"KeySource"}, "They come from KeySource: see to it that nobody else can put keys there. A token only names its key."
	case c.KeyEncryption != nil && c.AcceptUnsealedKeys:
		keys.Status, keys.Fields, keys.Detail = AuditViolated, []string{"AcceptUnsealedKeys"},
			"Who may write to the store may plant a key, although KeyEncryption is there to prevent that. Switch it off as soon as the keys are sealed."
	case c.KeyEncryption != nil:
		keys.Detail = "They come from the store, sealed: what is planted there is left out. A token only names its key."
	}
	return []Finding{
		{
			Requirement: "9.1.1", Level: ASVSLevel1, Title: "a token's signature or MAC is checked before anything that it says is believed",
			Status: AuditMet, Detail: "Nothing is read of the claims before; a token that is remembered is one that was checked, byte by byte.",
			Tests: []string{"session.TestAttacks", "session.FuzzVerify", "session/internal/accesstoken.FuzzParse", "session.TestVerifiedTokensMakeNoDifference"},
		},
		{
			Requirement: "9.1.2", Level: ASVSLevel1, Title: "listed algorithms alone make and verify tokens; none is not among them, and none stands in for another",
			Status: AuditMet, Fields: []string{"Algorithm"},
			Detail: fmt.Sprintf("%s signs. Each key verifies with the one algorithm that it was made for, whatever a token's header says, also while two are in use.", c.Algorithm),
			Tests:  []string{"session.TestAttacks", "session.TestConfigRefusesNonsense"},
		},
		keys,
	}
}

// auditTokenContent is V9.2.
func (c Config) auditTokenContent() []Finding {
	times := Finding{
		Requirement: "9.2.1", Level: ASVSLevel1, Title: "a token is accepted within its time span alone",
		Status: AuditMet, Fields: []string{"Clock"}, Detail: "exp is held to the millisecond, nbf and iat with 60 s of leeway for clocks that differ.",
		Tests: []string{"session.TestVerifyExpires", "session.TestVerifyToleratesClockSkew", "session/internal/accesstoken.TestParseChecksTimes"},
	}
	if !realClock(c.Clock) {
		times.Status, times.Detail = AuditDuty, "exp, nbf and iat are held to Clock: see to it that it tells the time."
	}
	return []Finding{
		times,
		{
			Requirement: "9.2.2", Level: ASVSLevel2, Title: "a token is accepted as what it was issued for alone, by its type",
			Status: AuditMet, Detail: "An access token has a typ that no other token carries, and keys of one purpose verify nothing of the other.",
			Tests: []string{"session.TestAttacks", "session/internal/accesstoken.TestParseRefusesWhatThisPackageDoesNotWrite"},
		},
		c.auditAudience(),
		c.auditAudiences(),
	}
}

// auditAudience is 9.2.3, of this service as one that receives tokens.
func (c Config) auditAudience() Finding {
	f := Finding{
		Requirement: "9.2.3", Level: ASVSLevel2, Title: "a service accepts tokens alone that are meant for it",
		Status: AuditMet, Fields: []string{"Audience"}, Detail: fmt.Sprintf("Tokens pass whose aud is %q, and no others.", c.Audience),
		Tests: []string{"session.TestVerifyRefusesForeignTokens", "session.TestAttacks"},
	}
	switch {
	case c.Audience == "" && c.KeySource != nil:
		f.Status, f.Fields, f.Detail = AuditDuty, []string{"Audience", "KeySource"},
			"No aud tells for whom a token is: see to it that the keys of KeySource sign for this service alone, or set Audience."
	case c.Audience == "":
		f.Detail = "Tokens pass that this deployment's own keys have signed, and no others; one with an aud is none of them."
	}
	return f
}

// auditAudiences is 9.2.4, of this service as one that issues tokens.
func (c Config) auditAudiences() Finding {
	f := Finding{
		Requirement: "9.2.4", Level: ASVSLevel2, Title: "where one key signs for several services, each token says for which it is",
		Status: AuditMet, Fields: []string{"Audience"}, Detail: fmt.Sprintf("Every token says %q. Give no two services the same.", c.Audience),
		Tests: []string{"session.TestVerifyRefusesForeignTokens", "session.TestVerifierRefusesWhatTheManagerRefuses"},
	}
	switch {
	case c.Audience != "":
	case c.Algorithm.shared() && c.KeySource != nil:
		f.Status, f.Fields, f.Detail = AuditDuty, []string{"Audience", "KeySource"},
			"No aud tells for whom a token is: see to it that the keys of KeySource sign for this service alone, or set Audience."
	case c.Algorithm.shared():
		f.Fields, f.Detail = []string{"Algorithm", "Audience"}, fmt.Sprintf("%s has a secret that stays within the deployment, so that there is one service: itself.", c.Algorithm)
		f.Tests = []string{"session.TestSharedSecretsAreNotPublished"}
	default:
		f.Status, f.Fields = AuditViolated, []string{"Audience", "Algorithm"}
		f.Detail = fmt.Sprintf("With %s other services can verify tokens, and each accepts what was meant for another. Set Audience.", c.Algorithm)
	}
	return f
}

// shared reports whether whoever verifies with an algorithm can sign as well.
func (a Algorithm) shared() bool { return a == HS256 || a == HS512 }
