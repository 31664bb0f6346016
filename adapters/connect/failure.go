package connectsession

import (
	"errors"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// domain is that of every google.rpc.ErrorInfo.
const domain = "watchword"

// translate makes a connect.Error of an error with which a handler has returned, if it is one of the contract's. Others are its
// own.
func (s *Sessions) translate(c call, err error) error {
	var coded *connect.Error
	if err == nil || errors.As(err, &coded) || s.server.Contract().Failure(err).Code == "internal" {
		return err
	}
	return s.fail(c, err)
}

// fail makes the connect.Error of an error of package session, writes the headers, and tells wire.Config.OnFailure.
func (s *Sessions) fail(c call, err error) error {
	contentType, typed := c.header["Content-Type"] // the protocol's own, for streams
	failure, _ := s.server.Fail(c.header, c.request, err)
	if c.header.Del("Content-Type"); typed {
		c.header["Content-Type"] = contentType
	}
	answered := connect.NewError(code(failure.Code), errors.New(failure.Code))
	if detail, err := connect.NewErrorDetail(errorInfo(failure.Code, failure.Reason)); err == nil { // it always is
		answered.AddDetail(detail)
	}
	return answered
}

// errorInfo encodes a google.rpc.ErrorInfo. Its Go type is in a module of gRPC's world that Connect does without, and so does this
// one.
func errorInfo(code, reason string) *anypb.Any {
	field := func(message []byte, number protowire.Number, value string) []byte {
		return protowire.AppendString(protowire.AppendTag(message, number, protowire.BytesType), value)
	}
	info := field(field(nil, 1, strings.ToUpper(code)), 2, domain) // string reason = 1; string domain = 2
	if reason != "" {
		entry := field(field(nil, 1, "reason"), 2, reason)
		info = field(info, 3, string(entry)) // map<string, string> metadata = 3
	}
	return &anypb.Any{TypeUrl: "type.googleapis.com/google.rpc.ErrorInfo", Value: info}
}

// code is the table of the contract's codes. What is not in it is none of the client's business.
func code(contract string) connect.Code {
	switch contract {
	case "try_refresh", "unauthorised", "token_theft":
		return connect.CodeUnauthenticated
	case "forbidden", "reauthenticate", "anti_csrf":
		return connect.CodePermissionDenied
	case "unavailable":
		return connect.CodeUnavailable
	case "invalid_request", "too_large":
		return connect.CodeInvalidArgument
	case "conflict":
		return connect.CodeAborted
	case "session_limit":
		return connect.CodeResourceExhausted
	default:
		return connect.CodeInternal
	}
}
