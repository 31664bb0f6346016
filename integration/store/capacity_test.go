package store_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/model"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// wire reads how many bytes the server has got and sent on the pool's one connection.
func wire(t *testing.T, store *mysql.Store) (got, sent int) {
	t.Helper()
	rows, err := store.DB().QueryContext(t.Context(), "SHOW SESSION STATUS WHERE Variable_name IN ('Bytes_received', 'Bytes_sent')")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var (
			name string
			n    int
		)
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		if name == "Bytes_received" {
			got = n
		} else {
			sent = n
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return got, sent
}

// modelled lives through everything that the capacity model has a price for.
type modelled struct {
	t       *testing.T
	store   *mysql.Store
	clock   time.Time // the server's, which stands still
	device  session.Device
	options session.CreateOptions
	fed     *session.Manager
	off     *session.Manager
	strict  *session.Manager
	limited *session.Manager

	s     *session.Session
	token session.Tokens
}

func (m *modelled) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *modelled) turn(d time.Duration) {
	m.t.Helper()
	m.clock = m.clock.Add(d)
	mustExec(m.t, m.store.DB(), fmt.Sprintf("SET timestamp = %.6f", float64(m.clock.UnixMicro())/1e6))
}

func (m *modelled) manager(cfg session.Config) *session.Manager {
	m.t.Helper()
	began := time.Now()
	cfg.Clock = func() time.Time { return began }
	made, err := session.New(m.t.Context(), m.store, cfg)
	m.must(err)
	return made
}

const modelledUser = "user-00000001"

func newModelled(t *testing.T) *modelled {
	t.Helper()
	m := &modelled{t: t, store: open(t, "", oneConnection), clock: time.Now()}
	m.turn(0)
	m.device = session.Device{UserAgent: strings.Repeat("u", 110), Address: "203.0.113.117"}
	m.options = session.CreateOptions{
		Payload: json.RawMessage(`{"role":"editor","org":"5f0c3a7e","plan":"team","beta":true}`), Device: m.device,
		Data: json.RawMessage(`{"cart":["sku-40912","sku-11875"],"locale":"en-GB","note":"` + strings.Repeat("n", 140) + `"}`),
	}
	m.fed = m.manager(session.Config{Revocation: session.RevocationFeed})
	m.off = m.manager(session.Config{Revocation: session.RevocationOff})
	m.strict = m.manager(session.Config{Revocation: session.RevocationStrict})
	m.limited = m.manager(session.Config{Revocation: session.RevocationOff, MaxSessions: 5})
	return m
}

func (m *modelled) login(with *session.Manager) {
	m.t.Helper()
	var err error
	m.s, m.token, err = with.Create(m.t.Context(), modelledUser, m.options)
	m.must(err)
}

func (m *modelled) refresh() {
	m.t.Helper()
	_, tokens, err := m.off.Refresh(m.t.Context(), m.token.RefreshToken, session.RefreshOptions{Device: m.device})
	m.must(err)
	if tokens.RefreshToken == "" {
		tokens.RefreshToken = m.token.RefreshToken
	}
	m.token = tokens
}

func (m *modelled) verify(with *session.Manager) {
	m.t.Helper()
	s, err := with.Verify(m.t.Context(), m.token.AccessToken, session.VerifyOptions{})
	m.must(err)
	if renewed, ok := s.Renewed(); ok {
		m.token.AccessToken = renewed.AccessToken
	}
}

// step is an operation of the model, and what does it.
type step struct {
	operation model.Operation
	before    func()
	do        func()
}

