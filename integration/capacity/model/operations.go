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
	AnyShard                // a shard by chance: no table is named
	OfHandles               // the shards of some handles
	AllShards               // a scatter: it names no handle
	FirstShard              // always the same one: an election's lock names no table, and vtgate keeps such locks there
	Unsharded               // where the tables are that are not sharded
)

// Statement is one statement of an operation.
type Statement struct {
	Name  string
	Verb  Verb
	Goes  []Route // what it comes to at the servers: one statement for each
	Up    int     // bytes of its text without values, to the server
	Down  int     // bytes of the answer without values and without the schema's name
	Names int     // how often the answer repeats the schema's name: once for each column of a table
	// Handles is how many it names, where one of its routes is OfHandles.
	Handles func(Deployment) float64
	// Limited says that it is a change with a limit of its own. To others a tablet of Vitess gives one, in a transaction.
	Limited bool
}

// Operation is something that the product does, and what it sends for that.
type Operation struct {
	Name       string
	Statements []Statement
	// OnShards are the statements where the table of sessions is sharded; nil: the same.
	OnShards []Statement
	// Up and Down are how many bytes of values go to and fro, for a deployment.
	Up, Down func(Deployment) int
}

// Sends are the operation's statements, to one server or where the table of sessions is sharded.
func (o Operation) Sends(sharded bool) []Statement {
	if sharded && o.OnShards != nil {
		return o.OnShards
	}
	return o.Statements
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
	insertSession = Statement{Name: "login", Verb: Insert, Goes: []Route{OneShard}, Up: packet + 475, Down: okay}
	readSession   = Statement{Name: "read of a session", Verb: Select, Goes: []Route{OneShard}, Up: packet + 496, Down: described(23, 219, 2, 58+18), Names: 23}
	mintSuccessor = Statement{Name: "new refresh token", Verb: Update, Goes: []Route{OneShard}, Up: packet + 502, Down: okay + 37}
	confirmToken  = Statement{Name: "confirmation", Verb: Update, Goes: []Route{OneShard}, Up: packet + 660, Down: okay + 37}
	endSession    = Statement{Name: "end of a session", Verb: Update, Goes: []Route{OneShard}, Up: packet + 381, Down: okay + 37}
	endOfUser     = Statement{Name: "end of a user's sessions", Verb: Update, Goes: []Route{AllShards}, Up: packet + 420, Down: okay + 37, Limited: true}
	listSessions  = Statement{Name: "list", Verb: Select, Goes: []Route{AllShards}, Up: packet + 515, Down: described(22, 212, 3, 58+18+4), Names: 22}
	listEndings   = Statement{Name: "endings", Verb: Select, Goes: []Route{AllShards}, Up: packet + 458, Down: described(22, 212, 3, 58+18+4), Names: 22}
	readData      = Statement{Name: "read of data", Verb: Select, Goes: []Route{OneShard}, Up: packet + 171, Down: described(2, 16, 0, 0), Names: 2}
	writeData     = Statement{Name: "write of data", Verb: Update, Goes: []Route{OneShard}, Up: packet + 176, Down: okay + 37}
	readFeed      = Statement{Name: "feed", Verb: Select, Goes: []Route{AnyShard, AllShards, Unsharded}, Up: packet + 620, Down: described(0, 0, 6, 31)}
	readKeys      = Statement{Name: "keys", Verb: Select, Goes: []Route{Unsharded}, Up: packet + 291, Down: described(0, 0, 9, 160), Names: 8}
	getLock       = Statement{Name: "election", Verb: Select, Goes: []Route{FirstShard}, Up: packet + 90, Down: described(0, 0, 1, 100)}
	findSessions  = Statement{Name: "cleanup: find", Verb: Select, Goes: []Route{AllShards}, Up: packet + 175, Down: described(2, 16, 0, 0), Names: 2}
	changeBatch   = Statement{Name: "cleanup: end", Verb: Update, Goes: []Route{OfHandles}, Up: packet + 330, Down: okay + 37, Handles: wholeBatch}
	removeBatch   = Statement{Name: "cleanup: remove", Verb: Delete, Goes: []Route{OfHandles}, Up: packet + 140, Down: okay, Handles: wholeBatch}
	removeFeed    = Statement{Name: "cleanup: remove revocations", Verb: Delete, Goes: []Route{Unsharded}, Up: packet + 150, Down: okay, Limited: true}
	tellBatch     = Statement{Name: "cleanup: tell", Verb: Select, Goes: []Route{OfHandles}, Up: packet + 410, Down: described(22, 212, 3, 58+18+4), Names: 22, Handles: wholeBatch}
)

