package storetest_test

import (
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// mutant is a store with one defect of which the suite is to tell.
type mutant struct {
	name   string
	mutate func(*memstore.Store) session.Store
	test   string // which has to fail
	reason string // part of what it says
	hangs  bool
}

// mutants are what is likely to go wrong in somebody's store.
var mutants = []mutant{
	{
		name: "no compare-and-set in Mint", mutate: func(s *memstore.Store) session.Store { return blindMint{s} },
		test: "Contract/I3_MintOnceOf64", reason: "winners among 64 successors of one current: got ",
	},
	{
		name: "no compare-and-set in Confirm", mutate: func(s *memstore.Store) session.Store { return blindConfirm{s} },
		test: "Contract/ConfirmNeedsPending", reason: "Confirm of another mark: got true",
	},
	{
		name: "no compare-and-set in HandOut", mutate: func(s *memstore.Store) session.Store { return blindHandOut{s} },
		test: "Contract/HandOut", reason: "HandOut with another current: got true",
	},
	{
		name: "half a compare-and-set in Mint", mutate: func(s *memstore.Store) session.Store { return halfMint{s} },
		test: "Contract/MintComparesMarks", reason: "Mint over a pending that was handed out since it was read: got true",
	},
	{
		name: "lost update", mutate: func(s *memstore.Store) session.Store { return lostUpdate{s} },
		test: "Contract/SetDataOnceOf64", reason: "winners among 64 SetData of one version: got ",
	},
	{
		name: "versions in floating point", mutate: func(s *memstore.Store) session.Store { return floatVersions{s} },
		test: "Contract/VersionsAreExact", reason: "SetData where the version is 4611686018427387905, of 4611686018427387904: got true",
	},
	{
		name: "revoke and feed in two steps", mutate: func(s *memstore.Store) session.Store { return twoStepEnd{s} },
		test: "Contract/ReadersSeeEndAndEntry", reason: "End is not atomic: a session was seen to have ended, and the feed does not have it",
	},
	{
		name: "revoke and feed in two steps, between which the caller goes", mutate: func(s *memstore.Store) session.Store { return twoStepEnd{s} },
		test: "Faults/CancelledInFlight", reason: "a session has ended, and the feed does not have it",
	},
	{
		name: "revoke of a user one by one", mutate: func(s *memstore.Store) session.Store { return oneByOne{s} },
		test: "Contract/ReadersSeeWholeEndings", reason: "EndUser is not atomic: of 10 sessions ",
	},
	{
		name: "revoke of a user one by one, of whom the caller goes", mutate: func(s *memstore.Store) session.Store { return oneByOne{s} },
		test: "Faults/CancelledInFlight", reason: "of 3 sessions that one call ends ",
	},
	{
		name: "a rotation in two steps", mutate: func(s *memstore.Store) session.Store { return twoStepConfirm{s} },
		test: "Contract/ReadersSeeWholeRotations", reason: "half a rotation was read",
	},
	{
		name: "a rotation in two steps, between which the caller goes", mutate: func(s *memstore.Store) session.Store { return twoStepConfirm{s} },
		test: "Faults/CancelledInFlight", reason: "half a Confirm with next",
	},
	{
		name: "ignored context, carried out", mutate: func(s *memstore.Store) session.Store { return deaf{s} },
		test: "Contract/CancelledContext", reason: "SetLabel with a cancelled context: got <nil>",
	},
	{
		name: "ignored context, carried out later", mutate: func(s *memstore.Store) session.Store { return afterwards{s} },
		test: "Contract/CancelledContext", reason: "calls whose context was over before have changed something",
	},
	{
		name: "ignored context, blocked on", mutate: func(s *memstore.Store) session.Store { return stuck{s} },
		test: "Faults/CancelledInFlight", reason: "SetLabel with a context that is cancelled: hangs", hangs: true,
	},
	{
		name: "forked successor", mutate: func(s *memstore.Store) session.Store { return newFork(s) },
		test: "Contract/MintComparesMarks", reason: "Confirm of the replaced: got true",
	},
	{
		name: "case-insensitive user ids", mutate: func(s *memstore.Store) session.Store { return folded{s} },
		test: "Contract/UserIDsAreBytes", reason: `List("Case"): got `,
	},
	{
		name: "times cut to seconds", mutate: func(*memstore.Store) session.Store { return inSeconds() },
		test: "Contract/ClockMovesForward", reason: "the clock shows microseconds: got false",
	},
	{
		name: "EndUser ends the kept session", mutate: func(s *memstore.Store) session.Store { return keepsNone{s} },
		test: "Contract/EndUserKeeps", reason: "EndUser with one kept: got ",
	},
	{
		name: "late feed", mutate: func(s *memstore.Store) session.Store { return lateFeed{s} },
		test: "Contract/FeedOfEnd", reason: "the ended session is in the feed: got false",
	},
	{
		name: "a feed without keys", mutate: func(s *memstore.Store) session.Store { return keysApart{s} },
		test: "Contract/FeedOfKeys", reason: "keys in the feed since ",
	},
	{
		name: "a feed without keys that were cut off", mutate: func(s *memstore.Store) session.Store { return keysByActivation{s} },
		test: "Contract/FeedOfKeys", reason: "keys in the feed since ",
	},
	{
		name: "the feed's clock is read last", mutate: func(s *memstore.Store) session.Store { return lateClock{s} },
		test: "Contract/FeedNowIsFromBefore", reason: "were acknowledged before that",
	},
	{
		name: "another reason in the feed", mutate: func(s *memstore.Store) session.Store { return newOtherReason(s) },
		test: "Contract/FeedOfEndAgain", reason: "Reason: got session_limit, want revoked_by_user",
	},
	{
		name: "Confirm of a dead session", mutate: func(s *memstore.Store) session.Store { return newResurrection(s) },
		test: "Contract/DeadIsMissing", reason: "Confirm with next: got true",
	},
	{
		name: "alive after End", mutate: func(s *memstore.Store) session.Store { return newReplica(s, true) },
		test: "Contract/I4_EndedStaysEnded", reason: "Get: got error <nil>, want ErrNotFound",
	},
	{
		name: "stale replica", mutate: func(s *memstore.Store) session.Store { return newReplica(s, false) },
		test: "Contract/GetSeesWhatWasAcknowledged", reason: "was acknowledged: got \"label ",
	},
	{
		name: "the driver's error, with values", mutate: func(s *memstore.Store) session.Store { return talkative{s} },
		test: "Contract/ErrorsHoldNoValues", reason: "the error of Insert of a handle twice holds the user id",
	},
	{
		name: "the driver's error, not translated", mutate: func(s *memstore.Store) session.Store { return untranslated{s} },
		test: "Contract/CancelledContext", reason: "List with a cancelled context: got context canceled, want ErrUnavailable",
	},
	{
		name: "an outage looks like no session", mutate: func(s *memstore.Store) session.Store { return nobodyThere{s} },
		test: "Faults/RefreshMints", reason: "a fault gave the caller session ",
	},
	{
		name: "Purge by the wrong age", mutate: func(s *memstore.Store) session.Store { return wrongAge{s} },
		test: "Contract/PurgeByAge", reason: "Purge(",
	},
	{
		name: "two connections for one call", mutate: func(s *memstore.Store) session.Store { return newPool(s) },
		test: "Contract/OneConnectionPerCall", reason: "24 calls of SetPayload at once: hangs", hangs: true,
	},
	{
		name: "renewed though refused", mutate: func(s *memstore.Store) session.Store { return renewsAnyway{s} },
		test: "Contract/RefusedChangesNothing", reason: "has changed something",
	},
	{
		name: "Insert takes a duplicate for its own", mutate: func(s *memstore.Store) session.Store { return upsert{s} },
		test: "Contract/OnceOf16", reason: "winners among 16 calls of Insert of one handle: got 16, want 1",
	},
	{
		name: "an ending that is not looked up by its ID", mutate: func(s *memstore.Store) session.Store { return forgetsID{s} },
		test: "Faults/I4_Revoke", reason: "I7: got a count of 0 in all, want 1 (answered at once: true)",
	},
	{
		name: "everybody is elected", mutate: func(s *memstore.Store) session.Store { return everybody{s} },
		test: "Contract/ElectOneOf16", reason: "elected at one time: got ",
	},
	{
		name: "another is elected meanwhile", mutate: func(s *memstore.Store) session.Store { return everybody{s} },
		test: "Contract/ElectOne", reason: "two are elected at one time",
	},
	{
		name: "elected for ever", mutate: func(s *memstore.Store) session.Store { return forEver{newElecting(s)} },
		test: "Contract/ElectionEnds", reason: "Elect after an error: got false, <nil>, want true",
	},
}
