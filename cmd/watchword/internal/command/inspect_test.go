package command_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/session"
)

// inspectedLine is what `inspect-token --json` prints.
type inspectedLine struct {
	Kind, Signature, Why string
	Header, Claims       map[string]any
	Problems             []struct{ Code, Text string }
}

func TestInspectToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{Algorithm: session.EdDSA, Audience: "api"})
	r.opens = func() error { t.Error("it connects to the store"); return nil }
	_, tokens, err := r.app.Create(t.Context(), "alice", session.CreateOptions{Payload: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(r.app.JWKS(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	jwks, file := write(t, string(set)), write(t, tokens.AccessToken)
	inspect := func(code int, stdin string, args ...string) inspectedLine {
		t.Helper()
		r.stdin = strings.NewReader(stdin)
		all := objects[inspectedLine](t, r.want(code, append([]string{"inspect-token", "--json"}, args...)...).stdout)
		if len(all) != 1 {
			t.Fatalf("got %+v", all)
		}
		return all[0]
	}
	if got := inspect(command.ExitOK, tokens.AccessToken, "--jwks", jwks); got.Signature != "verified" || got.Kind != "access" ||
		got.Claims["sub"] != "alice" || got.Claims["payload"] != "hello" || got.Header["alg"] != "EdDSA" || len(got.Problems) != 0 {
		t.Errorf("got %+v", got)
	}
	if got := inspect(command.ExitOK, "", "--jwks", jwks, "--file", file); got.Signature != "verified" {
		t.Errorf("from a file: got %+v", got)
	}
	if got := inspect(command.ExitOK, tokens.AccessToken); got.Signature != "not checked" {
		t.Errorf("without keys: got %+v", got)
	}
	if got := inspect(command.ExitOK, tokens.RefreshToken); got.Kind != "refresh" {
		t.Errorf("a refresh token: got %+v", got)
	}
	if got := inspect(command.ExitFindings, tokens.AccessToken, "--audience", "else"); len(got.Problems) != 1 || got.Problems[0].Code != "wrong_audience" {
		t.Errorf("got %+v", got)
	}
	inspect(command.ExitOK, tokens.AccessToken, "--issuer=", "--audience", "api")
	r.clock.advance(time.Hour)
	r.stdin = strings.NewReader(tokens.AccessToken)
	out := r.want(command.ExitFindings, "inspect-token", "--jwks", jwks)
	for _, want := range []string{"an access token of Watchword", "verified: by key", "It expired", "alice", "Not good"} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("got %s, want it to say %q", out.stdout, want)
		}
	}
	if strings.Contains(out.stdout+out.stderr, tokens.AccessToken[len(tokens.AccessToken)-40:]) {
		t.Error("the signature is shown")
	}
}

func TestInspectTokenRefusesBadArguments(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	for _, args := range [][]string{
		{"--jwks", "no such file"}, {"--jwks", write(t, "{}")}, {"--jwks", write(t, `{"keys":[]}`)}, {"--jwks", write(t, "x")}, {"--file", "no such file"},
		{"eyJhbGciOiJub25lIn0.e30."},
	} {
		r.stdin = strings.NewReader("x")
		if out := r.want(command.ExitUsage, append([]string{"inspect-token"}, args...)...); strings.Contains(out.stderr, "eyJ") {
			t.Errorf("the token is repeated: %s", out.stderr)
		}
	}
	huge := write(t, strings.Repeat("x", 2<<20))
	r.want(command.ExitUsage, "inspect-token", "--file", huge)
	if err := os.Remove(huge); err != nil {
		t.Fatal(err)
	}
}
