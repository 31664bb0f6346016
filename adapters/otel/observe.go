package otelsession

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/watchword-dev/watchword/session"
)

// The attributes of what a Manager counts. Their values are the constants of package session.
const (
	verifyKey     = attribute.Key("watchword.verify.result")
	refreshKey    = attribute.Key("watchword.refresh.result")
	reasonKey     = attribute.Key("watchword.end.reason")
	theftKey      = attribute.Key("watchword.theft.kind")
	purposeKey    = attribute.Key("watchword.key.purpose")
	cleanupKey    = attribute.Key("watchword.cleanup.result")
	cleanedKey    = attribute.Key("watchword.cleanup.kind")
	cleanedEnded  = "expired" // sessions that were ended since they had expired
	cleanedPurged = "purged"  // records that were removed
)

// instruments are what a Manager is asked for when metrics are read.
type instruments struct {
	verified, refreshed, created, confirmed, reauthenticated, ended, thefts metric.Int64ObservableCounter
	published, removed, cleanups, dropped                                   metric.Int64ObservableCounter
	cleaning                                                                metric.Int64ObservableUpDownCounter
	known, stale, good                                                      metric.Int64ObservableGauge
	feedAge, keyAge, keysAge                                                metric.Float64ObservableGauge
}

// Observe has the Manager be asked for what it counts and knows whenever metrics are read, until Close is called.
func (t *Telemetry) Observe(m *session.Manager) error {
	in, all, err := newInstruments(t.meter)
	if err != nil {
		return err
	}
	registration, err := t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		in.counts(o, m.Stats())
		in.state(o, m.Health())
		return nil
	}, all...)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop = append(t.stop, registration)
	return nil
}

// newInstruments makes them all, and lists them.
func newInstruments(meter metric.Meter) (*instruments, []metric.Observable, error) {
	var (
		in   instruments
		all  []metric.Observable
		errs error
	)
	for _, c := range []struct {
		to                      *metric.Int64ObservableCounter
		name, unit, description string
	}{
		{&in.verified, "watchword.access_token.verified", "{token}", "Access tokens that were verified, by what became of it."},
		{&in.refreshed, "watchword.session.refreshed", "{refresh}", "Refresh tokens that were presented, by what became of it."},
		{&in.created, "watchword.session.created", "{session}", "Sessions that were begun."},
		{&in.ended, "watchword.session.ended", "{session}", "Sessions that this process has ended or found expired, by reason."},
		{&in.reauthenticated, "watchword.session.reauthenticated", "{session}", "Sessions whose user has proved again who they are."},
		{&in.confirmed, "watchword.refresh_token.confirmed", "{token}", "Refresh tokens that their clients were found to hold."},
		{&in.thefts, "watchword.refresh_token.stolen", "{theft}", "Thefts of refresh tokens that were found, by what gave the thief away."},
		{&in.published, "watchword.key.published", "{key}", "Signing keys that this process has published, by purpose."},
		{&in.removed, "watchword.cleanup.removed", "{record}", "What cleanups of this process have ended or removed."},
		{&in.cleanups, "watchword.cleanup.run", "{cleanup}", "Cleanups of this process that are over, by what became of them."},
		{&in.dropped, "watchword.event.dropped", "{event}", "Events that the application's hook was too slow for."},
	} {
		instrument, err := meter.Int64ObservableCounter(c.name, metric.WithUnit(c.unit), metric.WithDescription(c.description))
		*c.to, all, errs = instrument, append(all, instrument), errors.Join(errs, err)
	}
	for _, g := range []struct {
		to                      *metric.Int64ObservableGauge
		name, unit, description string
	}{
		{&in.known, "watchword.feed.size", "{revocation}", "Revoked sessions and users that are held in memory."},
		{&in.stale, "watchword.feed.stale", "", "Whether revocations have not been read for too long: 1 or 0."},
		{&in.good, "watchword.key.good", "{key}", "Signing keys that verify, by purpose."},
	} {
		instrument, err := meter.Int64ObservableGauge(g.name, metric.WithUnit(g.unit), metric.WithDescription(g.description))
		*g.to, all, errs = instrument, append(all, instrument), errors.Join(errs, err)
	}
	for _, g := range []struct {
		to                *metric.Float64ObservableGauge
		name, description string
	}{
		{&in.feedAge, "watchword.feed.lag", "How long ago the revocations were read."},
		{&in.keyAge, "watchword.key.age", "How long the signing key of a purpose has been signing."},
		{&in.keysAge, "watchword.key.lag", "How long ago the signing keys were read."},
	} {
		instrument, err := meter.Float64ObservableGauge(g.name, metric.WithUnit("s"), metric.WithDescription(g.description))
		*g.to, all, errs = instrument, append(all, instrument), errors.Join(errs, err)
	}
	var err error
	in.cleaning, err = meter.Int64ObservableUpDownCounter("watchword.cleanup.running", metric.WithUnit("{cleanup}"),
		metric.WithDescription("Cleanups of this process that are under way."))
	return &in, append(all, in.cleaning), errors.Join(errs, err)
}

// counts observes what the Manager has counted. Every value of an attribute is there from the beginning, as rates need it.
func (in *instruments) counts(o metric.Observer, s session.Stats) {
	each(o, in.verified, verifyKey, s.Verified)
	each(o, in.refreshed, refreshKey, s.Refreshed)
	each(o, in.ended, reasonKey, s.Ended)
	each(o, in.thefts, theftKey, s.Thefts)
	each(o, in.cleanups, cleanupKey, s.Cleanup.Runs)
	each(o, in.removed, cleanedKey, map[string]uint64{cleanedEnded: s.Cleanup.Expired, cleanedPurged: s.Cleanup.Purged})
	o.ObserveInt64(in.created, count(s.Created))
	o.ObserveInt64(in.confirmed, count(s.Confirmed))
	o.ObserveInt64(in.reauthenticated, count(s.Reauthenticated))
	o.ObserveInt64(in.cleaning, int64(s.Cleanup.Running))
	for purpose, key := range s.Keys {
		own := metric.WithAttributes(purposeKey.String(string(purpose)))
		o.ObserveInt64(in.published, count(key.Published), own)
		o.ObserveInt64(in.good, int64(key.Good), own)
		o.ObserveFloat64(in.keyAge, key.Age.Seconds(), own)
	}
}

// state observes what the Manager knows of its state. Without a feed there is nothing to say of one.
func (in *instruments) state(o metric.Observer, h session.Health) {
	o.ObserveInt64(in.dropped, int64(h.EventsDropped))
	o.ObserveFloat64(in.keysAge, h.KeysAge.Seconds())
	if h.Feed.Mode != session.RevocationFeed {
		return
	}
	o.ObserveFloat64(in.feedAge, h.Feed.Age.Seconds())
	o.ObserveInt64(in.known, int64(h.Feed.Known))
	stale := int64(0)
	if h.Feed.Stale {
		stale = 1
	}
	o.ObserveInt64(in.stale, stale)
}

// each observes the entries of a map of counts.
func each[K ~string](o metric.Observer, c metric.Int64ObservableCounter, key attribute.Key, counts map[K]uint64) {
	for name, n := range counts {
		o.ObserveInt64(c, count(n), metric.WithAttributes(key.String(string(name))))
	}
}

func count(n uint64) int64 { return int64(n) } //nolint:gosec // nothing is counted that often
