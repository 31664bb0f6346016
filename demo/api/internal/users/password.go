package users

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// Cost is what one hash takes (RFC 9106, section 3.1).
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
}

// DefaultCost is the first choice of OWASP's password storage cheat sheet for argon2id on a server.
var DefaultCost = Cost{MemoryKiB: 19 * 1024, Passes: 2}

const (
	saltLen = 16
	keyLen  = 32
	// maxMemoryKiB bounds what a stored hash may ask for.
	maxMemoryKiB = 256 * 1024
	maxPasses    = 16

	// atOnce bounds the memory of all hashes together: many logins at once wait for each other instead of filling it.
	atOnce = 4
	// maxWait is how long a login waits for its turn.
	maxWait = 5 * time.Second
)

// Hasher hashes passwords with argon2id, a few at a time. It is safe for concurrent use.
type Hasher struct {
	cost  Cost
	turns chan struct{}
}

// NewHasher makes a Hasher for new hashes of the cost given; older ones are checked at their own.
func NewHasher(cost Cost) *Hasher {
	return &Hasher{cost: cost, turns: make(chan struct{}, atOnce)}
}

// Hash returns the hash of a password with a new salt, in the PHC string format. ErrBusy: it was not this one's turn in
// time.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	key, err := h.derive(ctx, password, salt, h.cost, keyLen)
	if err != nil {
		return "", err
	}
	return format(h.cost, salt, key), nil
}

// Matches reports whether a hash is that of a password. ErrBusy is as for Hash.
func (h *Hasher) Matches(ctx context.Context, hash, password string) (bool, error) {
	cost, salt, want, err := parse(hash)
	if err != nil {
		return false, err
	}
	got, err := h.derive(ctx, password, salt, cost, uint32(len(want))) //nolint:gosec // parse allows keyLen only
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func (h *Hasher) derive(ctx context.Context, password string, salt []byte, cost Cost, length uint32) ([]byte, error) {
	waited := time.NewTimer(maxWait)
	defer waited.Stop()
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-waited.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	return argon2.IDKey([]byte(password), salt, cost.Passes, cost.MemoryKiB, 1, length), nil
}

// unmatched returns a hash at full cost that no password has.
func (h *Hasher) unmatched() string {
	return format(h.cost, make([]byte, saltLen), make([]byte, keyLen))
}

const phc = "$argon2id$v=%d$m=%d,t=%d,p=1$"

func format(cost Cost, salt, key []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf(phc, argon2.Version, cost.MemoryKiB, cost.Passes) + enc.EncodeToString(salt) + "$" + enc.EncodeToString(key)
}

// errHash does not repeat the hash.
var errHash = errors.New("a stored password hash is not one that this program wrote")

func parse(hash string) (cost Cost, salt, key []byte, err error) {
	var version int
	if _, err := fmt.Sscanf(hash, phc, &version, &cost.MemoryKiB, &cost.Passes); err != nil || version != argon2.Version ||
		cost.MemoryKiB < 8 || cost.MemoryKiB > maxMemoryKiB || cost.Passes < 1 || cost.Passes > maxPasses {
		return Cost{}, nil, nil, errHash
	}
	parts := strings.Split(hash, "$")
	if len(parts) != 6 {
		return Cost{}, nil, nil, errHash
	}
	enc := base64.RawStdEncoding.Strict()
	salt, saltErr := enc.DecodeString(parts[4])
	key, keyErr := enc.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) != saltLen || len(key) != keyLen {
		return Cost{}, nil, nil, errHash
	}
	return cost, salt, key, nil
}
