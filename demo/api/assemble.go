package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/demo/api/internal/config"
	"github.com/watchword-dev/watchword/demo/api/internal/lab"
	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/demo/api/internal/metrics"
	"github.com/watchword-dev/watchword/demo/api/internal/server"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// demoLogin is the demo's own user. It is no secret.
var demoLogin = server.Login{UserID: "demo", Password: "watchword-demo-login"}

// demo is the whole program, put together.
type demo struct {
	server   *server.Server
	manager  *session.Manager
	attempts *limit.Attempts
	lab      *lab.Lab         // nil unless it is switched on
	metrics  *metrics.Metrics // likewise
	close    func() error
}

// assemble puts the parts together. Whatever needs the database has startTimeout for it.
func assemble(ctx context.Context, cfg config.Config, log zerolog.Logger) (d *demo, err error) {
	recorder := lab.NewRecorder(nil, cfg.Grace())
	cfg.Session.Logger = slog.New(zerolog.NewSlogHandler(log))
	cfg.Session.OnEvent = server.LogEvents(log)
	if cfg.Lab {
		cfg.Session.OnEvent = both(cfg.Session.OnEvent, recorder.Event)
	}
	_, wireErr := wire.New(cfg.Wire)
	if err := errors.Join(cfg.Session.Validate(), wireErr); err != nil {
		return nil, err // before anything is asked of the database
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	back, err := openBackend(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = back.close() // the first error is the one to tell
		}
	}()
	outage := lab.NewOutage(nil, back.line)
	if cfg.Lab {
		back.watch(recorder, outage)
	}
	d = &demo{attempts: limit.NewAttempts(back.attempts)}
	if err := d.manage(ctx, back, cfg); err != nil {
		return nil, err
	}
	if cfg.Lab {
		d.lab, err = lab.New(lab.Config{Recorder: recorder, Outage: outage, Manager: d.manager, Wire: cfg.Wire, Grace: cfg.Grace()})
		if err != nil {
			return nil, err
		}
	}
	accounts := users.New(back.directory, users.NewHasher(users.DefaultCost), cfg.OpenLogin)
	serverConfig := server.Config{
		Manager: d.manager, Wire: cfg.Wire, Users: accounts, Attempts: d.attempts, Log: log, Web: cfg.Web, Ping: back.ping,
		ProofAge: cfg.ProofAge, Lab: d.lab,
		Store: back.name, Grace: cfg.Grace(), Access: cfg.Access(), Theft: cfg.Session.Theft,
	}
	// A user whose password everybody knows has no place unless this is somebody's own machine.
	if !cfg.Loopback() {
		accounts.Refuse(demoLogin.Password)
	} else if err := accounts.Ensure(ctx, demoLogin.UserID, demoLogin.Password); err != nil {
		return nil, fmt.Errorf("make the demo user: %w", err)
	} else {
		serverConfig.Login = &demoLogin
	}
	if d.server, err = server.New(serverConfig); err != nil {
		return nil, err
	}
	d.close = func() error {
		err := d.server.Close()
		if d.metrics != nil {
			err = errors.Join(err, d.metrics.Close())
		}
		return errors.Join(err, back.close())
	}
	return d, nil
}

// manage makes the Manager, measured where somebody is to be shown that.
func (d *demo) manage(ctx context.Context, back backend, cfg config.Config) (err error) {
	if cfg.MetricsAddr == "" {
		d.manager, err = session.New(ctx, back.store, cfg.Session)
		return err
	}
	if d.metrics, err = metrics.New(back.name); err != nil {
		return err
	}
	d.manager, err = d.metrics.Manager(ctx, back.store, cfg.Session)
	return err
}

// both tells two of an event.
func both(one, two func(session.Event)) func(session.Event) {
	return func(e session.Event) {
		one(e)
		two(e)
	}
}

// start begins what goes on in the background until ctx is done, and returns what waits for its end.
func (d *demo) start(ctx context.Context) (wait func()) {
	var jobs sync.WaitGroup
	jobs.Go(func() { d.manager.Run(ctx) })
	jobs.Go(func() { d.attempts.Run(ctx) })
	return jobs.Wait
}

// hangUp ends what would keep the server from shutting down: answers that have no end.
func (d *demo) hangUp() {
	if d.lab != nil {
		d.lab.Close()
	}
}
