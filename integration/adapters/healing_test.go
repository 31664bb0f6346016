package adapters_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// healing is what becomes of browsers that hold cookies of earlier configurations.
var healing = cases{
	"by one refresh":                       func(t *testing.T, mount mounter) { eachLeftover(t, mount, pairs(), healByRefresh) },
	"by any request":                       func(t *testing.T, mount mounter) { eachLeftover(t, mount, pairs(), healByRequest) },
	"by a login":                           func(t *testing.T, mount mounter) { eachLeftover(t, mount, some, healByLogin) },
	"by a logout":                          func(t *testing.T, mount mounter) { eachLeftover(t, mount, some, healByLogout) },
	"by a proof":                           func(t *testing.T, mount mounter) { eachLeftover(t, mount, some, healByProof) },
	"by chance":                            healByChance,
	"a token that is kept, and its double": healKept,
	"an answer that comes late raises no alarm": lateAnswer,
	"an answer to a tab that knows no proof":    lateAnswerAfterProof,
	"a domain that is the host":                 domainIsHost,
	"an id cookie of nonsense":                  nonsenseID,
	"two users in one jar are one at a time":    twoUsers,
	"an outage heals nothing":                   outageHealsNothing,
	"no session stands in for another":          nextBest,
}

// moves are changes of a configuration. Of each the former cookies are shown to the present refresh endpoint.
var moves = map[string]struct{ former, present wire.Cookies }{
	"other names":        {former: wire.Cookies{AccessName: "at", RefreshName: "rt", IDName: "it"}},
	"from a domain":      {former: wire.Cookies{Domain: "example.test"}},
	"to a domain":        {present: wire.Cookies{Domain: "example.test"}},
	"from a wider path":  {former: wire.Cookies{Path: "/api", RefreshPath: "/"}},
	"from a longer path": {former: wire.Cookies{Path: "/api/session", RefreshPath: "/api/session"}},
	"to prefixes":        {former: wire.Cookies{Prefix: wire.PrefixNone}},
	"from prefixes":      {present: wire.Cookies{Prefix: wire.PrefixNone}},
	"to TLS":             {former: wire.Cookies{Insecure: true}},
	"everything at once": {
		former: wire.Cookies{AccessName: "at", RefreshName: "rt", IDName: "it", Domain: "example.test", Path: "/api", RefreshPath: "/api", Prefix: wire.PrefixNone, SameSite: 3},
	},
	"other names on a domain": {
		former:  wire.Cookies{AccessName: "a1", RefreshName: "r1", Domain: "example.test", Prefix: wire.PrefixNone},
		present: wire.Cookies{AccessName: "a2", RefreshName: "r2", Domain: "example.test", Prefix: wire.PrefixNone},
	},
}

// state is what is left of a session at a place.
type state string

const (
	absent  state = "absent"
	newest  state = "valid"
	older   state = "older"   // of the session whose newest tokens are at the other place
	another state = "another" // good, of a session of the same user that began earlier
	behind  state = "behind"  // of such a session, whose newest tokens are nowhere in the browser
	expired state = "expired"
	revoked state = "revoked" // of a session that began later than all of the others
	foreign state = "foreign" // of another deployment
)

// pairs are what may be left at the former and at the present places.
func pairs() [][2]state {
	all := [][2]state{
		{older, newest}, {newest, older}, {another, newest}, {newest, another}, {behind, newest}, {newest, behind},
		{revoked, newest}, {newest, revoked},
	}
	for _, former := range []state{absent, newest, expired, foreign} {
		for _, present := range []state{absent, newest, expired, foreign} {
			all = append(all, [2]state{former, present})
		}
	}
	return all
}

// some of them are enough for requests that do not choose between tokens.
var some = [][2]state{{newest, absent}, {older, newest}, {newest, older}, {expired, foreign}}

