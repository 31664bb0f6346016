package model

// Verb is what the server counts a statement as: Com_select and so on.
type Verb string

// The verbs that the product sends.
const (
	Select Verb = "select"
	Insert Verb = "insert"
	Update Verb = "update"
	Delete Verb = "delete"
)

// Route is where a statement goes when the table of sessions is sharded by handle, and the others are not sharded.
type Route int

// The routes.
const (
	OneShard   Route = iota // the shard of the handle
	AllShards               // a scatter: it names no handle, or a batch of them
	Unsharded               // where the tables are that are not sharded
	Everywhere              // all shards, and feedTables times where the others are
)

// feedTables is how many tables beside the sessions a reading of the feed asks: revocations and keys.
const feedTables = 2

// Statement is one statement of an operation.
type Statement struct {
	Verb    Verb
	Route   Route
	Up      int // bytes of its text without values, to the server
	Down    int // bytes of the answer without values and without the schema's name
	Repeats int // how often the answer repeats the schema's name: once for each column of a table
}

// Operation is something that the product does, and what it sends for that.
type Operation struct {
	Name       string
	Statements []Statement
	// Up and Down are how many bytes of values go to and fro, for a deployment.
	Up, Down func(Deployment) int
}

// Count is how many statements of a kind the operation sends to a server that is alone.
func (o Operation) Count(v Verb) (n int) {
	for _, s := range o.Statements {
		if s.Verb == v {
			n++
		}
	}
	return n
}

// What packets add: a header and a command to a statement; and the answer to a change.
const (
	packet = 5
	okay   = 11
)

// A read's answer is a number of columns, a description of each, a mark at the end of these, the rows, and another mark. A column of a table is
// described by a header and constants, the names of schema and table, and its own name; those of table and column come twice.
const (
	readMarks   = 5 + 9 + 9
	perColumn   = 26
	sessionsFor = 2 * len("watchword_sessions")
)

// described is what a read's answer takes without its rows: so many columns of the table of sessions, whose names are so long in all, and
// so many expressions.
func described(columns, names, expressions, texts int) int {
	return readMarks + columns*(perColumn+sessionsFor) + 2*names + expressions*perColumn + texts
}

// The statements of store/mysql, with the lengths of their texts. integration/store/capacity_test.go counts them, and their bytes.
var (
	insertSession = Statement{Insert, OneShard, packet + 475, okay, 0}
	readSession   = Statement{Select, OneShard, packet + 496, described(23, 219, 2, 58+18), 23}
	mintSuccessor = Statement{Update, OneShard, packet + 502, okay + 37, 0}
	confirmToken  = Statement{Update, OneShard, packet + 660, okay + 37, 0}
	endSession    = Statement{Update, OneShard, packet + 381, okay + 37, 0}
	endOfUser     = Statement{Update, AllShards, packet + 420, okay + 37, 0}
	listSessions  = Statement{Select, AllShards, packet + 515, described(22, 212, 3, 58+18+4), 22}
	listEndings   = Statement{Select, AllShards, packet + 458, described(22, 212, 3, 58+18+4), 22}
	readData      = Statement{Select, OneShard, packet + 171, described(2, 16, 0, 0), 2}
	writeData     = Statement{Update, OneShard, packet + 176, okay + 37, 0}
	readFeed      = Statement{Select, Everywhere, packet + 620, described(0, 0, 6, 31), 0}
	readKeys      = Statement{Select, Unsharded, packet + 291, described(0, 0, 9, 160), 8}
	getLock       = Statement{Select, Unsharded, packet + 90, described(0, 0, 1, 100), 0}
	findSessions  = Statement{Select, AllShards, packet + 175, described(2, 16, 0, 0), 2}
	changeBatch   = Statement{Update, AllShards, packet + 330, okay + 37, 0}
	removeBatch   = Statement{Delete, AllShards, packet + 140, okay, 0}
	removeFeed    = Statement{Delete, Unsharded, packet + 150, okay, 0}
	tellBatch     = Statement{Select, AllShards, packet + 410, described(22, 212, 3, 58+18+4), 22}
)

// What values take in a statement's text or in an answer.
const (
	quotedHandle = 2*16 + 2
	quotedMark   = 2*32 + 2
	number       = 16 // a time, a version
	escaped      = 5  // JSON's quotes are escaped in a text: about a fifth more
	recordRow    = 207
)

func nothing(Deployment) int { return 0 }

func document(n int) int { return n + n/escaped }

func (d Deployment) record() int { return recordRow + d.UserID + d.Device + d.Label }

