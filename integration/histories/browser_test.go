package histories_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// jar holds a client's tokens, as cookies: whichever answer comes last is kept.
type jar struct {
	mu      sync.Mutex
	refresh string
	access  string
}

func (j *jar) tokens() (refresh, access string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refresh, j.access
}

// set takes what an answer brings; what is empty stays.
func (j *jar) set(refresh, access string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if refresh != "" {
		j.refresh = refresh
	}
	if access != "" {
		j.access = access
	}
}

// browser is one session with its jar, its tabs, and perhaps a thief.
type browser struct {
	world  *world
	record *record
	jar    *jar
	user   string

	mu   sync.Mutex
	over bool // somebody was told that the session has ended
}

func (b *browser) noteEnd(p reply) {
	if p.Class == ended || p.Class == theft {
		b.mu.Lock()
		b.over = true
		b.mu.Unlock()
	}
}

func (b *browser) hasEnded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over
}

// crew is some clients who use one session after the other, together.
func (w *world) crew(first, tabs int, family string) {
	for round := uint64(0); w.load.Err() == nil; round++ {
		lead := w.client(first, round)
		user, owners := fmt.Sprintf("%s-%d", family, w.history.now()/int64(8*time.Second)), tabs
		if tabs > 1 && lead.rng.IntN(3) == 0 {
			user, owners = fmt.Sprintf("victim-%d-%d", first, round), tabs-1 // nobody else revokes it
		}
		b := lead.begin(user)
		if b == nil {
			continue
		}
		if owners == tabs {
			b.live(lead, first, tabs, round)
		} else {
			b.beStolen(lead, first, owners, round)
		}
		w.unwatch(b.record)
	}
}

// haveCrews has so many clients live their lives, until no new sessions are wanted.
func (w *world) haveCrews(clients int) {
	var crews sync.WaitGroup
	sizes := []int{1, 3, 2, 5, 4}
	hired := 0
	for i := 0; hired < clients; i++ {
		first, tabs := hired, min(sizes[i%len(sizes)], clients-hired)
		crews.Go(func() { w.crew(first, tabs, fmt.Sprintf("user-%d", i/2)) })
		hired += tabs
	}
	crews.Wait()
}

// begin creates a session. Nil: it was not answered, so that nobody has its tokens.
func (c *client) begin(user string) *browser {
	w := c.world
	b := &browser{world: w, user: user}
	value := int(w.value.Add(1))
	o := &operation{Value: value}
	p, _ := c.ask(inquiry{Kind: create, User: user, Value: value}, o, func(o *operation, p reply) {
		if o.Class != done {
			return
		}
		b.record = w.history.newRecord(p.Handle, user)
		o.Next = b.record.token(p.Refresh)
		b.record.add(o)
	})
	if b.record == nil {
		return nil
	}
	// That of a creation is an answer that nobody loses, or there would be no session to follow.
	b.jar = &jar{refresh: p.Refresh, access: p.Access}
	w.watch(b.record)
	w.mu.Lock()
	w.browsers = append(w.browsers, b)
	w.mu.Unlock()
	return b
}

// live has the tabs go on until the session is to end, and ends it, mostly.
func (b *browser) live(lead *client, first, tabs int, round uint64) {
	w := b.world
	grace := w.settings.Grace
	ctx, cancel := context.WithTimeout(w.all, lead.between(grace, 5*grace))
	defer cancel()
	stop := context.AfterFunc(w.load, func() {
		pause(w.all, grace) // those that have just begun are to be worth something
		cancel()
	})
	defer stop()
	finish := b.open(first, tabs, round)
	defer finish()
	for !b.hasEnded() && pause(ctx, 50*time.Millisecond) {
		continue
	}
	switch ending := lead.rng.IntN(10); {
	case ending < 5:
		b.revoke(lead)
	case ending < 7:
		b.revokeUser(lead)
	}
	pause(w.all, lead.between(0, time.Second)) // the tabs go on for a little, to be refused
}

// beStolen has the tabs go on, and a thief beside them, until he is caught.
func (b *browser) beStolen(lead *client, first, tabs int, round uint64) {
	w := b.world
	grace := w.settings.Grace
	ctx, cancel := context.WithTimeout(w.all, lead.between(3*grace, 6*grace))
	defer cancel()
	b.record.thief = true
	thief, own := w.client(first+tabs, round), &jar{}
	thief.thief = true
	finish := b.open(first, tabs, round)
	b.steal(ctx, thief, own)
	if b.hasEnded() {
		pause(w.all, lead.between(0, time.Second))
	}
	finish()
	if !b.hasEnded() {
		b.showdown(lead, thief, own)
	}
}

