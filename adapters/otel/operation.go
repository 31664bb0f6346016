package otelsession

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/watchword-dev/watchword/session"
)

// operationKey is the attribute that names an operation of the Manager.
const operationKey = attribute.Key("watchword.operation")

// otherOperation stands for those of a later version of the core.
const otherOperation session.Operation = "_OTHER"

// seconds are the boundaries of histograms: those that the semantic conventions advise for db.client.operation.duration.
var seconds = metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)

// operation measures one kind of operation.
type operation struct {
	name     string
	tracer   trace.Tracer
	duration metric.Float64Histogram
	start    []trace.SpanStartOption
	record   [failures]metric.MeasurementOption
}

func newOperations(meter metric.Meter, tracer trace.Tracer) (map[session.Operation]*operation, error) {
	duration, err := meter.Float64Histogram("watchword.operation.duration", metric.WithUnit("s"), seconds,
		metric.WithDescription("Duration of operations on sessions that ask the store."))
	if err != nil {
		return nil, err
	}
	operations := map[session.Operation]*operation{}
	for _, name := range append(session.Operations(), otherOperation) {
		own := operationKey.String(string(name))
		o := &operation{
			name: "watchword " + string(name), tracer: tracer, duration: duration,
			start: []trace.SpanStartOption{trace.WithAttributes(own)},
		}
		o.record[none] = metric.WithAttributeSet(attribute.NewSet(own))
		for f := none + 1; f < failures; f++ {
			o.record[f] = metric.WithAttributeSet(attribute.NewSet(own, f.attribute()))
		}
		operations[name] = o
	}
	return operations, nil
}

// begin is Config.OnOperation.
func (t *Telemetry) begin(ctx context.Context, name session.Operation) (context.Context, func(error)) {
	o := t.operations[name]
	if o == nil {
		o = t.operations[otherOperation]
	}
	begun := time.Now()
	ctx, span := o.tracer.Start(ctx, o.name, o.start...)
	return ctx, func(err error) {
		f := ofOperation(err)
		o.duration.Record(ctx, time.Since(begun).Seconds(), o.record[f])
		end(span, f)
	}
}
