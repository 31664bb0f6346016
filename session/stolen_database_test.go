package session_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// dump is what a thief has who has read all tables.
type dump struct {
	rows []session.Row
	data [][]byte
	keys []session.Key
}

func (w *world) dump(handles ...session.Handle) dump {
	w.t.Helper()
	var d dump
	for _, h := range handles {
		row, _, err := w.store.Store.Get(w.ctx, h)
		if err != nil {
			w.t.Fatal(err)
		}
		data, _, err := w.store.Store.Data(w.ctx, h)
		if err != nil {
			w.t.Fatal(err)
		}
		d.rows, d.data = append(d.rows, row), append(d.data, data)
	}
	var err error
	if d.keys, _, err = w.store.Keys(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (d dump) of(purpose session.KeyPurpose) session.Key {
	return d.keys[slices.IndexFunc(d.keys, func(k session.Key) bool { return k.Purpose == purpose })]
}

func sealing(t *testing.T, cfg *session.Config) {
	t.Helper()
	cfg.KeyEncryption = encryption(t, kek(1))
}

func kek(version uint32) session.EncryptionKey {
	return session.EncryptionKey{Version: version, Secret: bytes.Repeat([]byte{byte(version)}, 32)}
}

func encryption(t testing.TB, primary session.EncryptionKey, others ...session.EncryptionKey) session.KeyEncryption {
	t.Helper()
	e, err := session.NewKeyEncryption(primary, others...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// plundered is a world that has sessions in every state, and what a thief has read of it.
func plundered(t *testing.T, change ...func(*session.Config)) (*world, dump, []session.Tokens) {
	t.Helper()
	w := newWorld(t, change...)
	fresh := w.login()
	handles := []session.Handle{w.handle(fresh.AccessToken)}
	old := w.login()
	handles = append(handles, w.handle(old.AccessToken))
	w.clock.advance(time.Minute)
	used := w.refresh(old.RefreshToken)
	w.use(used.AccessToken)
	w.clock.advance(time.Minute)
	pending := w.refresh(used.RefreshToken)
	d := w.dump(handles...)
	if row := d.rows[1]; row.Previous.IsZero() || row.Pending.IsZero() {
		t.Fatal("the row has not all three marks")
	}
	return w, d, []session.Tokens{fresh, old, used, pending}
}

// thief makes refresh tokens by hand, of a refresh key as the tables hold it.
type thief struct{ id, mac, derive []byte }

func (d dump) thief(t *testing.T) thief {
	t.Helper()
	stolen := d.of(session.PurposeRefresh)
	expand := func(label string) []byte {
		key, err := hkdf.Expand(sha256.New, stolen.Material, label, 32)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	id, err := base64.RawURLEncoding.DecodeString(stolen.ID)
	if err != nil {
		t.Fatal(err)
	}
	return thief{id: id, mac: expand("watchword refresh token mac v1"), derive: expand("watchword refresh token successor v1")}
}

func micros(at time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())) }

// token puts an authentic MAC under any secret.
func (th thief) token(row session.Row, at time.Time, secret []byte) string {
	return th.seal(row.Handle, row.Generation, at, secret)
}

func (th thief) seal(h session.Handle, generation int, at time.Time, secret []byte) string {
	raw := slices.Concat([]byte{1}, th.id, h[:], binary.BigEndian.AppendUint32(nil, uint32(generation)), micros(at), secret)
	return segment(append(raw, sum("HS256", th.mac, string(raw))...))
}

// successor derives the successor of a token.
func (th thief) successor(of string, row session.Row, at time.Time) string {
	return th.seal(row.Handle, row.Generation+1, at, sum("HS256", th.derive, of+string(micros(at))))
}

// TestI6NoRefreshTokenFromTheTables: a thief with all tables cannot make a refresh token that passes, sealed or not: what
// the tables hold of it is a hash of 256 random bits.
//
// Without sealing the key that authenticates refresh tokens is in the tables, so that the thief can put its MAC under a
// secret of their own. I6 promises that this is not accepted, and no more: an authentic token with a mark that the row
// does not have is what theft looks like, so that the session is revoked and the alarm raised. The thief can log people
// out, and the operator is told. With sealing they cannot do that either: such a token is garbage and reaches no store.
func TestI6NoRefreshTokenFromTheTables(t *testing.T) {
	t.Parallel()
	marks := func(row session.Row) [][]byte {
		return [][]byte{row.Current[:], row.Pending[:], row.Previous[:], make([]byte, 32), []byte(rand.Text() + rand.Text())[:32]}
	}
	moments := func(row session.Row) []time.Time {
		return []time.Time{row.CreatedAt, row.CurrentAt, row.PendingAt, row.RotatedAt, row.HandedAt, time.Unix(0, 0)}
	}
	for _, sealed := range []bool{false, true} {
		for i := range 2 { // a fresh session, and one with all three marks
			t.Run(fmt.Sprintf("sealed=%v/session %d", sealed, i), func(t *testing.T) {
				t.Parallel()
				// One deployment for each attempt: the first token that is authentic ends the session.
				try := func(what string, forge func(th thief, row session.Row) string) {
					w, d, _ := plundered(t, func(cfg *session.Config) {
						if sealed {
							sealing(t, cfg)
						}
					})
					w.store.total()
					s, tokens, err := w.Refresh(w.ctx, forge(d.thief(t), d.rows[i]), session.RefreshOptions{})
					if !errors.Is(err, session.ErrUnauthorised) || s != nil || tokens != (session.Tokens{}) {
						t.Errorf("%s: got a session: %v, error %v, want ErrUnauthorised", what, s != nil, err)
					}
					if sealed {
						noCalls(t, w.store.total())
					}
					if sealed && len(w.thefts) != 0 {
						t.Errorf("%s: a sealed key let a thief raise the alarm: %v", what, w.thefts)
					}
				}
				for m := range marks(session.Row{}) {
					for at := range moments(session.Row{}) {
						try("a mark for the secret", func(th thief, row session.Row) string {
							return th.token(row, moments(row)[at], marks(row)[m])
						})
						try("a successor of a mark", func(th thief, row session.Row) string {
							return th.successor(string(marks(row)[m]), row, moments(row)[at])
						})
						try("a successor of a forged token", func(th thief, row session.Row) string {
							return th.successor(th.token(row, row.CreatedAt, marks(row)[m]), row, moments(row)[at])
						})
					}
					try("a mark in base64", func(_ thief, row session.Row) string { return segment(marks(row)[m]) })
					try("a mark in hex", func(_ thief, row session.Row) string { return hex.EncodeToString(marks(row)[m]) })
					try("a raw mark", func(_ thief, row session.Row) string { return string(marks(row)[m]) })
					try("a mark at the end", func(_ thief, row session.Row) string { return segment(append(make([]byte, 73), marks(row)[m]...)) })
				}
				try("the handle", func(_ thief, row session.Row) string { return row.Handle.String() })
			})
		}
	}
}

// The thief's tools are right: with the predecessor, which the tables do not hold, they make the successor.
func TestI6TheTablesLackNothingButThePredecessor(t *testing.T) {
	t.Parallel()
	_, d, tokens := plundered(t)
	used, pending, row := tokens[2].RefreshToken, tokens[3].RefreshToken, d.rows[1]
	if got := d.thief(t).successor(used, row, row.PendingAt); got != pending {
		t.Errorf("got %s, want the successor %s", got, pending)
	}
}

// The alarm that a forged MAC raises without sealing, told and final; with the handle of no session, none.
func TestI6ForgedMACWithoutSealingRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	w, d, tokens := plundered(t)
	forge := func(h session.Handle) string { return d.thief(t).seal(h, 0, d.rows[0].CurrentAt, make([]byte, 32)) }
	_, _, err := w.Refresh(w.ctx, forge(session.Handle{1}), session.RefreshOptions{})
	w.refused(err, session.ErrUnauthorised)
	if isTheft(err) || len(w.thefts) != 0 {
		t.Errorf("a handle of no session raised an alarm: %v", err)
	}
	_, _, err = w.Refresh(w.ctx, forge(d.rows[0].Handle), session.RefreshOptions{})
	w.expectTheft(err, session.TheftReuse)
	_, _, err = w.Refresh(w.ctx, tokens[0].RefreshToken, session.RefreshOptions{})
	w.refused(err, session.ErrUnauthorised) // the owner has to log in again
}

// Nothing in the tables is a token or holds the secret of one.
func TestI6TablesHoldNoToken(t *testing.T) {
	t.Parallel()
	w, d, tokens := plundered(t)
	everything := fmt.Sprintf("%v %x %s %v %x %s", d.rows, d.rows, d.data, d.keys, d.keys, d.data)
	for i, tk := range tokens {
		for _, token := range []string{tk.RefreshToken, tk.AccessToken} {
			raw, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndex(token, ".")+1:])
			if err != nil {
				t.Fatal(err)
			}
			if token == tk.RefreshToken {
				raw = raw[41:73] // its secret
			}
			for what, part := range map[string]string{"text": token, "secret": string(raw), "secret in hex": hex.EncodeToString(raw)} {
				if strings.Contains(everything, part) {
					t.Errorf("tokens %d: the tables hold its %s", i, what)
				}
			}
		}
	}
	mark := session.Mark(sha256.Sum256([]byte(tokens[0].RefreshToken)))
	if d.rows[0].Current != mark || !strings.Contains(everything, hex.EncodeToString(mark[:])) {
		t.Error("the tables do not hold what this test searches them for")
	}
	w.refresh(tokens[3].RefreshToken)
}

