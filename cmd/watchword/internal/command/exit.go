package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-dev/watchword/session"
)

// The exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitFindings    = 3
	ExitUnreachable = 4
	ExitDeclined    = 5
	ExitInterrupted = 130 // as shells have it: 128 and the number of the signal
)

const exitHelp = `
Exit codes:
  0    done
  1    failed
  2    the arguments or settings make no sense
  3    done, and something was found that is not as it should be (inspect-token, doctor, audit)
  4    the store could not be reached
  5    declined when asked
  130  interrupted
`

// usageError is one of arguments or settings.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// unreachableError says that the store could not be opened.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

var (
	// errDeclined: whoever was asked did not say yes.
	errDeclined = errors.New("declined; nothing was changed")
	// errFindings has been told already.
	errFindings = errors.New("something is not as it should be")
)

// exitCode says how a run ends.
func exitCode(ctx context.Context, err error) int {
	var (
		arguments   *usageError
		unreachable *unreachableError
	)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errDeclined):
		return ExitDeclined
	case ctx.Err() != nil:
		return ExitInterrupted
	case errors.Is(err, errFindings):
		return ExitFindings
	case errors.As(err, &arguments), errors.Is(err, session.ErrInvalidUserID), errors.Is(err, session.ErrInvalidReason):
		return ExitUsage
	case errors.As(err, &unreachable), errors.Is(err, session.ErrUnavailable):
		return ExitUnreachable
	default:
		return ExitFailed
	}
}
