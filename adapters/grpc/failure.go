package grpcsession

import (
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// domain is that of every google.rpc.ErrorInfo.
const domain = "watchword"

// translate makes a status of an error with which a handler has returned, if it is one of the contract's. Others are its own.
func (s *Sessions) translate(c *call, err error) error {
	if _, ok := status.FromError(err); ok || s.server.Contract().Failure(err).Code == "internal" {
		return err
	}
	return s.fail(c, err)
}

// fail makes the status of an error of package session, and tells wire.Config.OnFailure.
func (s *Sessions) fail(c *call, err error) error {
	failure, _ := s.server.Fail(c.header, c.request, err)
	info := &errdetails.ErrorInfo{Reason: strings.ToUpper(failure.Code), Domain: domain}
	if failure.Reason != "" {
		info.Metadata = map[string]string{"reason": failure.Reason}
	}
	details := []protoadapt.MessageV1{info}
	if failure.RetryAfter > 0 {
		delay := time.Duration(failure.RetryAfter) * time.Second
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	}
	answered := status.New(code(failure.Code), failure.Code)
	if detailed, err := answered.WithDetails(details...); err == nil { // it always is
		answered = detailed
	}
	return answered.Err()
}

// code is the table of the contract's codes. What is not in it is none of the client's business.
func code(contract string) codes.Code {
	switch contract {
	case "try_refresh", "unauthorised", "token_theft":
		return codes.Unauthenticated
	case "forbidden", "reauthenticate", "anti_csrf":
		return codes.PermissionDenied
	case "unavailable":
		return codes.Unavailable
	case "invalid_request", "too_large":
		return codes.InvalidArgument
	case "conflict":
		return codes.Aborted
	case "session_limit":
		return codes.ResourceExhausted
	default:
		return codes.Internal
	}
}
