package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/token"
	"github.com/watchword-dev/watchword/session"
)

// inspection is what `inspect-token` was asked for.
type inspection struct {
	file, jwks       string
	issuer, audience *string
}

// inspected is what it found, as JSON.
type inspected struct {
	Kind      token.Kind      `json:"kind"`
	Signature token.Signature `json:"signature"`
	Why       string          `json:"why"`
	Header    map[string]any  `json:"header,omitempty"`
	Claims    map[string]any  `json:"claims,omitempty"`
	Problems  []token.Problem `json:"problems"`
}

func (p *program) inspectCommand() *cobra.Command {
	var (
		i                inspection
		issuer, audience string
	)
	cmd := &cobra.Command{
		Use:   "inspect-token [--file FILE] [--jwks FILE] [--issuer ISSUER] [--audience AUDIENCE]",
		Short: "Explain a token: what it says, whether it is good, and if not, why not",
		Long: `Reads a token from the standard input, or from a file, and explains what it says, whether it is
good, and if not, why not. It is never an argument, since everybody who may list processes sees
those. Nothing is asked of any server or database, so that it cannot tell whether the session
of a good token has ended; ` + "`sessions show`" + ` can.

Access tokens that are signed by EdDSA, ES256 or RS256 are verified with the public keys that
the application serves at /.well-known/jwks.json: --jwks names a file with them. Of those that
are signed by HS256 or HS512, and of refresh tokens, it only shows what stands in them.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // which may be the token: cobra's own error would repeat it
				return errors.New("inspect-token takes no argument: the token comes from the standard input, or from --file")
			}
			return nil
		},
		Example: `  curl -s https://app.example.com/.well-known/jwks.json >jwks.json
  watchword inspect-token --jwks jwks.json <token`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("issuer") {
				i.issuer = &issuer
			}
			if cmd.Flags().Changed("audience") {
				i.audience = &audience
			}
			return p.action(func(ctx context.Context) error { return p.inspect(ctx, i) })(cmd, args)
		},
	}
	cmd.Flags().StringVar(&i.file, "file", "-", "the file that holds the token; -: the standard input")
	cmd.Flags().StringVar(&i.jwks, "jwks", "", "a file with the public keys, as a JSON Web Key Set")
	cmd.Flags().StringVar(&issuer, "issuer", "", "what its issuer (iss) should be; empty: that it has none")
	cmd.Flags().StringVar(&audience, "audience", "", "what its audience (aud) should be; empty: that it has none")
	return cmd
}

// maxInput is how much is read of a token or a key set, in bytes.
const maxInput = 1 << 20

func (p *program) inspect(ctx context.Context, i inspection) error {
	opts := token.Options{Issuer: i.issuer, Audience: i.audience, Now: p.Now()}
	if i.jwks != "" {
		keys, err := readJWKS(i.jwks)
		if err != nil {
			return err
		}
		opts.Keys = keys
	}
	text, err := p.readToken(ctx, i.file)
	if err != nil {
		return err
	}
	r := token.Inspect(text, opts)
	if p.json {
		err = p.object(inspected{r.Kind, r.Signature, r.Why, object(r.Header), object(r.Claims), append([]token.Problem{}, r.Problems...)})
	} else {
		err = p.explain(r)
	}
	if err == nil && len(r.Problems) > 0 {
		err = errFindings
	}
	return err
}

func readJWKS(name string) (*session.JWKS, error) {
	raw, err := readFile(name)
	if err != nil {
		return nil, usage("--jwks: %w", err)
	}
	var keys session.JWKS
	if err := json.Unmarshal(raw, &keys); err != nil || keys.Keys == nil {
		return nil, usage("--jwks: %s holds no JSON Web Key Set", name)
	}
	if len(keys.Keys) == 0 {
		return nil, usage("--jwks: the key set in %s is empty: does the service sign with EdDSA, ES256 or RS256?", name)
	}
	return &keys, nil
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // which file it is, whoever runs the command says
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return readAll(file)
}

func readAll(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(raw) > maxInput {
		err = errors.New("it is larger than 1 MiB")
	}
	return raw, err
}

// readToken reads the token. What somebody pastes is not shown.
func (p *program) readToken(ctx context.Context, name string) (string, error) {
	if name != "-" {
		raw, err := readFile(name)
		if err != nil {
			return "", usage("--file: %w", err)
		}
		return string(raw), nil
	}
	if keyboard := terminal(p.Stdin); keyboard != nil {
		_, _ = io.WriteString(p.Stderr, "Paste the token, which is not shown, and press Enter: ")
		text, err := readSecret(ctx, keyboard)
		p.say("")
		return text, err
	}
	raw, err := readAll(p.input)
	return string(raw), err
}

// object is a list of fields as JSON.
func object(fields []token.Field) map[string]any {
	if fields == nil {
		return nil
	}
	object := map[string]any{}
	for _, f := range fields {
		object[f.Name] = f.Value
	}
	return object
}

var kinds = map[token.Kind]string{
	token.KindAccess: "an access token of Watchword", token.KindRefresh: "a refresh token of Watchword",
	token.KindJWT: "a JSON Web Token, but no access token of Watchword", token.KindUnknown: "no token that is known here",
}

// explain tells people.
func (p *program) explain(r token.Report) error {
	lines := []detail{{"It is", kinds[r.Kind]}, {"Signature", string(r.Signature) + ": " + r.Why}}
	for _, part := range []struct {
		title  string
		fields []token.Field
	}{{"Header", r.Header}, {"Claims", r.Claims}} {
		for i, f := range part.fields {
			title := ""
			if i == 0 {
				title = part.title
			}
			lines = append(lines, detail{title, field(f)})
		}
	}
	if len(r.Problems) == 0 {
		lines = append(lines, detail{"Verdict", verdict(r)})
	}
	for i, problem := range r.Problems {
		title := ""
		if i == 0 {
			title = "Not good"
		}
		lines = append(lines, detail{title, problem.Text})
	}
	return p.details(nil, lines)
}

// verdict is what is said of a token without problems.
func verdict(r token.Report) string {
	if r.Signature == token.SignatureVerified {
		return "good, unless its session has ended"
	}
	return "nothing is wrong with what it says; whether that is true was not checked"
}

func field(f token.Field) string {
	value := "…"
	if f.Value != nil {
		raw, err := json.Marshal(f.Value)
		if err == nil {
			value = string(raw)
		}
	}
	if f.Meaning == "" {
		return fmt.Sprintf("%-9s %s", f.Name, value)
	}
	return fmt.Sprintf("%-9s %s  (%s)", f.Name, value, f.Meaning)
}