// open opens the tabs. What it returns closes them.
func (b *browser) open(first, tabs int, round uint64) (finish func()) {
	ctx, cancel := context.WithCancel(b.world.all)
	var opened sync.WaitGroup
	for i := range tabs {
		tab := b.world.client(first+i, round<<8|1)
		opened.Go(func() { b.tab(ctx, tab) })
	}
	return func() {
		cancel()
		opened.Wait()
	}
}

// revoke ends the session, and repeats what got no answer.
func (b *browser) revoke(c *client) {
	for range 5 {
		o := &operation{Reason: string(session.ReasonRevoked)}
		if _, ok := c.ask(inquiry{Kind: revoke, Handle: b.record.Handle, Reason: session.ReasonRevoked}, o, b.note); ok {
			return
		}
	}
}

// revokeUser ends all sessions of the user: those of another crew, too.
func (b *browser) revokeUser(c *client) {
	for range 5 {
		o := &operation{Reason: string(session.ReasonPasswordChange)}
		_, ok := c.ask(inquiry{Kind: revokeUser, User: b.user, Reason: session.ReasonPasswordChange}, o, func(o *operation, _ reply) {
			b.world.history.addUserRevocation(b.user, o)
		})
		if ok {
			return
		}
	}
}

func (b *browser) note(o *operation, p reply) {
	b.record.add(o)
	b.noteEnd(p)
}

// tab uses the session in all ways but ending it.
func (b *browser) tab(ctx context.Context, c *client) {
	var known session.Version
	var kept jar // some hold on to an access token for longer than to the jar
	for c.think(ctx) {
		switch n := c.rng.IntN(100); {
		case n < 24:
			if p, ok := b.refresh(c, b.jar); ok && p.Refresh != "" && c.rng.IntN(3) > 0 {
				kept.set("", p.Access) // not confirmed yet
			}
		case n < 32 && kept.access != "":
			b.verify(c, &kept)
		case n < 60:
			if p, ok := b.verify(c, b.jar); ok && p.Class == tryRefresh {
				b.refresh(c, b.jar)
			}
		case n < 72:
			o := &operation{}
			if p, ok := c.ask(inquiry{Kind: readData, Handle: b.record.Handle}, o, b.note); ok && p.Class == done {
				known = p.Version
			}
		case n < 90 && known != 0:
			o := &operation{Old: uint64(known), Value: int(b.world.value.Add(1))}
			p, ok := c.ask(inquiry{Kind: updateData, Handle: b.record.Handle, Version: known, Value: o.Value}, o, b.note)
			switch {
			case ok && p.Class == done:
				known = p.Version
			case ok && p.Class == conflict:
				known = 0
			}
		case n < 90:
			o := &operation{}
			if p, ok := c.ask(inquiry{Kind: readData, Handle: b.record.Handle}, o, b.note); ok && p.Class == done {
				known = p.Version
			}
		default:
			o := &operation{Value: int(b.world.value.Add(1))}
			if p, ok := c.ask(inquiry{Kind: setData, Handle: b.record.Handle, Value: o.Value}, o, b.note); ok && p.Class == done {
				known = p.Version
			}
		}
	}
}

// refresh exchanges the jar's refresh token.
func (b *browser) refresh(c *client, j *jar) (reply, bool) {
	token, _ := j.tokens()
	o := &operation{Token: b.record.token(token)}
	p, ok := c.ask(inquiry{Kind: refresh, Refresh: token}, o, func(o *operation, p reply) {
		if o.Next = b.record.token(p.Refresh); o.Next == noMark {
			o.Next = o.Token
		}
		b.note(o, p)
	})
	if ok && p.Class == done {
		j.set(p.Refresh, p.Access)
	}
	return p, ok
}

// verify uses the jar's access token.
func (b *browser) verify(c *client, j *jar) (reply, bool) {
	_, access := j.tokens()
	o := &operation{}
	o.Token, o.Unconfirmed = b.record.access(access)
	p, ok := c.ask(inquiry{Kind: verify, Access: access}, o, b.note)
	if ok && p.Class == done && p.Renewed {
		j.set("", p.Access)
	}
	return p, ok
}
