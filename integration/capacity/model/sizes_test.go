package model

import "testing"

func TestRowByHand(t *testing.T) {
	t.Parallel()
	d := Default()
	d.UserID, d.Device, d.Label, d.Payload, d.Data = 13, 123, 0, 60, 200
	// Header 5, null bits 2, transaction and undo 13; 96 of fixed columns; 14, 123 + 2, 1, 61, 202.
	want := 5.0 + 2 + 13 + 96 + 14 + 125 + 1 + 61 + 202
	if got, outside := d.rowBytes(Row{}, true); got != want || outside != 0 {
		t.Errorf("a new session's row: got %g bytes and %g elsewhere, want %g and none", got, outside, want)
	}
	if got, _ := d.rowBytes(Row{Refreshed: 1, Offered: 1}, true); got != want+40+48 {
		t.Errorf("with a previous and a pending mark: got %g bytes, want %g", got, want+88)
	}
	if got, _ := d.rowBytes(Row{Refreshed: 1}, false); got != want-61-202+40+23 {
		t.Errorf("an ended session's row: got %g bytes, want %g", got, want-200)
	}
	d.Data = 20_000
	if got, outside := d.rowBytes(Row{}, true); got != want-202+20 || outside != 2*pageSize {
		t.Errorf("with data of 20,000 bytes: got %g bytes and %g elsewhere, want %g and two pages", got, outside, want-182)
	}
}

// grown is what `make bench PARTS=growth` measures: sessions without payload and data, half of which have been refreshed, that were inserted as they are.
const grown = 531.0

func TestSizeAgainstTheGrowthBenchmark(t *testing.T) {
	t.Parallel()
	d := Default()
	d.UserID, d.Device, d.Label, d.Payload, d.Data = 13, 110+13, 0, 0, 0
	if got := d.Live(Row{Refreshed: 0.5, Offered: 0.5}).Total(); !near(got, grown, 0.15) {
		t.Errorf("a session takes %.0f bytes by the model, %g on disk: want at most 15 %% between them", got, grown)
	}
}