// leftover is a browser that holds cookies at former and at present places.
type leftover struct {
	*browser
	former, present wire.Cookies
	pair            [2]state
	tokens          map[state]session.Tokens
}

// good reports whether the browser holds good tokens anywhere.
func (l leftover) good() bool { return slices.Contains(l.pair[:], newest) }

// eachLeftover runs a test for each change of configuration and each pair of leftovers.
func eachLeftover(t *testing.T, mount mounter, pairs [][2]state, test func(l leftover)) {
	for _, move := range slices.Sorted(maps.Keys(moves)) {
		t.Run(move, func(t *testing.T) {
			t.Parallel()
			former, present := moves[move].former, moves[move].present
			s := open(t, mount, wire.Config{Cookies: present, Former: []wire.Cookies{former}}, session.Config{})
			tokens := map[state]session.Tokens{
				foreign: newBackend(t, session.Config{}).create("alice", session.CreateOptions{}),
				expired: s.create("alice", session.CreateOptions{}),
			}
			s.clock.advance(session.DefaultIdleLifetime)
			for _, pair := range pairs {
				tokens[another] = s.create("alice", session.CreateOptions{})
				tokens[behind] = s.create("alice", session.CreateOptions{})
				s.rotate(tokens[behind])
				s.clock.advance(time.Second)
				tokens[older] = s.rotate(s.create("alice", session.CreateOptions{}))
				tokens[newest] = s.rotate(tokens[older])
				tokens[revoked] = s.create("alice", session.CreateOptions{})
				s.revoke(s.sessions("alice")[0].Handle, session.ReasonRevoked)
				l := leftover{s.browser(), former, present, pair, tokens}
				l.plant(former, tokens[pair[0]])
				l.plant(present, tokens[pair[1]])
				test(l)
				s.noAlarm()
				if t.Failed() {
					t.Fatalf("with what is %s at the former places and %s at the present ones", pair[0], pair[1])
				}
			}
		})
	}
}

// One request to the refresh endpoint, where the browser shows all of its cookies, leaves it one of each, of the newest session.
func healByRefresh(l leftover) {
	got := l.do("POST", refreshPath)
	switch {
	case l.good():
		got.want(200, "{}\n")
		l.holds(l.present, true)
		l.ofTheNewest()
		l.goesOn("alice")
	case l.pair == [2]state{absent, absent}:
		got.want(401, "unauthorised").sets().has("Id-Refresh-Token", "remove")
		l.holds(l.present, false)
	default:
		if got.status != 401 || !strings.HasPrefix(got.code(), "unauthorised") {
			l.t.Errorf("got %d %s", got.status, got.body)
		}
		l.holds(l.present, false)
	}
}

// ofTheNewest asserts that the access token in the browser is of the session that began last.
func (l leftover) ofTheNewest() {
	l.t.Helper()
	shown := l.shown("/me", 0, l.present)
	if len(shown) != 1 {
		l.t.Errorf("access cookies: %v", shown)
		return
	}
	_, token, _ := strings.Cut(shown[0], "=")
	verified, err := l.site.manager.Verify(l.t.Context(), token, session.VerifyOptions{})
	if err != nil || verified.Handle() != l.site.sessions("alice")[0].Handle {
		l.t.Errorf("the access cookie is not of the newest session: %v", err)
	}
}

