package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Lineage is what the page draws: the refresh tokens of a session, and who has which. Times are in milliseconds since 1970, by the store's
// clock.
type Lineage struct {
	Handle     session.Handle `json:"handle"`
	GraceMS    int64          `json:"graceMs"`
	Ended      *ended         `json:"ended"`
	Nodes      []Node         `json:"nodes"`
	Edges      []Edge         `json:"edges"`
	RotatedAt  *int64         `json:"rotatedAt"`
	GraceUntil *int64         `json:"graceUntil"` // until then the previous token is honoured
	Access     []Access       `json:"access"`
}

// ended is how a session ended.
type ended struct {
	Reason string `json:"reason"`
	At     *int64 `json:"at"`
}

// Node is a refresh token.
type Node struct {
	ID          string   `json:"id"`
	Generation  int      `json:"generation"`
	Class       string   `json:"class"`
	MintedAt    *int64   `json:"mintedAt"`
	HandedAt    *int64   `json:"handedAt"`
	HandOuts    int      `json:"handOuts"`
	ConfirmedAt *int64   `json:"confirmedAt"`
	Holders     []string `json:"holders"`
}

// Edge is something that was done with a refresh token on account of another one.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	Kind string `json:"kind"`
	At   *int64 `json:"at"`
	By   string `json:"by"`
}

// Access is the access token that a client has.
type Access struct {
	Holder    string `json:"holder"`
	Node      string `json:"node"`
	IssuedAt  *int64 `json:"issuedAt"`
	ExpiresAt *int64 `json:"expiresAt"`
}

// ms is a moment as the page gets it; nil for none.
func ms(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixMilli()
	return &n
}

// shortID stands for a mark, which is the hash of a token that the store knows: a hash of that, short enough to be read.
func shortID(mark session.Mark) string {
	sum := sha256.Sum256(append([]byte("watchword lab"), mark[:]...))
	return hex.EncodeToString(sum[:4])
}

// show draws the lineage of a session.
func (l *lineage) show(h session.Handle) Lineage {
	shown := Lineage{
		Handle: h, GraceMS: l.grace.Milliseconds(), Ended: l.ended, RotatedAt: ms(l.row.RotatedAt),
		Nodes: []Node{}, Edges: []Edge{}, Access: []Access{},
	}
	if !l.row.RotatedAt.IsZero() && l.grace > 0 {
		shown.GraceUntil = ms(l.row.RotatedAt.Add(l.grace))
	}
	for _, mark := range l.order {
		n := l.nodes[mark]
		shown.Nodes = append(shown.Nodes, Node{
			ID: shortID(mark), Generation: n.generation, Class: l.class(mark), MintedAt: ms(n.mintedAt), HandedAt: ms(n.handedAt),
			HandOuts: n.handOuts, ConfirmedAt: ms(n.confirmed), Holders: l.holdersOf(mark),
		})
	}
	for _, e := range l.edges {
		shown.Edges = append(shown.Edges, Edge{From: shortID(e.from), To: shortID(e.to), Kind: e.kind, At: ms(e.at), By: e.by})
	}
	for client, a := range l.access {
		shown.Access = append(shown.Access, Access{Holder: client, Node: shortID(a.mark), IssuedAt: ms(a.issued), ExpiresAt: ms(a.expires)})
	}
	slices.SortFunc(shown.Access, func(a, b Access) int { return byName(a.Holder, b.Holder) })
	return shown
}

func (l *lineage) holdersOf(mark session.Mark) []string {
	names := []string{}
	for client, m := range l.holders {
		if m == mark {
			names = append(names, client)
		}
	}
	slices.SortFunc(names, byName)
	return names
}

// byName orders clients: the session's own first.
func byName(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == you:
		return -1
	case b == you:
		return 1
	default:
		return strings.Compare(a, b)
	}
}

// Request is one that concerned the session.
type Request struct {
	ID         int      `json:"id"` // counted within the session
	At         *int64   `json:"at"`
	Client     string   `json:"client"`
	Method     string   `json:"method"`
	Path       string   `json:"path"`       // the route's pattern
	Status     int      `json:"status"`     // 0: the answer was not sent
	Verdict    string   `json:"verdict"`    // "ok", or the error's code
	Reason     *string  `json:"reason"`     // why the session has ended
	Statements []string `json:"statements"` // the calls to the store that it made
	MS         float64  `json:"ms"`         // how long it took, without what the lab itself took
	Lost       bool     `json:"lost"`
}

// Event is one of the Manager's events.
type Event struct {
	Kind    session.EventKind   `json:"kind"`
	At      *int64              `json:"at"`
	Reason  *session.Reason     `json:"reason"`
	Device  *Device             `json:"device"`
	Theft   *Theft              `json:"theft"`
	Key     *string             `json:"key"` // the key's id, which is public
	Purpose *session.KeyPurpose `json:"purpose"`
}

// Device is what a request has shown of its client.
type Device struct {
	UserAgent string `json:"userAgent"`
	Address   string `json:"address"`
}

// Theft is what is known of a theft.
type Theft struct {
	Kind          session.TheftKind `json:"kind"`
	Generations   int               `json:"generations"`
	SinceRotation int64             `json:"millisecondsSinceRotation"`
	Device        Device            `json:"device"`
	Presenter     Device            `json:"presenter"`
}

func showEvent(e session.Event, at time.Time) Event {
	shown := Event{Kind: e.Kind, At: ms(at), Reason: present(e.Reason), Key: present(e.KeyID), Purpose: present(e.Purpose)}
	if e.Device != (session.Device{}) {
		shown.Device = &Device{UserAgent: e.Device.UserAgent, Address: e.Device.Address}
	}
	if e.Theft != nil {
		shown.Theft = &Theft{
			Kind: e.Theft.Kind, Generations: e.Theft.Generations, SinceRotation: e.Theft.SinceRotation.Milliseconds(),
			Device: Device(e.Theft.Device), Presenter: Device(e.Theft.Presenter),
		}
	}
	return shown
}

// present is nil for nothing.
func present[T ~string](v T) *T {
	if v == "" {
		return nil
	}
	return &v
}
