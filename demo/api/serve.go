package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/demo/api/internal/config"
	"github.com/watchword-dev/watchword/demo/api/internal/server"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// drainTimeout bounds what the end waits for requests that are being answered.
const drainTimeout = 10 * time.Second

// demoLogin is the demo's own user. It is no secret.
var demoLogin = server.Login{UserID: "demo", Password: "watchword-demo"}

// serve runs the demo until ctx is done, and leaves nothing behind.
func serve(ctx context.Context, cfg config.Config, stdout io.Writer, log zerolog.Logger) (err error) {
	// The address first: when it is taken, nothing else needs to happen.
	listener, err := listen(ctx, cfg.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server closes it as well

	back, handler, manager, err := assemble(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, back.close()) }()

	background, stop := context.WithCancel(ctx)
	var jobs sync.WaitGroup
	defer jobs.Wait()
	defer stop()
	jobs.Go(func() { manager.Run(background) })

	log.Info().Str("addr", listener.Addr().String()).Bool("mysql", cfg.MySQLDSN != "").Msg("listening")
	announce(stdout, cfg, listener.Addr())
	return serveHTTP(ctx, listener, handler, log)
}

// assemble puts the parts together. Whatever needs the database has startTimeout for it.
func assemble(ctx context.Context, cfg config.Config, log zerolog.Logger) (_ backend, _ http.Handler, _ *session.Manager, err error) {
	cfg.Session.OnEvent = server.LogEvents(log)
	cfg.Session.Logger = slog.New(zerolog.NewSlogHandler(log))
	_, wireErr := wire.New(cfg.Wire)
	if err := errors.Join(cfg.Session.Validate(), wireErr); err != nil {
		return backend{}, nil, nil, err // before anything is asked of the database
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	back, err := openBackend(ctx, cfg)
	if err != nil {
		return backend{}, nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = back.close() // the first error is the one to tell
		}
	}()
	manager, err := session.New(ctx, back.store, cfg.Session)
	if err != nil {
		return backend{}, nil, nil, err
	}
	accounts := users.New(back.directory, users.NewHasher(users.DefaultCost), cfg.OpenLogin)
	// A user whose password everybody knows has no place unless this is somebody's own machine.
	if !cfg.Loopback() {
		accounts.Refuse(demoLogin.Password)
	} else if err := accounts.Ensure(ctx, demoLogin.UserID, demoLogin.Password); err != nil {
		return backend{}, nil, nil, fmt.Errorf("make the demo user: %w", err)
	}
	serverConfig := server.Config{
		Manager: manager, Wire: cfg.Wire, Users: accounts, Log: log, Ping: back.ping,
		Grace: cfg.Grace(), Theft: cfg.Session.Theft, Drill: cfg.Loopback(),
	}
	if cfg.Loopback() {
		serverConfig.Login = &demoLogin
	}
	handler, err := server.New(serverConfig)
	if err != nil {
		return backend{}, nil, nil, err
	}
	return back, handler, manager, nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen on %s: another program does; stop it, or choose another address with WATCHWORD_ADDR", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on WATCHWORD_ADDR: %w", err)
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
	_, _ = io.WriteString(w, text)
}

// serveHTTP serves until ctx is done, and then lets requests that are being answered come to their end.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, log zerolog.Logger) error {
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10, // several cookies of one name, each up to 4 KiB, come through to be told apart
		ErrorLog:          stdlog.New(log, "", 0),
	}
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
