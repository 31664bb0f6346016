package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/demo/api/internal/config"
)

// drainTimeout bounds what the end waits for requests that are being answered.
const drainTimeout = 10 * time.Second

// serve runs the demo until ctx is done, and leaves nothing behind.
func serve(ctx context.Context, cfg config.Config, stdout io.Writer, log zerolog.Logger) (err error) {
	// The address first: when it is taken, nothing else needs to happen.
	listener, err := listen(ctx, "WATCHWORD_ADDR", cfg.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server closes it as well
	var metrics net.Listener
	if cfg.MetricsAddr != "" {
		if metrics, err = listen(ctx, "WATCHWORD_METRICS_ADDR", cfg.MetricsAddr); err != nil {
			return err
		}
		defer func() { _ = metrics.Close() }()
	}

	d, err := assemble(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()

	background, stop := context.WithCancel(ctx)
	wait := d.start(background)
	defer wait()
	defer stop()
	defer d.hangUp()

	defer d.serveMetrics(metrics, stdout, log)()

	log.Info().Str("addr", listener.Addr().String()).Bool("mysql", cfg.MySQLDSN != "").Bool("lab", cfg.Lab).Msg("listening")
	announce(stdout, cfg, listener.Addr())
	return serveHTTP(ctx, listener, d, log)
}

// listen listens on an address, which a variable has.
func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen on %s: another program does; stop it, or choose another address with %s", addr, variable)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", variable, err)
	}
	return listener, nil
}

// announce tells the person who started the demo where it is.
func announce(w io.Writer, cfg config.Config, addr net.Addr) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost" // an address for a browser; the log has the one that is listened on
	}
	text := fmt.Sprintf("listening on http://%s\n", net.JoinHostPort(host, port))
	if cfg.Loopback() {
		text += fmt.Sprintf("log in as %q with the password %q\n", demoLogin.UserID, demoLogin.Password)
	}
	if cfg.MySQLDSN == "" {
		text += "sessions and users are in memory, gone when this ends\n"
	}
	if cfg.OpenLogin {
		text += "any user name logs in with the password \"watchword\"\n"
	}
	if cfg.Lab {
		text += "the lab is open: it steals tokens, loses answers and cuts the connection to the database\n"
	}
	_, _ = io.WriteString(w, text)
}

// serveHTTP serves until ctx is done, and then lets requests that are being answered come to their end.
func serveHTTP(ctx context.Context, listener net.Listener, d *demo, log zerolog.Logger) error {
	srv := &http.Server{
		Handler:           d.server,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10, // several cookies of one name, each up to 4 KiB, come through to be told apart
		ErrorLog:          stdlog.New(log, "", 0),
	}
	srv.RegisterOnShutdown(d.hangUp)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info().Msg("shutting down")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		_ = srv.Close()
		return fmt.Errorf("shut down: requests were still being answered after %v: %w", drainTimeout, err)
	}
	log.Info().Msg("stopped")
	return nil
}
