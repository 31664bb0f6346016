package sessionsim

import (
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Scenario is one run's parameters. Random draws one; every field may then be changed.
type Scenario struct {
	Seed  uint64
	Trace bool // note every event in Report.Trace; slow
	Steps int  // actions of the client, each an API request with what follows from it

	Processes        int
	Grace            time.Duration
	AccessLifetime   time.Duration
	IdleLifetime     time.Duration
	AbsoluteLifetime time.Duration
	NoConfirmOnUse   bool // verification confirms nothing, as where verifiers have no store

	Tabs        int
	ActionGap   time.Duration // mean time between actions
	Surge       float64       // share of actions that all tabs take at once
	Pause       float64       // share of actions after which the client rests for as long as its session may live idle
	KnowsExpiry bool          // tabs refresh when the access token has expired, without being told
	Proactive   float64       // share of actions that begin with a refresh for no reason
	StepUp      float64       // share of actions with which the user proves again who they are
	Timeout     time.Duration // how long a tab waits for a response
	DropLate    bool          // a response after that sets no cookies
	Retries     int
	RetryMin    time.Duration
	RetryMax    time.Duration
	BackOff     bool // double the delay with each retry
	OneRefresh  bool // a tab has one refresh under way at most

	Latency      time.Duration // one request with its response takes less; I1 presumes a quarter of Grace
	RequestLoss  float64
	ResponseLoss float64
	BurstEvery   time.Duration // mean time between periods in which all responses are lost; zero: none
	BurstLength  time.Duration // at most
	Outage       float64       // share of first successors right after whose minting all responses are lost for about OutageLength
	OutageLength time.Duration // more or less by Latency
	Crash        float64       // share of a refresh's store calls before which, or after the last of which, its process dies
	Faults       float64       // share of store calls that fail, or whose answer is lost, or that are carried out late

	Clients int     // with a jar each; of the first user are two. Zero: one
	Returns bool    // clients log in over the network, and again when they have been logged out; else a run ends with its session
	SignIn  float64 // share of actions that begin with another login, whether the client is logged in or not

	// What goes wrong with processes.
	StartSpread     time.Duration // they start within this time; zero: at once, within one event
	Restart         time.Duration // a crashed one comes up again within this time
	CrashEvery      time.Duration // mean time between crashes at any moment; zero: none. So for all others that end in Every
	CrashAfterWrite float64       // share of changes in the store after which the process crashes before it hears of them
	CrashNext       float64       // share of crashes after which the next process that is asked anything crashes, too
	CrashAll        float64       // share of crashes in which all processes go down
	StallEvery      time.Duration // a process stands still
	StallLength     time.Duration // for so long at most

	// What goes wrong with the store.
	StoreCrashEvery time.Duration // it loses nothing that it has acknowledged
	StoreDown       time.Duration // for so long at most
	SlowStatements  float64       // share of calls that bear the time of their beginning, as statements that wait for a lock do

	// What goes wrong with clocks.
	ClockSkew       time.Duration // of processes against virtual time, at most
	Drift           bool          // their clocks run fast or slow
	ClockSetEvery   time.Duration // that of a process is set anew
	StoreClockEvery time.Duration // the store's is set anew
	StoreClockStep  time.Duration // by so much at most

	Maintained   bool                    // Manager.Run runs in the processes
	StoreLatency time.Duration           // of the store calls of its jobs, each way
	Feed         bool                    // the processes read the feed of revocations
	FeedInterval time.Duration           // that is promised; zero: the default
	StaleFeed    session.StaleFeedPolicy // see session.Config
	KeyRotation  time.Duration           // how long a key of either purpose signs; zero: for long
	RevokeEvery  time.Duration           // sessions are ended, in one of the ways in which a Manager does so
	OneByOne     bool                    // one at a time, and in no other way
	Revoke       bool                    // the owner's session is ended when half of the steps are done

	Thief       Strategy
	TheftAt     time.Duration // since the login
	ThiefAccess bool          // the access token was copied, too
	ThiefLoss   float64       // responses to the thief that are lost
	Horizon     time.Duration // by when, since the theft, it must have been found

	// For tests of the simulation itself: a store that is broken, which is told of a crash if it has a method Recover, and
	// a configuration that is.
	Store     func(clock func() time.Time) session.Store
	Configure func(*session.Config)
}
