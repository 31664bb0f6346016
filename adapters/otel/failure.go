package otelsession

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/watchword-dev/watchword/session"
)

// failure is the error.type of a call, as an index, so that attributes can be made beforehand. Texts of errors may hold handles.
type failure uint8

const (
	none failure = iota
	cancelled
	timeout
	unavailable
	other
	// What follows is an answer to the client, and no fault of anybody's who runs the service.
	theft
	ended
	unauthorised
	tryRefresh
	conflict
	sessionLimit
	invalid
	failures
)

var failureNames = [failures]string{
	cancelled: "cancelled", timeout: "timeout", unavailable: "unavailable", other: semconv.ErrorTypeOther.Value.AsString(),
	theft: "theft", ended: "ended", unauthorised: "unauthorised", tryRefresh: "try_refresh", conflict: "conflict",
	sessionLimit: "session_limit", invalid: "invalid",
}

func (f failure) attribute() attribute.KeyValue { return semconv.ErrorTypeKey.String(failureNames[f]) }

// outage tells apart why a store did not answer.
func outage(err error) failure {
	switch {
	case errors.Is(err, context.Canceled):
		return cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	case errors.Is(err, session.ErrUnavailable):
		return unavailable
	default:
		return other
	}
}

// ofCall is the failure of a call of the store. That there is no such row, or one already, is an answer.
func ofCall(err error) failure {
	switch {
	case err == nil, errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrDuplicate), errors.Is(err, errors.ErrUnsupported):
		return none
	default:
		return outage(err)
	}
}

// answers are the errors of a Manager's operations that are answers, the narrower ones first.
var answers = []struct {
	err     error
	failure failure
}{
	{session.ErrUnauthorised, unauthorised},
	{session.ErrTryRefresh, tryRefresh},
	{session.ErrNotFound, ended},
	{session.ErrConflict, conflict},
	{session.ErrSessionLimit, sessionLimit},
	{session.ErrInvalidUserID, invalid},
	{session.ErrInvalidLabel, invalid},
	{session.ErrInvalidReason, invalid},
	{session.ErrInvalidPage, invalid},
	{session.ErrInvalidJSON, invalid},
	{session.ErrTooLarge, invalid},
}

// ofOperation is the failure of an operation of the Manager.
func ofOperation(err error) failure {
	if err == nil {
		return none
	}
	var theftErr *session.TheftError
	var endedErr *session.EndedError
	switch {
	case errors.As(err, &theftErr):
		return theft
	case errors.As(err, &endedErr):
		return ended
	case errors.Is(err, session.ErrUnavailable):
		return outage(err)
	}
	for _, answer := range answers {
		if errors.Is(err, answer.err) {
			return answer.failure
		}
	}
	return outage(err)
}

// end ends a span. Answers leave its status alone.
func end(span trace.Span, f failure) {
	if f != none {
		span.SetAttributes(f.attribute())
	}
	if f != none && f <= other {
		span.SetStatus(codes.Error, failureNames[f])
	}
	span.End()
}
