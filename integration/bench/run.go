package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/hotpath"
	"github.com/watchword-dev/watchword/integration/bench/machine"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/integration/bench/server"
)

// run measures part after part. The page is written after each, so that an interruption costs no more than the one that was running.
func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	var mysql server.Server
	defer func() { err = errors.Join(err, mysql.Close()) }()
	began := time.Now()
	progress := func(part string) func(string, ...any) {
		return func(format string, args ...any) {
			fmt.Fprintf(os.Stderr, "%6.0f s  %s: %s\n", time.Since(began).Seconds(), part, fmt.Sprintf(format, args...))
		}
	}
	environment := func(part string) *env.Env {
		return &env.Env{Schema: mysql.Schema, Short: o.short, Progress: progress(part), AllocsPerRun: testing.AllocsPerRun}
	}
	if o.profile != "" {
		return hotpath.Write(ctx, environment("profile"), o.profile)
	}

	book := &report.Book{}
	if o.out != "" {
		if book, err = report.Load(o.out); err != nil {
			return err
		}
	}
	var names []string
	for _, p := range parts() {
		names = append(names, p.Name)
	}
	var missed []error
	for _, p := range o.only {
		e := environment(p.Name)
		busy := 0.0
		if !o.short {
			if busy = machine.Busy(ctx, 2*time.Second); busy > 0.1 {
				e.Progress("others use %.0f %% of the processors: the figures will show it", 100*busy)
			}
		}
		e.Progress("begins")
		section, err := p.Run(ctx, e)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		e.Progress("ends")
		show(section)
		for _, b := range section.Missed() {
			missed = append(missed, fmt.Errorf("%s: %s: got %s, want %s", p.Name, b.What, b.Got, b.Want))
		}
		versions := machine.Versions(p.Modules...)
		if version, err := mysql.Version(ctx); err != nil {
			return fmt.Errorf("ask for the server's version: %w", err)
		} else if version != "" {
			versions = append(versions, version)
		}
		book.Put(report.Chapter{Part: p.Name, Measured: time.Now().UTC().Truncate(time.Second), Machine: machine.Describe(), Versions: versions, Busy: busy, Section: section}, names)
		if o.out == "" {
			continue
		}
		if err := book.Save(o.out); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	}
	return errors.Join(missed...)
}

// show prints a part's budgets at once.
func show(s report.Section) {
	for _, b := range s.Budgets {
		met := "met"
		if !b.Met {
			met = "NOT MET"
		}
		fmt.Printf("%-8s %s: %s, wanted %s\n", met, b.What, b.Got, b.Want)
	}
}