// TestI6AccessTokensFromTheTables: without sealing the signing key is in the tables, and whoever has read them signs
// what they like. With sealing nothing of it is a key.
func TestI6AccessTokensFromTheTables(t *testing.T) {
	t.Parallel()
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			forged := func(w *world, row session.Row, key *accesstoken.Key) string {
				token, err := key.Sign(accesstoken.Claims{
					Subject: "root", Session: row.Handle.String(), IssuedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(time.Hour), RefreshMark: row.Current,
				})
				if err != nil {
					t.Fatal(err)
				}
				return token
			}
			open, d, _ := plundered(t, signedWith(algorithm))
			stolen := d.of(session.PurposeAccess)
			key, err := accesstoken.NewKey(stolen.ID, stolen.Algorithm, stolen.Material)
			if err != nil {
				t.Fatal(err)
			}
			if got := open.use(forged(open, d.rows[0], key)).UserID(); got != "root" {
				t.Errorf("without sealing: got a session of %q, want the thief's", got)
			}

			w, d, _ := plundered(t, signedWith(algorithm), func(cfg *session.Config) { sealing(t, cfg) })
			for _, stored := range d.keys {
				sealed := stored.Material
				if _, err := accesstoken.NewKey(stored.ID, stored.Algorithm, sealed); err == nil && w.asymmetricKey(stored) {
					t.Errorf("the sealed %s key is a private key", stored.Purpose)
				}
				for _, secret := range [][]byte{sealed, sealed[12:], sealed[16:], sealed[28:], sealed[28 : len(sealed)-16], sealed[:32], sealed[len(sealed)-32:], stored.Public} {
					for _, mac := range []string{"HS256", "HS512"} {
						key := d.of(session.PurposeAccess)
						for _, header := range []string{headerOf(key.Algorithm, key.ID), headerOf(mac, key.ID), headerOf(mac, stored.ID)} {
							signed := segment([]byte(header)) + "." + segment([]byte(edit(t, goodClaims, `"iss":"us","aud":"api",`, ``)))
							w.refusesAccess(signed + "." + segment(sum(mac, secret, signed)))
						}
					}
				}
			}
			// The opened material is nowhere in the tables, no 8 bytes of it.
			everything := string(slices.Concat(d.data...))
			for _, k := range d.keys {
				everything += string(k.Material) + k.ID + string(k.Purpose) + k.Algorithm
			}
			for _, row := range d.rows {
				everything += string(slices.Concat(row.Current[:], row.Pending[:], row.Previous[:], row.Payload))
			}
			for _, k := range d.keys {
				material := openSealed(t, k, w.cfg.KeyEncryption)
				if k.Purpose == session.PurposeAccess {
					key, err := accesstoken.NewKey(k.ID, k.Algorithm, material)
					if err != nil {
						t.Fatal(err)
					}
					w.use(forged(w, d.rows[0], key)) // it is the key, indeed
				}
				if k.Public != nil {
					material = slices.Concat(secretsOf(t, k, material)...) // the rest of PKCS #8 is the same for all, or public
				}
				for i := range len(material) - 7 {
					if part := string(material[i : i+8]); strings.Contains(everything, part) {
						t.Fatalf("the tables hold bytes %d to %d of the %s key", i, i+8, k.Purpose)
					}
				}
			}
		})
	}
}

