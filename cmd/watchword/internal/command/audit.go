package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
)

func (p *program) auditCommand() *cobra.Command {
	var level, file string
	cmd := &cobra.Command{
		Use:   "audit [--level L1|L2|L3] [--config FILE]",
		Short: "Hold the settings against OWASP ASVS 5.0",
		Long: `Holds the settings against those requirements of OWASP ASVS 5.0 that concern sessions: each is
met, violated, with the setting that is to be changed, or left to the application. A violation
is a finding, with exit code 3. It asks no database.

The settings are those of the environment, or with --config those of a file alone, as a JSON
object: {"WATCHWORD_ACCESS_LIFETIME": "15m"}. What an application sets in its code instead, it
audits itself, by session.Config.Audit and wire.Config.Audit.`,
		Args: cobra.NoArgs,
		RunE: p.action(func(context.Context) error { return p.audit(level, file) }),
	}
	cmd.Flags().StringVar(&level, "level", session.ASVSLevel2.String(), "the level of ASVS: L1, L2 or L3")
	cmd.Flags().StringVar(&file, "config", "", "a file with the settings, in the environment's place")
	flagWords(cmd, "level", session.ASVSLevel1.String(), session.ASVSLevel2.String(), session.ASVSLevel3.String())
	return cmd
}

func (p *program) audit(levelName, file string) error {
	var level session.ASVSLevel
	if err := level.UnmarshalText([]byte(levelName)); err != nil {
		return usage("--level is %q: it must be L1, L2 or L3", levelName)
	}
	environ := p.Environ
	if file != "" {
		var err error
		if environ, err = readSettings(file); err != nil {
			return err
		}
	}
	s, err := settings.Parse(environ)
	if err != nil {
		return &usageError{err}
	}
	if len(s.Unknown) > 0 && file != "" {
		return usage("--config: %s are no settings; see `watchword help settings`", s.Unknown)
	}
	report, err := s.Session.Audit(level)
	if err != nil {
		return &usageError{err}
	}
	ofHTTP, err := s.Wire.Audit(level)
	if err != nil {
		return &usageError{err}
	}
	report = slices.Concat(report, ofHTTP)
	if err := p.tellAudit(report); err != nil {
		return err
	}
	if len(report.Violations()) > 0 {
		return errFindings
	}
	return nil
}

func (p *program) tellAudit(report session.AuditReport) error {
	if !p.json {
		_, err := p.out.WriteString(report.String())
		return err
	}
	for _, finding := range report {
		if err := p.object(finding); err != nil {
			return err
		}
	}
	return nil
}

// readSettings reads settings from a file, as an environment.
func readSettings(name string) ([]string, error) {
	raw, err := readFile(name)
	if err != nil {
		return nil, usage("--config: %w", err)
	}
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // which stays as it is written
	if err := dec.Decode(&object); err != nil {
		return nil, usage("--config: %s holds no JSON object", name)
	}
	var environ []string
	for variable, value := range object {
		if !strings.HasPrefix(variable, settings.Prefix) {
			return nil, usage("--config: %q is no setting; see `watchword help settings`", variable)
		}
		switch value.(type) {
		case string, json.Number, bool:
			environ = append(environ, fmt.Sprintf("%s=%v", variable, value))
		default:
			return nil, usage("--config: %s is no text, number, true or false", variable)
		}
	}
	slices.Sort(environ)
	return environ, nil
}