// steps are to be done in this order. Where an operation's price depends on how many sessions a user has, there is one.
func (m *modelled) steps() []step {
	ctx := m.t.Context()
	revoked := func(with *session.Manager) func() {
		return func() {
			n, err := with.RevokeUser(ctx, modelledUser, session.RevokeOptions{})
			m.must(err)
			if n != 1 {
				m.t.Errorf("revoke user: got %d sessions, want 1", n)
			}
		}
	}
	confirmed := func() { // a session that has been refreshed, and used since, long ago
		m.login(m.fed)
		m.turn(time.Minute)
		m.refresh()
		m.verify(m.fed)
		m.turn(time.Minute)
	}
	return []step{
		{model.Create, nil, func() { m.login(m.fed) }},
		{model.RefreshCrossed, nil, m.refresh},
		{model.RevokeUser, nil, revoked(m.fed)},
		{model.Refresh, confirmed, m.refresh},
		{model.FirstUse, nil, func() { m.verify(m.off) }},
		{model.VerifyStrict, nil, func() { m.verify(m.strict) }},
		{model.List, nil, func() { _, err := m.fed.Sessions(ctx, modelledUser, session.Page{}); m.must(err) }},
		{model.ReadData, nil, func() { _, err := m.fed.Data(ctx, m.s.Handle()); m.must(err) }},
		{model.WriteData, nil, func() { _, err := m.fed.SetData(ctx, m.s.Handle(), m.options.Data); m.must(err) }},
		{model.RevokeUserUnfed, nil, revoked(m.off)},
		{model.CreateLimited, nil, func() { m.login(m.limited) }},
		{model.Revoke, nil, func() { _, err := m.fed.Revoke(ctx, m.s.Handle(), session.RevokeOptions{}); m.must(err) }},
		{model.ReadFeed, nil, func() { _, _, err := m.store.Revocations(ctx, m.clock.Add(time.Second), 5000); m.must(err) }},
		{model.ReadKeys, nil, func() { _, _, err := m.store.Keys(ctx); m.must(err) }},
		{model.CleanNothing, nil, func() { _, err := m.off.Cleanup(ctx); m.must(err) }},
		{model.CleanExpired, func() {
			for range batchOfModel {
				m.login(m.off)
			}
			m.turn(2 * session.DefaultIdleLifetime)
		}, func() {
			ended, err := m.store.EndExpired(ctx, session.Handle{}, session.DefaultAbsoluteLifetime, 1, 100)
			m.must(err)
			if len(ended) != batchOfModel {
				m.t.Errorf("end expired: got %d sessions, want %d", len(ended), batchOfModel)
			}
		}},
		{model.CleanEnded, func() { m.turn(2 * session.DefaultEndingRetention) }, func() {
			_, err := m.store.Purge(ctx, session.DefaultEndingRetention, time.Hour, 100)
			m.must(err)
		}},
	}
}

const batchOfModel = 50

// TestCapacityModelsStatements: the table of integration/capacity/model has every statement that an operation sends, and about as many bytes.
func TestCapacityModelsStatements(t *testing.T) {
	t.Parallel()
	m := newModelled(t)
	d := model.Default()
	d.SessionsPerUser, d.CleanupBatch = 1, batchOfModel
	d.UserID, d.Device, d.Payload, d.Data = len(modelledUser), len(m.device.UserAgent+m.device.Address), 60, len(m.options.Data.(json.RawMessage))
	d.Users, d.Logins, d.Logouts = 1, 0, 0 // a feed without entries
	m.must(m.store.DB().QueryRowContext(t.Context(), "SELECT LENGTH(DATABASE())").Scan(&d.Schema))
	// What it takes to count, without anything between.
	measured := func(f func()) (counts map[string]int, up, down int) {
		got, sent := wire(t, m.store)
		counts = cost(t, m.store, f)
		gotNow, sentNow := wire(t, m.store)
		return counts, gotNow - got, sentNow - sent
	}
	_, ownUp, ownDown := measured(func() {})
	done := map[string]bool{}
	for _, s := range m.steps() {
		if s.before != nil {
			s.before()
		}
		counts, up, down := measured(s.do)
		up, down = up-ownUp, down-ownDown
		done[s.operation.Name] = true
		for _, v := range []model.Verb{model.Select, model.Insert, model.Update, model.Delete} {
			if got, want := s.operation.Count(v), counts["Com_"+string(v)]; got != want {
				t.Errorf("%s: the model has %d × %s, the server counted %d", s.operation.Name, got, v, want)
			}
		}
		if got, want := len(s.operation.Statements), counts["Questions"]; got != want {
			t.Errorf("%s: the model has %d statements, the server counted %d", s.operation.Name, got, want)
		}
		toModel, fromModel := d.Wire(s.operation)
		t.Logf("%-45s %6d and %6d bytes; by the model %6.0f and %6.0f", s.operation.Name, up, down, toModel, fromModel)
		for _, way := range []struct {
			name string
			got  float64
			want int
		}{{"to the server", toModel, up}, {"from it", fromModel, down}} {
			if math.Abs(way.got-float64(way.want)) > 0.15*float64(way.want)+30 {
				t.Errorf("%s: the model has %.0f bytes %s, the server counted %d", s.operation.Name, way.got, way.name, way.want)
			}
		}
	}
	for _, o := range model.All() {
		if !done[o.Name] {
			t.Errorf("%s was not done", o.Name)
		}
	}
}
