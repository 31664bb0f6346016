package token

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// encoding refuses non-zero padding bits, as the library does.
var encoding = base64.RawURLEncoding.Strict()

var errNoObject = errors.New("no JSON object")

// The form of a refresh token; see docs/how-it-works.md: version, key id, handle, generation, time of minting, secret, MAC.
const (
	refreshVersion = 1
	keyAt          = 1
	handleAt       = keyAt + 12
	generationAt   = handleAt + 16
	mintedAt       = generationAt + 4
	secretAt       = mintedAt + 8
	refreshLen     = secretAt + 32 + 32
)

// refresh is what stands in a refresh token for all to read.
type refresh struct {
	key        string
	handle     session.Handle
	generation int
	minted     time.Time // 1970 for the first token of a session
}

// readRefresh reads a refresh token, if a text has that form.
func readRefresh(text string) (refresh, bool) {
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != refreshLen || raw[0] != refreshVersion {
		return refresh{}, false
	}
	return refresh{
		key:        encoding.EncodeToString(raw[keyAt:handleAt]),
		handle:     session.Handle(raw[handleAt:generationAt]),
		generation: int(binary.BigEndian.Uint32(raw[generationAt:])),
		minted:     time.UnixMicro(int64(binary.BigEndian.Uint64(raw[mintedAt:]))).UTC(), //nolint:gosec // a time that makes no sense is shown as that
	}, true
}

func (t refresh) report() Report {
	r := Report{
		Kind: KindRefresh, Signature: SignatureNotChecked,
		Why: "only a process with the refresh keys can check a refresh token, and what becomes of it depends on the store; `watchword sessions show` shows its session",
		Claims: []Field{
			{"session", t.handle.String(), "the session's handle"},
			{"kid", t.key, "the key that it claims to be made with"},
			{"generation", t.generation, "how many confirmed refreshes lie before it"},
		},
	}
	if t.minted.Unix() != 0 {
		r.Claims = append(r.Claims, Field{"minted", t.minted.Format(time.RFC3339), "when it was made, by the store's clock"})
	}
	return r
}
