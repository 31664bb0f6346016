package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// scrapeTimeout bounds a reading of the metrics, and what the end waits for one.
const scrapeTimeout = 5 * time.Second

// serveMetrics serves the metrics on a listener of their own, if there is one, and returns what ends that.
func (d *demo) serveMetrics(listener net.Listener, stdout io.Writer, log zerolog.Logger) (stop func()) {
	if listener == nil {
		return func() {}
	}
	_, _ = fmt.Fprintf(stdout, "metrics are at http://%s/metrics\n", listener.Addr())
	srv := &http.Server{
		Handler:           d.metrics.Handler(),
		ReadHeaderTimeout: scrapeTimeout,
		ReadTimeout:       scrapeTimeout,
		WriteTimeout:      2 * scrapeTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          stdlog.New(log, "", 0),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("metrics are not served any more") // the demo goes on
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
		<-served
	}
}
