package accesstoken

import (
	"strings"
	"testing"
	"time"
)

// TestFlaws: each has its name for those who log, and clients see no difference.
func TestFlaws(t *testing.T) {
	t.Parallel()
	k, c := testKey(t, "kid", 7), full()
	token := sign(t, k, c)
	header, rest, _ := strings.Cut(token, ".")
	unsound := c
	unsound.Subject = ""
	want := Expected{Issuer: c.Issuer, Audience: c.Audience, Now: now}
	for name, test := range map[string]struct {
		token string
		want  Expected
		flaw  Flaw
	}{
		"good":            {token, want, Flawless},
		"empty":           {"", want, Malformed},
		"one segment":     {header, want, Malformed},
		"a line break":    {token + "\n", want, Malformed},
		"too long":        {token + strings.Repeat("A", MaxLen), want, Malformed},
		"another header":  {"e30." + rest, want, UnknownKey},
		"another key":     {sign(t, testKey(t, "kid", 8), c), want, Unsigned},
		"two segments":    {header + ".e30", want, Unsigned},
		"no user":         {sign(t, k, unsound), want, Unsound},
		"another issuer":  {token, Expected{Issuer: "x", Audience: c.Audience, Now: now}, Foreign},
		"another service": {token, Expected{Issuer: c.Issuer, Audience: "x", Now: now}, Foreign},
		"too early":       {token, Expected{Issuer: c.Issuer, Audience: c.Audience, Now: now.Add(-Leeway - time.Second)}, Early},
		"early":           {token, Expected{Issuer: c.Issuer, Audience: c.Audience, Now: now.Add(-Leeway)}, Flawless},
		"over":            {token, Expected{Issuer: c.Issuer, Audience: c.Audience, Now: c.ExpiresAt}, Expired},
	} {
		_, _, flaw := Judge(test.token, only(k), test.want)
		if flaw != test.flaw {
			t.Errorf("%s: got flaw %d, want %d", name, flaw, test.flaw)
		}
		if _, _, err := Parse(test.token, only(k), test.want); (err == nil) != (flaw == Flawless) {
			t.Errorf("%s: Parse says %v", name, err)
		}
	}
}
