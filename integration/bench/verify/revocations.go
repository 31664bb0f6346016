package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// revocations measures how much the length of the list of what was revoked matters.
func revocations(ctx context.Context, e *env.Env, n size, s *report.Section) error {
	e.Progress("with nothing revoked, and with %d sessions", n.revoked)
	i, err := newIssuer(session.HS256, session.Config{})
	if err != nil {
		return err
	}
	tokens, err := i.tokens(ctx, 1_000)
	if err != nil {
		return err
	}
	var contenders []measure.Contender
	for _, revoked := range []int{0, n.revoked} {
		manager, stop, err := i.afterRevoking(ctx, revoked)
		if err != nil {
			return err
		}
		defer stop()
		verify := with(ctx, manager)
		contenders = append(contenders, measure.Contender{
			Name: fmt.Sprintf("%d revoked", revoked),
			Run:  passes{tokens: tokens, fresh: func(context.Context) (func(string) error, error) { return verify, nil }, times: 20}.run,
		})
	}
	results, err := measure.ByTurns(ctx, n.rounds, n.each, contenders...)
	if err != nil {
		return err
	}
	s.Tables = append(s.Tables, report.Table{
		Caption: "The same tokens again, a thousand of them, by the list of what was revoked",
		Header:  []string{"Revoked sessions", "time against an empty list", "time"},
		Rows: [][]string{
			{"0", "1 ×", report.Duration(results[0].PerOp())},
			{report.Number(float64(n.revoked)), report.Times(measure.Ratio(results[0], results[1])), report.Duration(results[1].PerOp())},
		},
	})
	return nil
}

// afterRevoking makes a Manager which knows that n sessions were revoked: the last of their tokens is refused.
func (i *issuer) afterRevoking(ctx context.Context, n int) (_ *session.Manager, stop func(), err error) {
	manager, err := session.New(ctx, memstore.New(nil), i.cfg)
	if err != nil {
		return nil, nil, err
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		manager.Run(running)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	last := ""
	for at := range n {
		s, tokens, err := manager.Create(ctx, fmt.Sprintf("revoked-%d", at), session.CreateOptions{})
		if err == nil {
			_, err = manager.Revoke(ctx, s.Handle(), session.RevokeOptions{})
		}
		if err != nil {
			return nil, nil, err
		}
		last = tokens.AccessToken
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		if _, err := manager.Verify(ctx, last, session.VerifyOptions{}); err != nil {
			return manager, stop, nil
		}
		if time.Now().After(deadline) {
			return nil, nil, errors.New("a token still passes 30 s after its session was revoked")
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