// The operations. What each sends is what TestStatementCounts in integration/store counts.
var (
	Create = Operation{
		"login", []Statement{insertSession},
		func(d Deployment) int {
			return quotedHandle + quotedMark + d.UserID + d.Device + d.Label + document(d.Payload) + document(d.Data) + 2*number + 42
		}, nothing,
	}
	CreateLimited = Operation{
		"login, held to a limit of sessions", []Statement{insertSession, listSessions},
		func(d Deployment) int { return Create.Up(d) + d.UserID + 16 },
		func(d Deployment) int { return int(d.SessionsPerUser * float64(d.record())) },
	}
	Refresh = Operation{
		"refresh", []Statement{readSession, mintSuccessor},
		func(d Deployment) int { return 2*quotedHandle + 2*quotedMark + 3*number + d.Device + 38 },
		func(d Deployment) int { return d.record() + d.Payload },
	}
	FirstUse = Operation{
		"first use after a refresh", []Statement{confirmToken},
		func(Deployment) int { return quotedHandle + 2*quotedMark + 2*number + 14 }, nothing,
	}
	RefreshCrossed = Operation{
		"refresh within the grace", []Statement{readSession},
		func(Deployment) int { return quotedHandle },
		func(d Deployment) int { return d.record() + d.Payload },
	}
	VerifyStrict = Operation{
		"verification in the strict mode", []Statement{readSession},
		func(Deployment) int { return quotedHandle },
		func(d Deployment) int { return d.record() + d.Payload },
	}
	Revoke = Operation{
		"end of a session", []Statement{endSession},
		func(Deployment) int { return quotedHandle + 40 }, nothing,
	}
	RevokeUser = Operation{
		"end of a user's sessions", []Statement{endOfUser, listEndings},
		func(d Deployment) int { return quotedHandle + 2*d.UserID + 60 },
		func(d Deployment) int { return int(d.SessionsPerUser * float64(d.record()+60)) },
	}
	RevokeUserUnfed = Operation{
		"end of a user's sessions, without the feed", []Statement{endOfUser},
		func(d Deployment) int { return quotedHandle + d.UserID + 50 }, nothing,
	}
	List = Operation{
		"list of a user's sessions", []Statement{listSessions},
		func(d Deployment) int { return d.UserID + 16 },
		func(d Deployment) int { return int(d.SessionsPerUser * float64(d.record())) },
	}
	ReadData = Operation{
		"read of data", []Statement{readData},
		func(Deployment) int { return quotedHandle }, func(d Deployment) int { return d.Data + 28 },
	}
	WriteData = Operation{
		"write of data", []Statement{writeData},
		func(d Deployment) int { return quotedHandle + document(d.Data) + 22 }, nothing,
	}
	ReadFeed = Operation{
		"reading of the feed, or of a page of it", []Statement{readFeed},
		func(Deployment) int { return 3*number + 12 },
		func(d Deployment) int { return feedRow + int(d.feedEntries()/d.pages()*feedRow) },
	}
	ReadKeys = Operation{
		"reading of the keys", []Statement{readKeys},
		nothing, func(Deployment) int { return keysHeld * keyRow },
	}
	CleanNothing = Operation{
		"cleanup with nothing to do", []Statement{getLock, findSessions, findSessions, removeFeed, getLock},
		func(Deployment) int { return 8 * number }, func(Deployment) int { return 40 },
	}
	CleanExpired = Operation{
		"batch of expired sessions", []Statement{findSessions, changeBatch, tellBatch},
		func(d Deployment) int { return d.CleanupBatch * 2 * listedHandle },
		func(d Deployment) int { return d.CleanupBatch * (foundRow + d.record()) },
	}
	CleanEnded = Operation{
		"batch of endings that are removed", []Statement{findSessions, removeBatch, removeFeed},
		func(d Deployment) int { return d.CleanupBatch * listedHandle },
		func(d Deployment) int { return d.CleanupBatch * foundRow },
	}
)

// All are the operations, for those who look at each.
func All() []Operation {
	return []Operation{
		Create, CreateLimited, Refresh, FirstUse, RefreshCrossed, VerifyStrict, Revoke, RevokeUser, RevokeUserUnfed, List, ReadData, WriteData,
		ReadFeed, ReadKeys, CleanNothing, CleanExpired, CleanEnded,
	}
}

const (
	feedRow      = 66 // bytes of an entry of the feed, in an answer
	keysHeld     = 4  // access and refresh keys, each with a predecessor or a successor
	keyRow       = 130
	listedHandle = quotedHandle + len("UNHEX(), ")
	foundRow     = 4 + 17 + 17
)
