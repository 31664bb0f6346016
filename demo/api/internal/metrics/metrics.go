// Package metrics measures the demo's sessions, and shows that to Prometheus.
package metrics

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	otelsession "github.com/watchword-dev/watchword/adapters/otel"
	"github.com/watchword-dev/watchword/session"
)

// maxScrapes is how many may read the metrics at once.
const maxScrapes = 4

// Metrics measures one Manager, and the process.
type Metrics struct {
	telemetry *otelsession.Telemetry
	provider  *metric.MeterProvider
	registry  *prometheus.Registry
}

// New makes a Metrics. system names the store.
func New(system string) (*Metrics, error) {
	m := &Metrics{registry: prometheus.NewRegistry()}
	// The names that dashboards are used to, whatever the default of the exporter's version: watchword_session_created_total.
	reader, err := exporter.New(
		exporter.WithRegisterer(m.registry), exporter.WithoutScopeInfo(),
		exporter.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
	)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(
		m.registry.Register(collectors.NewGoCollector()),
		m.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	); err != nil {
		return nil, err
	}
	m.provider = metric.NewMeterProvider(metric.WithReader(reader),
		metric.WithResource(resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName("watchword-demo"))))
	if m.telemetry, err = otelsession.New(otelsession.Config{MeterProvider: m.provider, System: system}); err != nil {
		return nil, errors.Join(err, m.provider.Shutdown(context.Background()))
	}
	return m, nil
}

// Manager is session.New for the Manager that is measured.
func (m *Metrics) Manager(ctx context.Context, store session.Store, cfg session.Config) (*session.Manager, error) {
	return m.telemetry.Manager(ctx, store, cfg)
}

// Handler serves /metrics, and nothing else. Whoever reads it learns how many log in and how many are refused: it is for a listener that the
// public does not reach.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	return mux
}

// Close ends the measuring.
func (m *Metrics) Close() error {
	return errors.Join(m.telemetry.Close(), m.provider.Shutdown(context.Background()))
}