func (w *world) asymmetricKey(k session.Key) bool { return len(k.Public) > 0 }

// secretsOf returns the secret numbers of a private key.
func secretsOf(t *testing.T, k session.Key, material []byte) [][]byte {
	t.Helper()
	k.Material = material
	switch p := private(t, k).(type) {
	case ed25519.PrivateKey:
		return [][]byte{p.Seed()}
	case *ecdsa.PrivateKey:
		d, err := p.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{d}
	case *rsa.PrivateKey:
		return [][]byte{p.D.Bytes(), p.Primes[0].Bytes(), p.Primes[1].Bytes()}
	}
	t.Fatalf("unknown kind of key %s", k.Algorithm)
	return nil
}

// What was sealed for one row does not open in another, nor after the row was relabelled: a start says so.
func TestI6SealedMaterialDoesNotMove(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(access, refresh *session.Key){
		"kid":                func(access, _ *session.Key) { access.ID = unknownKeyID(1) },
		"kid of the refresh": func(_, refresh *session.Key) { refresh.ID = unknownKeyID(1) },
		"algorithm":          func(access, _ *session.Key) { access.Algorithm = "HS512" },
		"purpose": func(access, refresh *session.Key) {
			access.Purpose, refresh.Purpose = refresh.Purpose, access.Purpose
		},
		"purpose and algorithm": func(access, refresh *session.Key) {
			access.Purpose, refresh.Purpose = refresh.Purpose, access.Purpose
			access.Algorithm, refresh.Algorithm = refresh.Algorithm, access.Algorithm
		},
		"material": func(access, refresh *session.Key) {
			access.Material, refresh.Material = refresh.Material, access.Material
		},
		"kids":      func(access, refresh *session.Key) { access.ID, refresh.ID = refresh.ID, access.ID },
		"truncated": func(access, _ *session.Key) { access.Material = access.Material[:20] },
		"altered":   func(_, refresh *session.Key) { refresh.Material[40] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, _ := plundered(t, func(cfg *session.Config) { sealing(t, cfg) })
			access, refresh := d.of(session.PurposeAccess), d.of(session.PurposeRefresh)
			move(&access, &refresh)
			_, err := session.New(w.ctx, w.holding(access, refresh), w.cfg)
			if !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), "KeyEncryption") || !strings.Contains(err.Error(), access.ID) && !strings.Contains(err.Error(), refresh.ID) {
				t.Errorf("got %v, want ErrInvalidConfig that names KeyEncryption and the key", err)
			}
			w.process() // the rows as they were are good
		})
	}
}
