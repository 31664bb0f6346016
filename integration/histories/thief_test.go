package histories_test

import (
	"context"
	"time"
)

// steal copies the jar at some moment, and then acts as a client with a jar of its own.
func (b *browser) steal(ctx context.Context, c *client, own *jar) {
	grace := b.world.settings.Grace
	if !pause(ctx, c.between(grace/4, 2*grace)) {
		return
	}
	own.set(b.jar.tokens())
	for pause(ctx, c.between(grace/8, 2*grace)) {
		if c.rng.IntN(5) < 2 { // with an access token that may be old by now
			b.verify(c, own)
		} else if p, ok := b.refresh(c, own); ok && p.Class == done && c.rng.IntN(3) == 0 {
			b.verify(c, own)
		}
		if b.hasEnded() {
			return
		}
	}
}

// showdown has both go on for long enough: the owner until it has confirmed a token that the thief does not have, and the thief, a
// grace later, once more.
func (b *browser) showdown(owner, thief *client, own *jar) {
	grace := b.world.settings.Grace
	if token, _ := own.tokens(); token == "" {
		own.set(b.jar.tokens()) // he comes late
	}
	owner.sure, thief.sure = true, true
	ctx, cancel := context.WithTimeout(b.world.all, 20*time.Second)
	defer cancel()
	for !b.hasEnded() {
		if p, ok := b.refresh(owner, b.jar); ok && p.Class == done {
			used, ok := b.verify(owner, b.jar)
			stolen, _ := own.tokens()
			held, _ := b.jar.tokens()
			if ok && used.Class == done && used.Renewed && held != stolen {
				break
			}
		}
		if !pause(ctx, grace/4) {
			return
		}
	}
	if !pause(ctx, grace+50*time.Millisecond) {
		return
	}
	for !b.hasEnded() {
		if _, ok := b.refresh(thief, own); ok {
			b.record.tried = true
			return
		}
		if !pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}