// Any request leaves one of each cookie that it shows, and none is lost that it does not show.
func healByRequest(l leftover) {
	unseen := l.shown(refreshPath, 1, l.former, l.present)
	seen := l.shown("/me", 0, l.former, l.present)
	good := slices.ContainsFunc(seen, func(c string) bool {
		return slices.ContainsFunc([]state{newest, older, another, behind}, func(s state) bool {
			return strings.HasSuffix(c, "="+l.tokens[s].AccessToken)
		})
	})
	got := l.do("GET", "/me")
	ids := l.shown("/me", 2, l.former, l.present)
	switch {
	case good:
		got.want(200, "alice")
		if len(ids) != 1 {
			l.t.Errorf("id cookies: %v, want one", ids)
		}
	case l.pair == [2]state{absent, absent}:
		got.want(401, "unauthorised").sets()
	case l.pair[1] == revoked:
		// The session that the request is of has ended, and that ends what the browser believes. An older one does not come to light.
		got.want(401, "unauthorised revoked")
		l.holds(l.present, false)
		return
	default:
		got.want(401, "try_refresh").has("Id-Refresh-Token")
		if len(ids) == 0 {
			l.t.Error("the id cookie is lost")
		}
	}
	if left := l.shown("/me", 0, l.former, l.present); len(left) > 1 || good && len(left) != 1 {
		l.t.Errorf("access cookies: %.20q, want one at most", left)
	}
	if now := l.shown(refreshPath, 1, l.former, l.present); !slices.Equal(now, unseen) {
		l.t.Errorf("of %d refresh cookies that the request did not show %d are left as they were", len(unseen), len(now))
	}
	healByRefresh(l)
}

func healByLogin(l leftover) {
	l.login("bob")
	l.holds(l.present, true)
	l.goesOn("bob")
}

func healByLogout(l leftover) {
	if got := l.do("POST", "/logout"); got.status != 200 {
		got.want(401, "try_refresh") // the access token has expired: the front end refreshes first
		l.do("POST", refreshPath)
		l.do("POST", "/logout").want(200, "{}\n")
	}
	l.holds(l.present, false)
	l.do("GET", "/me").want(401, "unauthorised")
}

func healByProof(l leftover) {
	if !slices.ContainsFunc(l.shown("/prove", 0, l.former, l.present), func(c string) bool { return strings.HasSuffix(c, "="+l.tokens[newest].AccessToken) }) {
		return // that session cannot prove anything
	}
	l.do("POST", "/prove").want(200, "alice")
	l.do("GET", "/fresh").want(200, "alice")
	l.holds(l.present, true)
	l.goesOn("alice")
}

// Some browsers keep a cookie of the host alone and one of a domain that is the host in one place: what is emptied there is emptied
// before it is filled.
func domainIsHost(t *testing.T, mount mounter) {
	former := wire.Cookies{Domain: "app.example.test", Prefix: wire.PrefixNone}
	present := wire.Cookies{Prefix: wire.PrefixNone}
	b := newBackend(t, session.Config{})
	before := b.serve(mount, wire.Config{Cookies: former})
	after := b.serve(mount, wire.Config{Cookies: present, Former: []wire.Cookies{former}})
	user := before.browser()
	user.login("alice")
	user.site = after
	user.do("GET", "/me").want(200, "alice")
	b.clock.advance(time.Hour)
	user.refresh()
	user.holds(present, true)
	user.do("GET", "/me").want(200, "alice")
	user.do("POST", "/prove").want(200, "alice")
	user.holds(present, true)
	user.goesOn("alice")
	user.login("bob")
	user.holds(present, true)
	user.goesOn("bob")
}

// Within its grace a token is kept; of two cookies with it one goes.
func healKept(t *testing.T, mount mounter) {
	former := wire.Cookies{Domain: "example.test"}
	s := open(t, mount, wire.Config{Former: []wire.Cookies{former}}, session.Config{})
	b := s.browser()
	tokens := s.create("alice", session.CreateOptions{})
	b.plant(former, tokens)
	b.plant(wire.Cookies{}, tokens)
	b.refresh()
	s.clock.advance(time.Minute)
	b.refresh()
	b.holds(wire.Cookies{}, true)
	// One that is confirmed by a refresh is kept as well, and sent again to the browser that has others beside it.
	s.clock.advance(time.Hour)
	b.plant(former, tokens)
	b.refresh().leaves(everything, []string{"__Secure-sAccessToken", refresh, id})
	b.holds(wire.Cookies{}, true)
	b.goesOn("alice")
}
