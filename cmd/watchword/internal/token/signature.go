package token

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// accessType is the typ header of every access token.
const accessType = "watchword-access+jwt"

// readHeader shows the header and says what is wrong with it.
func (r *Report) readHeader(object map[string]json.RawMessage) {
	for _, m := range []struct{ name, meaning string }{
		{"alg", "how it is signed"}, {"kid", "the key that it is signed with"}, {"typ", "what it is"},
	} {
		if raw, ok := object[m.name]; ok {
			r.Header = append(r.Header, Field{m.name, raw, m.meaning})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if name != "alg" && name != "kid" && name != "typ" {
			r.Header = append(r.Header, Field{name, object[name], "Watchword does not write it, and refuses tokens that have it"})
		}
	}
	switch typ := text(object, "typ"); typ {
	case accessType:
		r.Kind = KindAccess
	case "":
		r.problem("wrong_type", "It does not say what it is: its typ is missing, and that of an access token of Watchword is "+accessType+".")
	default:
		r.problem("wrong_type", fmt.Sprintf("It is something else: its typ is %q, and that of an access token of Watchword is %s. Is it an ID token, or another service's?", typ, accessType))
	}
	if strings.EqualFold(text(object, "alg"), "none") {
		r.problem("unsigned", "It says that it is not signed (alg none). Anybody can have written it, and everybody has to refuse it.")
	}
}

// checkSignature verifies the signature with the public keys, if there are any, by the library's own Verifier.
func (r *Report) checkSignature(token string, header map[string]json.RawMessage, c claims, opts Options) {
	algorithm, kid := text(header, "alg"), text(header, "kid")
	refuse := func(code, why string) {
		r.Signature, r.Why = SignatureRefused, why
		r.problem(code, "Its signature is not verified: "+why+".")
	}
	switch {
	case strings.EqualFold(algorithm, "none"):
		r.Signature, r.Why = SignatureRefused, "there is none"
		return
	case opts.Keys == nil && strings.HasPrefix(algorithm, "HS"):
		r.Why = algorithm + " signs with a secret that only processes with the store have: they alone can verify it"
		return
	case opts.Keys == nil:
		r.Why = "--jwks was not given: anybody can have written this"
		return
	case strings.HasPrefix(algorithm, "HS"):
		refuse("shared_secret", algorithm+" signs with a secret that only processes with the store have, and which is in no key set")
		return
	case r.Kind != KindAccess:
		r.Signature, r.Why = SignatureRefused, "it is no access token of Watchword"
		return
	}
	var kids []string
	found := slices.IndexFunc(opts.Keys.Keys, func(k session.JWK) bool {
		kids = append(kids, k.KeyID)
		return k.KeyID == kid
	})
	if found < 0 {
		refuse("unknown_key", fmt.Sprintf("the key set has no key %q, only %s. It may be of another deployment, be older than the key set's oldest key, "+
			"or younger than the key set", kid, strings.Join(kids, ", ")))
		return
	}
	if key := opts.Keys.Keys[found]; key.Algorithm != algorithm {
		refuse("wrong_algorithm", fmt.Sprintf("it says that it is signed by %s, and its key is for %s", algorithm, key.Algorithm))
		return
	}
	switch err := verify(token, opts.Keys, c); {
	case err == nil:
		r.Signature, r.Why = SignatureVerified, "by key "+kid
	case !strings.HasPrefix(token, ownHeader(algorithm, kid)+"."):
		refuse("wrong_header", "its header is not, to the byte, what Watchword writes, and so it is refused whether or not the signature is good")
	case !c.sound:
		refuse("wrong_claims", "its claims are not of the form that Watchword writes, and so it is refused whether or not the signature is good")
	default:
		refuse("wrong_signature", fmt.Sprintf("key %s has not signed this text. It was altered, or cut off, or forged, or is of another deployment's key with that name", kid))
	}
}

// ownHeader is the first segment of every token of a key.
func ownHeader(algorithm, kid string) string {
	return encoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":%q}`, algorithm, kid, accessType))
}

// verify has the library verify a token at the moment when it was issued, with the issuer and audience that it names: what is left is the
// signature, and whether it is to the byte of the form that the library writes.
func verify(token string, keys *session.JWKS, c claims) error {
	ctx := context.Background() // the keys are here: nothing is waited for
	verifier, err := session.NewVerifier(ctx, session.VerifierConfig{
		Keys: *keys, Issuer: c.issuer, Audience: c.audience, VerifiedTokens: session.NoVerifiedTokens,
		Clock: func() time.Time { return c.issued },
	})
	if err != nil {
		return err
	}
	_, err = verifier.Verify(ctx, token, session.VerifyOptions{})
	return err
}
