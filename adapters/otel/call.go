package otelsession

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"
	"go.opentelemetry.io/otel/trace"
)

// methods are those of a session.Store, and of a session.Elector.
var methods = []string{
	"Insert", "Get", "Confirm", "HandOut", "Mint", "List", "SetPayload", "SetLabel", "Data", "SetData",
	"End", "EndUser", "EndAll", "EndExpired", "Ending", "Endings", "Purge",
	"Publish", "Revocations",
	"Keys", "InsertKey", "RetireKey", "SetKeyMaterial", "DeleteKey",
	"Elect",
}

// call measures the calls of one method of the store.
type call struct {
	method   string
	tracer   trace.Tracer
	duration dbconv.ClientOperationDuration
	start    []trace.SpanStartOption
	sets     [failures]attribute.Set
}

func newCalls(meter metric.Meter, tracer trace.Tracer, system string) (map[string]*call, error) {
	duration, err := dbconv.NewClientOperationDuration(meter, seconds)
	if err != nil {
		return nil, err
	}
	calls := map[string]*call{}
	for _, method := range methods {
		own := []attribute.KeyValue{semconv.DBSystemNameKey.String(system), semconv.DBOperationName(method)}
		c := &call{
			method: method, tracer: tracer, duration: duration,
			start: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(own...)},
		}
		c.sets[none] = attribute.NewSet(own...)
		for f := none + 1; f <= other; f++ {
			c.sets[f] = attribute.NewSet(append([]attribute.KeyValue{f.attribute()}, own...)...)
		}
		calls[method] = c
	}
	return calls, nil
}

// begin tells of the beginning of a call, and returns what tells of its end. Without a span around it there is none for it either: each
// reading of the feed, once a second, would be a trace.
func (c *call) begin(ctx context.Context) (context.Context, func(error)) {
	begun := time.Now()
	ctx, span := c.span(ctx)
	return ctx, func(err error) { c.end(ctx, span, time.Since(begun), err) }
}

func (c *call) span(ctx context.Context) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, nil
	}
	return c.tracer.Start(ctx, c.method, c.start...)
}

func (c *call) end(ctx context.Context, span trace.Span, took time.Duration, err error) {
	f := ofCall(err)
	c.duration.RecordSet(ctx, took.Seconds(), c.sets[f])
	if span != nil {
		end(span, f)
	}
}
