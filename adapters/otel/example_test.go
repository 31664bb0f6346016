package otelsession_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	otelsession "github.com/watchword-dev/watchword/adapters/otel"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// A service passes no providers where it has set the global ones, and reads no metrics by itself: an exporter does so.
func Example() {
	ctx := context.Background()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))

	telemetry, err := otelsession.New(otelsession.Config{MeterProvider: provider, System: "mysql"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = telemetry.Close() }()
	manager, err := telemetry.Manager(ctx, memstore.New(nil), session.Config{}) // instead of session.New
	if err != nil {
		fmt.Println(err)
		return
	}

	if _, _, err := manager.Create(ctx, "alice", session.CreateOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &metrics); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range metrics.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "watchword.session.created" {
			fmt.Println(m.Name, sum.DataPoints[0].Value)
		}
	}
	// Output: watchword.session.created 1
}
