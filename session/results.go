package session

// VerifyResult says what became of a call of Manager.Verify.
type VerifyResult string

// The results of Verify. The first four passed; all others were refused, for that reason.
const (
	VerifyHit            VerifyResult = "hit"            // the token's signature had been checked before
	VerifyMiss           VerifyResult = "miss"           // it was checked now
	VerifyConfirmed      VerifyResult = "confirmed"      // the token's first use, by which its refresh token is known to have arrived
	VerifyUnconfirmed    VerifyResult = "unconfirmed"    // the same, but the store did not answer, or another refresh has crossed
	VerifyMalformed      VerifyResult = "malformed"      // not an access token, or none of ours
	VerifyUnknownKey     VerifyResult = "unknown_key"    // signed by a key that is not known, or no longer good
	VerifySignature      VerifyResult = "bad_signature"  // not signed by the key that it names
	VerifyClaims         VerifyResult = "bad_claims"     // signed, but not what this version writes
	VerifyForeign        VerifyResult = "wrong_audience" // of another issuer, or for another audience
	VerifyEarly          VerifyResult = "not_yet_valid"  // from the future
	VerifyExpired        VerifyResult = "expired"
	VerifyAntiCSRF       VerifyResult = "anti_csrf"      // without the anti-CSRF token, or it was issued without one
	VerifyEnded          VerifyResult = "ended"          // its session has ended, or was begun before a revocation of many
	VerifySuperseded     VerifyResult = "superseded"     // its refresh token was replaced before its first use
	VerifyReauthenticate VerifyResult = "reauthenticate" // VerifyOptions.MaxAuthAge is exceeded
	VerifyUnavailable    VerifyResult = "unavailable"    // the store, or the feed, could not be asked, where the configuration wants that
	VerifyFailed         VerifyResult = "failed"
)

// verifyResult is an index of verifyResults.
type verifyResult uint8

const (
	verifyHit verifyResult = iota
	verifyMiss
	verifyConfirmed
	verifyUnconfirmed
	verifyMalformed // from here to verifyExpired as accesstoken has its flaws
	verifyUnknownKey
	verifySignature
	verifyClaims
	verifyForeign
	verifyEarly
	verifyExpired
	verifyAntiCSRF
	verifyEnded
	verifySuperseded
	verifyReauthenticate
	verifyUnavailable
	verifyFailed
)

var verifyResults = [...]VerifyResult{
	VerifyHit, VerifyMiss, VerifyConfirmed, VerifyUnconfirmed, VerifyMalformed, VerifyUnknownKey, VerifySignature, VerifyClaims, VerifyForeign,
	VerifyEarly, VerifyExpired, VerifyAntiCSRF, VerifyEnded, VerifySuperseded, VerifyReauthenticate, VerifyUnavailable, VerifyFailed,
}

// RefreshResult says what became of a call of Manager.Refresh.
type RefreshResult string

// The results of Refresh. The first six gave out tokens.
const (
	RefreshRotated      RefreshResult = "rotated"      // a successor of the refresh token was minted
	RefreshRepeated     RefreshResult = "repeated"     // the successor was handed out once more, to a request that crossed or had no answer
	RefreshConfirmed    RefreshResult = "confirmed"    // the token was presented for the first time, and the client keeps it
	RefreshKept         RefreshResult = "kept"         // the client keeps its token, which is new
	RefreshCrossed      RefreshResult = "crossed"      // the token had just been replaced, and its successor was handed out
	RefreshShared       RefreshResult = "shared"       // the answer is that of a request beside it with the same token
	RefreshTheft        RefreshResult = "theft"        // the token is in two hands
	RefreshEnded        RefreshResult = "ended"        // its session has ended
	RefreshUnauthorised RefreshResult = "unauthorised" // it is not a token of this deployment
	RefreshTryRefresh   RefreshResult = "try_refresh"  // only the client's newest token can tell
	RefreshUnavailable  RefreshResult = "unavailable"  // the store did not answer
	RefreshFailed       RefreshResult = "failed"
)

// refreshResult is an index of refreshResults.
type refreshResult uint8

const (
	refreshRotated refreshResult = iota
	refreshRepeated
	refreshConfirmed
	refreshKept
	refreshCrossed
	refreshShared
	refreshTheft
	refreshEnded
	refreshUnauthorised
	refreshTryRefresh
	refreshUnavailable
	refreshFailed
)

var refreshResults = [...]RefreshResult{
	RefreshRotated, RefreshRepeated, RefreshConfirmed, RefreshKept, RefreshCrossed, RefreshShared, RefreshTheft, RefreshEnded, RefreshUnauthorised,
	RefreshTryRefresh, RefreshUnavailable, RefreshFailed,
}

// CleanupResult says how a cleanup came to its end.
type CleanupResult string

// The results of a cleanup.
const (
	CleanupComplete  CleanupResult = "complete"  // nothing was left
	CleanupPartial   CleanupResult = "partial"   // Config.CleanupTimeLimit was over
	CleanupElsewhere CleanupResult = "elsewhere" // another process is at it
	CleanupFailed    CleanupResult = "failed"    // or its context is done
)

var (
	cleanupResults = [...]CleanupResult{CleanupComplete, CleanupPartial, CleanupElsewhere, CleanupFailed}
	theftKinds     = [...]TheftKind{TheftReuse, TheftShadow}
)
