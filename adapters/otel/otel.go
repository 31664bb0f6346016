// Package otelsession brings OpenTelemetry metrics and traces to sessions.
//
// Make a Telemetry with New, and the session.Manager with Telemetry.Manager instead of session.New; whatever takes a Manager takes this
// one. Where that does not fit, Telemetry.Store, Telemetry.Instrument and Telemetry.Observe are what it does.
//
// Metrics say what became of verifications and refreshes, how sessions begin and end, how long operations and the store's calls take, how
// far behind the feed of revocations is, how old the signing keys are, and how cleanups go. Each operation that asks the store is a span,
// and each call of the store below it another one. To verify a token that was seen before makes no span, and takes no longer than without this
// package: the Manager counts by itself, and is asked when metrics are read.
//
// Attributes have few values, all of them known beforehand, whatever clients send. None holds a handle, a user id, a token or the text of an
// error. What a process does of its own accord each second, such as reading the feed, makes no spans; its calls of the store are in the
// metrics.
//
// Never give two Managers one Telemetry: what they observe would be taken for the same.
package otelsession

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/watchword-dev/watchword/session"
)

// scope names who has measured.
const scope = "github.com/watchword-dev/watchword/adapters/otel"

// Config says where metrics and spans go. The zero value of a field means its documented default.
type Config struct {
	MeterProvider  metric.MeterProvider // default: the global one
	TracerProvider trace.TracerProvider // default: the global one
	// System is the db.system.name of the store: "mysql" or "mariadb", say. Default: "other_sql".
	System string
}

// Telemetry measures one Manager and its store. It is safe for concurrent use.
type Telemetry struct {
	calls      map[string]*call
	operations map[session.Operation]*operation
	meter      metric.Meter

	mu   sync.Mutex
	stop []metric.Registration
}

// New makes a Telemetry. The error is one of the MeterProvider's.
func New(cfg Config) (*Telemetry, error) {
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	if cfg.System == "" {
		cfg.System = semconv.DBSystemNameOtherSQL.Value.AsString()
	}
	t := &Telemetry{meter: cfg.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))}
	tracer := cfg.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	var storeErr, operationErr error
	t.calls, storeErr = newCalls(t.meter, tracer, cfg.System)
	t.operations, operationErr = newOperations(t.meter, tracer)
	if err := errors.Join(storeErr, operationErr); err != nil {
		return nil, err
	}
	return t, nil
}

// Manager is session.New for a Manager that is measured. Close ends that.
func (t *Telemetry) Manager(ctx context.Context, store session.Store, cfg session.Config) (*session.Manager, error) {
	if store != nil {
		store = t.Store(store)
	}
	m, err := session.New(ctx, store, t.Instrument(cfg))
	if err != nil {
		return nil, err
	}
	if err := t.Observe(m); err != nil {
		return nil, err
	}
	return m, nil
}

// Instrument returns the configuration with hooks of this package. Those that were set are called as well.
func (t *Telemetry) Instrument(cfg session.Config) session.Config {
	before := cfg.OnOperation
	cfg.OnOperation = func(ctx context.Context, op session.Operation) (context.Context, func(error)) {
		own, done := t.begin(ctx, op)
		if before == nil {
			return own, done
		}
		theirs, theirDone := before(own, op)
		return theirs, func(err error) {
			theirDone(err)
			done(err)
		}
	}
	if cfg.Lists != nil {
		cfg.Lists = t.Lister(cfg.Lists)
	}
	return cfg
}

// Close has the Manager be observed no more.
func (t *Telemetry) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	for _, registration := range t.stop {
		err = errors.Join(err, registration.Unregister())
	}
	t.stop = nil
	return err
}
