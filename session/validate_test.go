package session_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// TestConfigOfEndingsRefusesNonsense: each field that is about endings, devices and limits, at its boundaries. See also
// TestConfigRefusesNonsense.
func TestConfigOfEndingsRefusesNonsense(t *testing.T) {
	t.Parallel()
	const tooLong = math.MaxInt64
	type bad = func(*session.Config)
	for field, changes := range map[string][]bad{
		"Revocation": {
			func(c *session.Config) { c.Revocation = "on" },
			func(c *session.Config) { c.Revocation = "Feed" },
			func(c *session.Config) { c.Revocation = " strict" },
		},
		"FeedInterval": {
			func(c *session.Config) { c.FeedInterval = -time.Second },
			func(c *session.Config) { c.FeedInterval = time.Millisecond - 1 },
			func(c *session.Config) { c.FeedInterval = tooLong },
		},
		"MaxFeedAge": {
			func(c *session.Config) { c.MaxFeedAge = -time.Second },
			func(c *session.Config) { c.MaxFeedAge = 2*session.DefaultFeedInterval - 1 },
			func(c *session.Config) { c.FeedInterval, c.MaxFeedAge = time.Minute, 2*time.Minute-1 },
			func(c *session.Config) { c.MaxFeedAge = tooLong },
		},
		"StaleFeed": {
			func(c *session.Config) { c.StaleFeed = "ignore" },
			func(c *session.Config) { c.StaleFeed = "REFUSE" },
		},
		"EndingRetention": {
			func(c *session.Config) { c.EndingRetention = -2 },
			func(c *session.Config) { c.EndingRetention = -time.Hour },
			func(c *session.Config) { c.EndingRetention = tooLong },
		},
		"CleanupInterval": {
			func(c *session.Config) { c.CleanupInterval = -2 },
			func(c *session.Config) { c.CleanupInterval = time.Millisecond - 1 },
			func(c *session.Config) { c.CleanupInterval = tooLong },
			func(c *session.Config) { c.CleanupInterval, c.CleanupSchedule = time.Hour, nightly },
			func(c *session.Config) { c.CleanupInterval, c.CleanupSchedule = session.NoCleanup, nightly },
		},
		"CleanupTimeLimit": {
			func(c *session.Config) { c.CleanupTimeLimit = -1 },
			func(c *session.Config) { c.CleanupTimeLimit = tooLong },
		},
		"CleanupShare": {
			func(c *session.Config) { c.CleanupShare = -0.5 },
			func(c *session.Config) { c.CleanupShare = 0.0099 },
			func(c *session.Config) { c.CleanupShare = 1.01 },
			func(c *session.Config) { c.CleanupShare = math.NaN() },
			func(c *session.Config) { c.CleanupShare = math.Inf(1) },
		},
		"Devices": {
			func(c *session.Config) { c.Devices = "some" },
			func(c *session.Config) { c.Devices = "off" },
		},
		"MaxSessions": {
			func(c *session.Config) { c.MaxSessions = -1 },
			func(c *session.Config) { c.MaxSessions = math.MinInt },
			func(c *session.Config) { c.MaxSessions = 1000 },
			func(c *session.Config) { c.MaxSessions = math.MaxInt },
		},
		"OnLimit": {
			func(c *session.Config) { c.OnLimit = "end_newest" },
			func(c *session.Config) { c.MaxSessions, c.OnLimit = 1, "Refuse" },
		},
		"Theft": {
			func(c *session.Config) { c.Theft = "revoke_all" },
		},
	} {
		for i, change := range changes {
			var cfg session.Config
			change(&cfg)
			_, err := session.New(t.Context(), memstore.New(nil), cfg)
			if validated := cfg.Validate(); validated == nil || err == nil || validated.Error() != err.Error() {
				t.Errorf("%s, case %d: Validate says %v, and New %v", field, i, validated, err)
			}
			if !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), ": "+field+" ") {
				t.Errorf("%s, case %d: got %v, want ErrInvalidConfig naming the field", field, i, err)
			}
		}
	}
	for i, cfg := range []session.Config{
		{Revocation: session.RevocationFeed}, {Revocation: session.RevocationStrict}, {Revocation: session.RevocationOff},
		{FeedInterval: time.Millisecond}, {FeedInterval: time.Hour}, {FeedInterval: time.Second, MaxFeedAge: 2 * time.Second},
		{StaleFeed: session.StaleFeedAccept}, {StaleFeed: session.StaleFeedRefuse},
		{EndingRetention: session.NoEndings}, {EndingRetention: 1}, {CleanupInterval: session.NoCleanup}, {CleanupInterval: time.Millisecond},
		{CleanupSchedule: nightly}, {CleanupTimeLimit: 1}, {CleanupShare: 1}, {CleanupShare: 0.01},
		{Devices: session.DeviceFull}, {Devices: session.DeviceCoarse}, {Devices: session.DeviceNone},
		{MaxSessions: 1}, {MaxSessions: 999}, {MaxSessions: 1, OnLimit: session.LimitRefuse}, {OnLimit: session.LimitEndOldest},
		{Theft: session.TheftRevokeUser}, {Theft: session.TheftReport},
	} {
		if _, err := session.New(t.Context(), memstore.New(nil), cfg); err != nil {
			t.Errorf("case %d: %v", i, err)
		}
	}
}
