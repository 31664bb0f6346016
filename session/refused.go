package session

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// refusal is the result of a verification that failed for what the store or the feed says.
func refusal(err error) verifyResult {
	switch {
	case errors.Is(err, ErrUnavailable):
		return verifyUnavailable
	case errors.Is(err, ErrUnauthorised), errors.Is(err, ErrTryRefresh):
		return verifyEnded
	default:
		return verifyFailed
	}
}

// tellRefused says in the log why an access token was refused, for those who are looking for that: clients are told as little as possible.
// Of the token itself only the id of its key is shown, which is public, if it looks like one.
func (m *Manager) tellRefused(ctx context.Context, accessToken string, why verifyResult, err error) {
	if !m.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	facts := append(make([]slog.Attr, 0, 4), slog.String("reason", string(verifyResults[why])))
	header, _, _ := strings.Cut(accessToken[:min(len(accessToken), accesstoken.MaxLen)], ".")
	if kid, headerErr := accesstoken.ParseHeader(header); headerErr == nil {
		if _, headerErr = parseKeyID(kid); headerErr == nil {
			facts = append(facts, slog.String("kid", kid))
		}
	}
	m.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "access token refused", append(facts, endedFacts(err)...)...)
}

// refreshed counts a call of Refresh, and says in the log why its token was refused. mine says that the answer is this call's own.
func (m *Manager) refreshed(ctx context.Context, result refreshResult, mine bool, err error) {
	var theft *TheftError
	var ended *EndedError
	switch {
	case err == nil && !mine:
		result = refreshShared
	case err == nil:
	case errors.As(err, &theft):
		result = refreshTheft
	case errors.As(err, &ended):
		result = refreshEnded
	case errors.Is(err, ErrUnauthorised):
		result = refreshUnauthorised
	case errors.Is(err, ErrTryRefresh):
		result = refreshTryRefresh
	case errors.Is(err, ErrUnavailable):
		result = refreshUnavailable
	default:
		result = refreshFailed
	}
	m.counts.refreshed[result].Add(1)
	if err != nil && m.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		facts := append([]slog.Attr{slog.String("reason", string(refreshResults[result]))}, endedFacts(err)...)
		m.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "refresh token refused", facts...)
	}
}

// endedFacts names the session that an error is about, if it has ended.
func endedFacts(err error) []slog.Attr {
	var theft *TheftError
	var ended *EndedError
	switch {
	case errors.As(err, &theft):
		return []slog.Attr{slog.String("session", theft.Handle.String()), slog.String("theft", string(theft.Kind))}
	case errors.As(err, &ended):
		return []slog.Attr{slog.String("session", ended.Handle.String()), slog.String("ended", string(ended.Reason))}
	default:
		return nil
	}
}
