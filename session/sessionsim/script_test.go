package sessionsim

import (
	"context"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// script is a simulation without chance: a test says what happens when.
type script struct {
	*testing.T
	*simulation
	manager *session.Manager
	first   string // the login's refresh token
}

func newScript(t *testing.T) *script {
	t.Helper()
	s, err := Scenario{
		Seed: 1, Processes: 2, Grace: session.DefaultGrace,
		AccessLifetime: time.Minute, IdleLifetime: time.Hour, AbsoluteLifetime: 24 * time.Hour,
	}.begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.processes {
		t.Cleanup(p.stop)
	}
	return &script{t, s, s.processes[0].manager, s.owner.jar.refresh}
}

// at moves the clock.
func (s *script) at(moment time.Duration) { s.now = moment }

// refresh returns what the client holds after a refresh whose response arrives.
func (s *script) refresh(token string) string {
	s.Helper()
	_, tokens, err := s.manager.Refresh(context.Background(), token, session.RefreshOptions{})
	if err != nil {
		s.Fatalf("refresh at %v: %v", s.now, err)
	}
	return kept(token, tokens)
}

func kept(presented string, tokens session.Tokens) string {
	if tokens.RefreshToken == "" {
		return presented
	}
	return tokens.RefreshToken
}

// A client asks again and again, and no answer arrives, until the successor is five graces old. One answer more hands it
// out and is under way when another tab's request meets the end of the fifth grace: its answer is lost, the first
// arrives.
func TestI1SuccessorIsNotReplacedWhileItIsUnderWay(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	minted := 11 * time.Second
	for age := time.Duration(0); age < 5*s.Grace; age += 9 * time.Second {
		s.at(minted + age)
		s.refresh(s.first) // lost
	}
	s.at(minted + 5*s.Grace - 100*time.Millisecond)
	arrives := s.refresh(s.first)
	s.at(minted + 5*s.Grace + 100*time.Millisecond)
	s.refresh(s.first) // lost
	s.at(minted + 5*s.Grace + time.Second)
	s.refresh(arrives)
}

// One refresh reads the row just before the successor may be replaced, and hands it out a moment later; another one
// reads it in between, and would replace the successor.
func TestI1SuccessorIsNotReplacedByARefreshThatCrosses(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.at(11 * time.Second)
	s.refresh(s.first) // lost
	begin := func(p *process, arrives *string) *task {
		return p.begin(0, func() {
			_, tokens, err := p.manager.Refresh(context.Background(), s.first, session.RefreshOptions{})
			if err != nil {
				s.Errorf("refresh at %v: %v", s.now, err)
			}
			*arrives = kept(s.first, tokens)
		})
	}
	var early, late string
	handsOut, replaces := begin(s.processes[0], &early), begin(s.processes[1], &late)

	s.at(11*time.Second + s.Grace - 100*time.Millisecond)
	s.step(handsOut)
	s.step(handsOut) // it has read the row
	s.at(11*time.Second + s.Grace + 100*time.Millisecond)
	s.step(replaces)
	s.step(replaces) // so has this one
	for s.step(handsOut) {
	}
	for s.step(replaces) {
	}
	s.at(s.now + time.Second)
	s.refresh(early) // the other answer is lost
}
