package sessionsim

import (
	"encoding/base64"
	"strings"
	"time"
)

// Strategy is what a thief does with a stolen refresh token.
type Strategy string

// The strategies.
const (
	// NoThief leaves the client alone.
	NoThief Strategy = ""
	// ActAsClient behaves as the owner does, with a jar of its own.
	ActAsClient Strategy = "act as a client"
	// RefreshRarely refreshes every one to four access lifetimes.
	RefreshRarely Strategy = "refresh rarely"
	// Poll refreshes every 8 s with the newest token that it was given.
	Poll Strategy = "poll"
	// StayAhead refreshes and confirms as soon as the server gives out a new token.
	StayAhead Strategy = "stay one ahead"
	// Shadow refreshes every 8 s, but always with the token that the owner still has: it reads in its access token
	// whether the new one is confirmed, and moves on only when the owner has.
	Shadow Strategy = "shadow"
)

// pollEvery is how often thieves poll: a little less than the default grace, in which crossing tokens are honoured.
const pollEvery = 8 * time.Second

// steal copies the owner's jar and starts the thief.
func (s *simulation) steal() {
	if s.over {
		return
	}
	s.stolenAt = s.now
	s.thief = &client{sim: s, name: "thief", link: link{responseLoss: s.ThiefLoss}}
	s.thief.jar.refresh = s.owner.jar.refresh
	if s.ThiefAccess {
		s.thief.jar = s.owner.jar
	}
	s.tracef("thief: steals %s and will %s", s.thief.token(), s.Thief)
	switch s.Thief {
	case ActAsClient:
		s.thief.live()
	case RefreshRarely:
		s.thief.every(func() time.Duration { return s.between(s.AccessLifetime, 4*s.AccessLifetime) }, func() {
			s.thief.refresh(func() { s.thief.call(s.thief.sendCall, 0) })
		})
	case Poll:
		s.thief.every(func() time.Duration { return pollEvery }, func() { s.thief.refresh(func() {}) })
	case StayAhead:
		s.thief.every(func() time.Duration { return s.between(s.Latency, 2*s.Latency) }, func() {
			s.thief.refresh(func() { s.thief.call(s.thief.sendCall, maxRounds) })
		})
	case Shadow:
		s.thief.every(func() time.Duration { return pollEvery }, s.thief.shadow)
	case NoThief:
	}
}

func (c *client) every(period func() time.Duration, do func()) {
	if c.sim.over {
		return
	}
	do()
	c.sim.after(period(), func() { c.every(period, do) })
}

// shadow asks for a new pair and keeps only what the owner has confirmed.
func (c *client) shadow() {
	c.sendRefresh(func(r response) {
		if r.answer == answerOK && unconfirmed(r.access) {
			return
		}
		c.receive(r)
	})
}

// unconfirmed reads an access token as anybody can who holds it.
func unconfirmed(access string) bool {
	_, rest, _ := strings.Cut(access, ".")
	body, _, _ := strings.Cut(rest, ".")
	claims, err := base64.RawURLEncoding.DecodeString(body)
	return err == nil && strings.Contains(string(claims), `"unc":true`)
}
