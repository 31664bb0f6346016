package verify

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// What is compared does the same job: both take the issuer's tokens, and neither takes another's, or one that was changed.
func TestBothVerifyTheSameTokens(t *testing.T) {
	t.Parallel()
	for _, a := range algorithms {
		for _, cfg := range []session.Config{{}, {Issuer: "https://issuer.example", Audience: "https://api.example"}} {
			i, err := newIssuer(a.name, cfg)
			if err != nil {
				t.Fatal(err)
			}
			other, err := newIssuer(a.name, cfg)
			if err != nil {
				t.Fatal(err)
			}
			strange := cfg
			strange.Audience = "https://other.example"
			elsewhere := *i
			elsewhere.cfg.Audience = strange.Audience
			ours, err := i.fresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			token, foreign, misplaced := one(t, i), one(t, other), one(t, &elsewhere)
			changed := []byte(token)
			changed[len(changed)/2]++
			for name, verify := range map[string]func(string) error{"watchword": ours, "golang-jwt": i.golangJWT()} {
				for range 2 { // again
					if err := verify(token); err != nil {
						t.Errorf("%s, %s: a good token: %v", name, a.name, err)
					}
				}
				bad := map[string]string{"of another key": foreign, "changed": string(changed), "empty": ""}
				if cfg.Audience != "" {
					bad["for another audience"] = misplaced
				}
				for what, token := range bad {
					if err := verify(token); err == nil {
						t.Errorf("%s, %s: a token that is %s passes", name, a.name, what)
					}
				}
			}
		}
	}
}

func one(t *testing.T, i *issuer) string {
	t.Helper()
	tokens, err := i.tokens(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return tokens[0]
}

// Every token is verified as often as was asked for, by verifiers of which each is made for one pass.
func TestPassesVerifyEachToken(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, 1, 3} {
		made := 0
		seen := make(chan string, 1<<16)
		p := passes{tokens: []string{"a", "b", "c", "d", "e"}, workers: workers, times: 2, fresh: func(context.Context) (func(string) error, error) {
			made++
			return func(token string) error {
				seen <- token
				time.Sleep(time.Millisecond) // or else there would be too many
				return nil
			}, nil
		}}
		w, err := p.run(t.Context(), 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		close(seen)
		count := map[string]int{}
		for token := range seen {
			count[token]++
		}
		if w.Ops != made*10 || w.Took < 20*time.Millisecond {
			t.Errorf("%d workers: got %d operations of %d verifiers in %v", workers, w.Ops, made, w.Took)
		}
		for _, token := range p.tokens {
			if count[token] != 2*made {
				t.Errorf("%d workers: token %s was verified %d times by %d verifiers, want 2 by each", workers, token, count[token], made)
			}
		}
	}
}

func TestPassesTellErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	refuse := func(context.Context) (func(string) error, error) {
		return func(string) error { return broken }, nil
	}
	fail := func(context.Context) (func(string) error, error) { return nil, broken }
	for name, p := range map[string]passes{
		"a token":             {tokens: []string{"a"}, fresh: refuse},
		"a token, by workers": {tokens: []string{"a", "b"}, fresh: refuse, workers: 2},
		"the verifier":        {tokens: []string{"a"}, fresh: fail},
	} {
		if _, err := p.run(t.Context(), time.Millisecond); !errors.Is(err, broken) {
			t.Errorf("%s: got %v, want %v", name, err, broken)
		}
	}
}
