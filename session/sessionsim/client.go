package sessionsim

import "time"

// jar is a browser's cookie jar: what arrives last stays.
type jar struct {
	access  string
	expires time.Duration
	refresh string

	session *tracked
	minted  time.Time // the store's clock before the access token was
	login   bool      // it is of a login
}

// client is one cookie jar and the tabs that share it, none of which knows of the others.
type client struct {
	sim  *simulation
	name string
	user string
	jar  jar
	link link

	refreshing int  // refreshes that wait for an answer
	signingIn  bool // a login waits for one
}

// receive puts a response's cookies into the jar.
func (c *client) receive(r response) {
	if r.access != "" {
		c.jar.access, c.jar.expires = r.access, r.expires
		c.jar.session, c.jar.minted, c.jar.login = r.session, r.minted, r.login
	}
	if r.refresh != "" {
		c.jar.refresh = r.refresh
	}
	if r.access != "" || r.refresh != "" {
		c.sim.tracef("%s: cookies arrive, the jar holds %s", c.name, c.token())
	}
	if r.answer == answerLoggedOut && c.sim.Returns {
		c.jar = jar{}
	}
}

// token is the trace's name for the jar's refresh token.
func (c *client) token() string { return c.sim.label(c.jar.refresh) }

// live makes the client act until the steps of the run are done: mostly one tab, now and then all tabs at once, as when
// a browser wakes up, and each with several requests now and then.
func (c *client) live() {
	s := c.sim
	if s.over || s.stepsLeft <= 0 {
		return
	}
	tabs := 1
	if s.chance(s.Surge) {
		tabs = s.Tabs
	}
	for range tabs {
		n := 1
		if s.chance(0.15) {
			n = 2 + s.rng.IntN(3)
		}
		at := s.between(0, s.Latency)
		for range n {
			s.stepsLeft--
			s.report.Steps++
			s.after(at, c.visit)
		}
	}
	gap := time.Duration(s.rng.ExpFloat64() * float64(s.ActionGap))
	if s.chance(s.Pause) {
		gap = s.between(0, s.IdleLifetime*11/10)
	}
	s.after(min(gap, s.IdleLifetime*2), c.live)
}

// visit is one action of a tab.
func (c *client) visit() {
	s := c.sim
	if c.jar.refresh == "" || s.chance(s.SignIn) {
		c.signIn(func() { c.call(c.sendCall, 0) })
		return
	}
	if s.chance(s.StepUp) {
		c.call(c.sendStepUp, 0)
		return
	}
	if s.KnowsExpiry && s.now >= c.jar.expires || s.chance(s.Proactive) {
		c.refresh(func() { c.call(c.sendCall, 0) })
		return
	}
	c.call(c.sendCall, 0)
}

// maxRounds bounds how often a tab refreshes for one action.
const maxRounds = 3

// call sends an API request, and refreshes when it is told to.
func (c *client) call(send func(arrived func(response)), round int) {
	// One retry at most: what matters is the refreshes.
	c.ask(send, max(0, c.sim.Retries-1), func(r response) {
		if r.answer == answerTryRefresh && round < maxRounds {
			c.refresh(func() { c.call(send, round+1) })
		}
	}, func() {})
}

// refresh asks for a new pair and goes on with then if there is one.
func (c *client) refresh(then func()) {
	if c.jar.refresh == "" || c.sim.OneRefresh && c.refreshing >= c.sim.Tabs {
		return // there is nothing to refresh with, or each tab has one under way already
	}
	c.refreshing++
	c.ask(c.sendRefresh, 0, func(r response) {
		c.refreshing--
		if r.answer == answerOK {
			then()
		}
	}, func() { c.refreshing-- })
}

// ask sends a request, again and again until there is an answer, which goes to then, or the patience is at an end. A
// response that comes after its attempt was given up may still set cookies.
func (c *client) ask(send func(arrived func(response)), attempt int, then func(response), giveUp func()) {
	s := c.sim
	if s.over {
		return
	}
	waiting := true
	again := func() {
		waiting = false
		if attempt >= s.Retries {
			giveUp()
			return
		}
		delay := s.between(s.RetryMin, s.RetryMax)
		if s.BackOff {
			delay <<= min(attempt, 6)
		}
		s.after(delay, func() { c.ask(send, attempt+1, then, giveUp) })
	}
	send(func(r response) {
		switch {
		case s.over || !waiting && s.DropLate:
		case !waiting:
			c.receive(r)
		case r.answer == answerUnavailable:
			again()
		default:
			waiting = false
			c.receive(r)
			then(r)
		}
	})
	s.after(s.Timeout, func() {
		if waiting && !s.over {
			again()
		}
	})
}
