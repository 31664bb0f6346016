package model

import (
	"math"
	"testing"
)

func TestFirstSightsByHand(t *testing.T) {
	t.Parallel()
	d := round()
	// 20 requests a visit, and a refresh for each: 2 tokens, of which the other 19 requests bring the second to 10 × (1 - 0.9^19) processes.
	d.AccessLifetime = d.VisitLength
	refreshes := perDay(d.Sessions()*d.Active) * d.refreshesPerDay() * d.Peak
	requests := d.RequestRate() * d.Peak
	want := refreshes * (1 + 10*(1-math.Pow(0.9, requests/refreshes-1))) / 10
	if got := d.Process(); !near(got.FirstSights, want, 1e-9) || !near(got.Remembered, want*60, 1e-9) {
		t.Errorf("got %+v, want %g first sights a second, and those of a minute remembered", got, want)
	}
}

func TestRoomForTokens(t *testing.T) {
	t.Parallel()
	d := round()
	d.Processes = 1
	p := Process{Requests: 100, FirstSights: 20}
	if sights, held := d.withRoomFor(1e9, p); sights != 20 || held != 20*d.AccessLifetime.Seconds() {
		t.Errorf("with much room: got %g first sights a second and %g tokens, want 20, and those that live", sights, held)
	}
	const room = 10
	sights, held := d.withRoomFor(room, p)
	wait := 60.0 * 2 / 40 // seconds between two requests of a visit
	if want := 20 + 80*math.Exp(-room/sights/wait); !near(sights, want, 1e-6) || held != room {
		t.Errorf("with room for %d tokens: got %g first sights a second and %g tokens; of the 80 others %g come too late", room, sights, held, want-20)
	}
}
