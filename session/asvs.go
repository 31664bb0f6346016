package session

import (
	"fmt"
	"slices"
	"strings"
)

// ASVSLevel is a level of the OWASP Application Security Verification Standard 5.0.0. Each asks for what the lower ones do, too.
type ASVSLevel int

// The levels.
const (
	ASVSLevel1 ASVSLevel = 1 + iota // what every application should have
	ASVSLevel2                      // what most should; the defaults violate nothing of it
	ASVSLevel3                      // for those that have the most to lose
)

// String returns "L1", "L2" or "L3".
func (l ASVSLevel) String() string { return fmt.Sprintf("L%d", int(l)) }

// MarshalText returns the level as String does, and nothing for the zero value.
func (l ASVSLevel) MarshalText() ([]byte, error) {
	if l == 0 {
		return nil, nil
	}
	return []byte(l.String()), l.valid()
}

// UnmarshalText reads what MarshalText writes.
func (l *ASVSLevel) UnmarshalText(text []byte) error {
	for level := range ASVSLevel3 + 1 {
		if want, err := level.MarshalText(); err == nil && string(want) == string(text) {
			*l = level
			return nil
		}
	}
	return fmt.Errorf("%q is no level of OWASP ASVS: it must be L1, L2 or L3", text)
}

func (l ASVSLevel) valid() error {
	if l < ASVSLevel1 || l > ASVSLevel3 {
		return fmt.Errorf("there is no level %d of OWASP ASVS: it must be 1, 2 or 3", int(l))
	}
	return nil
}

// AuditStatus says what an audit has found of a requirement.
type AuditStatus string

// The statuses.
const (
	AuditMet      AuditStatus = "met"              // by the configuration, or by construction: Finding.Tests hold it
	AuditViolated AuditStatus = "violated"         // by the configuration: Finding.Fields are to be changed
	AuditDuty     AuditStatus = "application_duty" // neither can say: Finding.Detail tells what the application has to see to
)

// Finding is what an audit has found of one requirement.
type Finding struct {
	Requirement string      `json:"requirement"` // its number in OWASP ASVS 5.0.0: "7.3.1"
	Level       ASVSLevel   `json:"level"`       // the lowest that asks for it
	Title       string      `json:"title"`       // what it asks for, in other words than the standard's
	Status      AuditStatus `json:"status"`
	Fields      []string    `json:"fields"` // of the configuration, on which it hangs; of a violation those that are to be changed
	Detail      string      `json:"detail"` // why it is so, or what is left to do
	Tests       []string    `json:"tests"`  // of this repository, that hold what Detail says of Watchword: "session.TestAttacks"
}

// AuditReport is what an audit has found, by the numbers of the requirements. Those of several configurations may be appended to
// one another.
type AuditReport []Finding

// NewAuditReport makes a report of those findings that a level asks for. The error is that of a level which does not exist.
func NewAuditReport(level ASVSLevel, findings ...Finding) (AuditReport, error) {
	if err := level.valid(); err != nil {
		return nil, err
	}
	report := AuditReport{}
	for _, f := range findings {
		if f.Level <= level {
			f.Fields, f.Tests = append([]string{}, f.Fields...), append([]string{}, f.Tests...) // lists also in JSON
			report = append(report, f)
		}
	}
	return report, nil
}

// With returns the findings of a status.
func (r AuditReport) With(status AuditStatus) AuditReport {
	return slices.DeleteFunc(slices.Clone(r), func(f Finding) bool { return f.Status != status })
}

// Violations returns the findings of requirements that are violated.
func (r AuditReport) Violations() AuditReport { return r.With(AuditViolated) }

// Err returns nil if nothing is violated, or else an error that matches ErrInvalidConfig and names each violated requirement with the
// fields that are to be changed.
func (r AuditReport) Err() error {
	var violations []string
	for _, f := range r.Violations() {
		verb := "is"
		if len(f.Fields) > 1 {
			verb = "are"
		}
		violations = append(violations, fmt.Sprintf("%s %s against requirement %s of OWASP ASVS 5.0.0 (%s), %q: %s",
			strings.Join(f.Fields, " and "), verb, f.Requirement, f.Level, f.Title, f.Detail))
	}
	if violations == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrInvalidConfig, strings.Join(violations, "; "))
}

// String returns the report as a table for people.
func (r AuditReport) String() string {
	var b strings.Builder
	for _, f := range r {
		fmt.Fprintf(&b, "%-5s  %s  %-18s  %s\n", f.Requirement, f.Level, f.Status.words(), f.Title)
		detail := f.Detail
		if len(f.Fields) > 0 {
			detail = "[" + strings.Join(f.Fields, ", ") + "] " + detail
		}
		fmt.Fprintf(&b, "%31s%s\n", "", detail)
		if len(f.Tests) > 0 {
			fmt.Fprintf(&b, "%31sheld by %s\n", "", strings.Join(f.Tests, ", "))
		}
	}
	fmt.Fprintf(&b, "%d requirements: %d met, %d violated, %d the application's duty\n",
		len(r), len(r.With(AuditMet)), len(r.Violations()), len(r.With(AuditDuty)))
	return b.String()
}

func (s AuditStatus) words() string {
	if s == AuditDuty {
		return "application's duty"
	}
	return string(s)
}
