package limit

import (
	"context"
	"net/netip"
	"time"
)

// The demo's limits. Many users may share an address, and nobody has to be let in from one that tries passwords by the thousand; an
// account has one user, who knows the password or soon gives up. Whoever tries an account's passwords all the time keeps its user out, too:
// that is the price of a limit that no number of addresses gets round.
var (
	PerAddress = Rate{Every: 5 * time.Second, Burst: 200}
	PerAccount = Rate{Every: time.Minute, Burst: 10}
)

// cleanInterval is how often Run forgets.
const cleanInterval = time.Minute

// Kind is what is tried.
type Kind string

// The kinds of attempts. Those of one kind share the limit of an account, and all of them that of an address.
const (
	Password Kind = "password" // somebody says an account's password
	Register Kind = "register" // somebody wants an account
)

// Attempts bounds the attempts at accounts. Make it with NewAttempts.
type Attempts struct{ store Store }

// NewAttempts makes Attempts.
func NewAttempts(store Store) *Attempts { return &Attempts{store: store} }

// Allow counts an attempt from an address at an account, and returns zero; or how long to wait if there were too many, whether the account
// exists or not. The address comes first, so that nobody makes keys without end by naming accounts.
func (a *Attempts) Allow(ctx context.Context, kind Kind, address, account string) (wait time.Duration, err error) {
	wait, err = a.store.Take(ctx, NewKey("address", network(address)), PerAddress)
	if err != nil || wait > 0 {
		return wait, err
	}
	return a.store.Take(ctx, NewKey(string(kind), account), PerAccount)
}

// GiveBack undoes what Allow has counted for the account: the attempt was no guess. The address's stays counted, since whoever has one
// account could otherwise try any number of others in between.
func (a *Attempts) GiveBack(ctx context.Context, kind Kind, account string) error {
	return a.store.GiveBack(ctx, NewKey(string(kind), account), PerAccount)
}

// Run forgets what need not be known any more, until ctx is done. What fails is done the next time.
func (a *Attempts) Run(ctx context.Context) {
	ticker := time.NewTicker(cleanInterval)
	defer ticker.Stop()
	for {
		_ = a.store.Clean(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// network is what one subscriber has: an IPv4 address, or the /64 of an IPv6 address (RFC 6177). What is neither is all one.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return ""
	}
	return prefix.String()
}
