package lab

import (
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Limits of what is shown of one session.
const (
	maxNodes = 40
	maxEdges = 80
)

// The classes of a refresh token, as docs/how-it-works.md has them. Which one it is, is what the row says of its mark.
const (
	current  = "current"
	pending  = "pending"
	previous = "previous"
	stale    = "stale" // the row does not know it any more
)

// The kinds of edges.
const (
	minted    = "minted"
	handedOut = "handed_out"
	confirmed = "confirmed"
)

// node is a refresh token that was seen, by its mark.
type node struct {
	generation                    int
	parent                        session.Mark // it was minted to succeed this one; zero: not known
	mintedAt, handedAt, confirmed time.Time    // zero: not seen
	handOuts                      int
}

// edge is something that was done with a token on account of another one.
type edge struct {
	from, to session.Mark
	kind     string
	at       time.Time
	by       string
}

// accessToken is the access token that a client got last.
type accessToken struct {
	mark            session.Mark // of the refresh token that it came with
	issued, expires time.Time
}

// lineage is what was seen of a session's tokens: in rows, in calls to the store, and in requests and answers. Times are the store's.
type lineage struct {
	grace   time.Duration
	row     session.Row // as it was last seen
	nodes   map[session.Mark]*node
	order   []session.Mark // of nodes, the oldest first
	edges   []edge
	holders map[string]session.Mark // which refresh token a client has, by the client's name
	access  map[string]accessToken
	ended   *ended
}

func newLineage(grace time.Duration) lineage {
	return lineage{
		grace: grace, nodes: map[session.Mark]*node{}, holders: map[string]session.Mark{}, access: map[string]accessToken{},
	}
}

// learn takes in a row. Rows may come late, after newer ones: within a generation the time of the last hand-out only grows.
func (l *lineage) learn(row session.Row) {
	if row.Generation < l.row.Generation || row.Generation == l.row.Generation && row.HandedAt.Before(l.row.HandedAt) {
		return
	}
	l.row = row
	if !row.Previous.IsZero() {
		l.node(row.Previous, row.Generation-1)
	}
	n := l.node(row.Current, row.Generation)
	n.parent, n.mintedAt = row.Previous, row.CurrentAt
	if row.Generation == 0 {
		n.handedAt = row.CreatedAt // by the answer to the login
	} else {
		n.confirmed = row.RotatedAt
	}
	if !row.Pending.IsZero() {
		n := l.node(row.Pending, row.Generation+1)
		n.parent, n.mintedAt, n.handedAt = row.Current, row.PendingAt, row.HandedAt
	}
}

// node returns the node of a mark, new if there is none. A token that a store knows of was handed out once.
func (l *lineage) node(mark session.Mark, generation int) *node {
	n := l.nodes[mark]
	if n == nil {
		n = &node{generation: generation, handOuts: 1}
		l.nodes[mark] = n
		l.order = append(l.order, mark)
		l.makeRoom()
	}
	return n
}

// class is what the last row says of a mark.
func (l *lineage) class(mark session.Mark) string {
	switch mark {
	case l.row.Current:
		return current
	case l.row.Pending:
		return pending
	case l.row.Previous:
		return previous
	default:
		return stale
	}
}

// mint notes that a successor was made of a token.
func (l *lineage) mint(from session.Mark, next session.Successor, by string) {
	n := l.node(next.Mark, l.generation(from)+1)
	n.parent, n.mintedAt = from, next.MintedAt
	if n.handedAt.IsZero() { // another request has replaced or confirmed it already
		n.handedAt = next.MintedAt
	}
	l.connect(edge{from, next.Mark, minted, next.MintedAt, by})
}

// handOut notes that a successor was handed out once more.
func (l *lineage) handOut(from, to session.Mark, now time.Time, by string) {
	n := l.node(to, l.generation(from)+1)
	n.handOuts++
	n.handedAt = now
	l.connect(edge{from, to, handedOut, now, by})
}

// confirm notes that a pending token has become current.
func (l *lineage) confirm(mark session.Mark, now time.Time, by string) {
	n := l.node(mark, l.row.Generation)
	n.confirmed = now
	if l.nodes[n.parent] != nil {
		l.connect(edge{n.parent, mark, confirmed, now, by})
	}
}

func (l *lineage) generation(mark session.Mark) int {
	if n := l.nodes[mark]; n != nil {
		return n.generation
	}
	return l.row.Generation
}

// had notes that a client had a token when it sent a request. What is known of it already is newer: of requests that cross, one may be over when
// the other one has brought another token.
func (l *lineage) had(client string, mark session.Mark) {
	if _, known := l.holders[client]; !known {
		l.holders[client] = mark
	}
}

// arrive notes that an answer has brought a client a token in exchange for the one that it presented. Where the store had no part in that, since
// the token was there and nothing was to be written, there is no edge yet.
func (l *lineage) arrive(from, to session.Mark, now time.Time, by string) {
	l.holders[by] = to
	if from == to || l.nodes[from] == nil {
		return
	}
	for _, e := range l.edges {
		if e.from == from && e.to == to && e.by == by && e.kind != confirmed {
			return
		}
	}
	l.connect(edge{from, to, handedOut, now, by})
}

// drop notes that a client has none of the session's tokens any more.
func (l *lineage) drop(client string) {
	delete(l.holders, client)
	delete(l.access, client)
}

func (l *lineage) connect(e edge) {
	l.edges = append(l.edges, e)
	l.edges = l.edges[max(len(l.edges)-maxEdges, 0):]
}

// makeRoom forgets the oldest tokens that neither the row nor a client knows any more.
func (l *lineage) makeRoom() {
	for i := 0; len(l.order) > maxNodes && i < len(l.order)-1; { // never the newest, which is being made
		mark := l.order[i]
		if l.class(mark) != stale || l.held(mark) {
			i++
			continue
		}
		delete(l.nodes, mark)
		l.order = append(l.order[:i], l.order[i+1:]...)
		edges := l.edges[:0]
		for _, e := range l.edges {
			if e.from != mark && e.to != mark {
				edges = append(edges, e)
			}
		}
		l.edges = edges
	}
}

func (l *lineage) held(mark session.Mark) bool {
	for _, m := range l.holders {
		if m == mark {
			return true
		}
	}
	for _, a := range l.access {
		if a.mark == mark {
			return true
		}
	}
	return false
}