// What Vitess gets in place of endOfUser; see spreadChange in store/mysql.
var (
	findOfUser = Statement{Name: "find a user's sessions", Verb: Select, Goes: []Route{AllShards}, Up: packet + 260, Down: described(1, 6, 0, 0), Names: 1}
	endHandles = Statement{
		Name: "end of a user's sessions", Verb: Update, Goes: []Route{OfHandles}, Up: packet + 420, Down: okay + 37,
		Handles: func(d Deployment) float64 { return d.SessionsPerUser },
	}
)

func wholeBatch(d Deployment) float64 { return float64(d.CleanupBatch) }

// directive is by how much a text is longer that tells Vitess to answer it by itself.
const directive = len("/*vt+ CONSOLIDATOR=disabled */ ")

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
		"login", []Statement{insertSession}, nil,
		func(d Deployment) int {
			return quotedHandle + quotedMark + d.UserID + d.Device + d.Label + document(d.Payload) + document(d.Data) + 2*number + 42
		}, nothing,
	}
	CreateLimited = Operation{
		"login, held to a limit of sessions", []Statement{insertSession, listSessions}, nil,
		func(d Deployment) int { return Create.Up(d) + d.UserID + 16 },
		func(d Deployment) int { return int(d.SessionsPerUser * float64(d.record())) },
	}
	Refresh = Operation{
		"refresh", []Statement{readSession, mintSuccessor}, nil,
		func(d Deployment) int { return 2*quotedHandle + 2*quotedMark + 3*number + d.Device + 38 },
		func(d Deployment) int { return d.record() + d.Payload },
	}
	FirstUse = Operation{
		"first use after a refresh", []Statement{confirmToken}, nil,
		func(Deployment) int { return quotedHandle + 2*quotedMark + 2*number + 14 }, nothing,
	}
	RefreshCrossed = Operation{
		"refresh within the grace", []Statement{readSession}, nil,
		func(Deployment) int { return quotedHandle },
		func(d Deployment) int { return d.record() + d.Payload },
	}
	VerifyStrict = Operation{
		"verification in the strict mode", []Statement{readSession}, nil,
		func(Deployment) int { return quotedHandle },
		func(d Deployment) int { return d.record() + d.Payload },
	}
	Revoke = Operation{
		"end of a session", []Statement{endSession}, nil,
		func(Deployment) int { return quotedHandle + 40 }, nothing,
	}
	RevokeUser = Operation{
		"end of a user's sessions", []Statement{endOfUser, listEndings}, []Statement{findOfUser, endHandles, listEndings},
		func(d Deployment) int { return quotedHandle + 2*d.UserID + 60 },
		func(d Deployment) int { return int(d.SessionsPerUser * float64(d.record()+60)) },
	}
	RevokeUserUnfed = Operation{
		"end of a user's sessions, without the feed", []Statement{endOfUser}, []Statement{findOfUser, endHandles},
		func(d Deployment) int { return quotedHandle + d.UserID + 50 }, nothing,
	}
	List = Operation{
		"list of a user's sessions", []Statement{listSessions}, nil,
		func(d Deployment) int { return d.UserID + 16 },
		func(d Deployment) int { return int(d.SessionsPerUser * float64(d.record())) },
	}
	ReadData = Operation{
		"read of data", []Statement{readData}, nil,
		func(Deployment) int { return quotedHandle }, func(d Deployment) int { return d.Data + 28 },
	}
	WriteData = Operation{
		"write of data", []Statement{writeData}, nil,
		func(d Deployment) int { return quotedHandle + document(d.Data) + 22 }, nothing,
	}
	ReadFeed = Operation{
		"reading of the feed, or of a page of it", []Statement{readFeed}, nil,
		func(Deployment) int { return 3*number + 12 },
		func(d Deployment) int { return feedRow + int(d.feedEntries()/d.pages()*feedRow) },
	}
	ReadKeys = Operation{
		"reading of the keys", []Statement{readKeys}, nil,
		nothing, func(Deployment) int { return keysHeld * keyRow },
	}
	CleanNothing = Operation{
		"cleanup with nothing to do", []Statement{getLock, findSessions, findSessions, removeFeed, getLock}, nil,
		func(Deployment) int { return 8 * number }, func(Deployment) int { return 40 },
	}
	CleanExpired = Operation{
		"batch of expired sessions", []Statement{findSessions, changeBatch, tellBatch}, nil,
		func(d Deployment) int { return d.CleanupBatch * 2 * listedHandle },
		func(d Deployment) int { return d.CleanupBatch * (foundRow + d.record()) },
	}
	CleanEnded = Operation{
		"batch of endings that are removed", []Statement{findSessions, removeBatch, removeFeed}, nil,
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
