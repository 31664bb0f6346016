package adapters_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// clock is the time of managers and stores. Browsers have the real one, so that a cookie is still there when its token has expired.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// backend is what the processes of one deployment share.
type backend struct {
	t       *testing.T
	manager *session.Manager
	store   *watchedStore
	clock   *clock
	mu      sync.Mutex
	thefts  int
}

func newBackend(t *testing.T, cfg session.Config) *backend {
	t.Helper()
	b := &backend{t: t, clock: &clock{now: time.UnixMilli(1_760_000_000_000)}}
	b.store = &watchedStore{Store: memstore.New(b.clock.Now)}
	cfg.Clock = b.clock.Now
	cfg.Sleep = func(_ context.Context, d time.Duration) error {
		b.clock.advance(d)
		return nil
	}
	cfg.OnTheft = func(context.Context, *session.TheftError) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.thefts++
	}
	var err error
	cfg.AccessJitter = session.NoJitter // tests turn the clock to the very end of a token
	if b.manager, err = session.New(t.Context(), b.store, cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

// alarms returns how many thefts there were.
func (b *backend) alarms() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.thefts
}

// noAlarm asserts that nobody was taken for a thief.
func (b *backend) noAlarm() {
	b.t.Helper()
	if n := b.alarms(); n != 0 {
		b.t.Errorf("%d thefts, want none", n)
	}
}

// sessions returns the user's live sessions, the newest first.
func (b *backend) sessions(user string) []session.Info {
	b.t.Helper()
	infos, err := b.manager.Sessions(b.t.Context(), user, session.Page{})
	if err != nil {
		b.t.Fatal(err)
	}
	return infos
}

// create starts a session without a request.
func (b *backend) create(user string, opts session.CreateOptions) session.Tokens {
	b.t.Helper()
	_, tokens, err := b.manager.Create(b.t.Context(), user, opts)
	if err != nil {
		b.t.Fatal(err)
	}
	return tokens
}

// rotate exchanges a session's refresh token, and uses what comes of it. It takes a minute, so that no crossing explains the old
// tokens any more.
func (b *backend) rotate(t session.Tokens) session.Tokens {
	b.t.Helper()
	b.clock.advance(time.Minute)
	_, next, err := b.manager.Refresh(b.t.Context(), t.RefreshToken, session.RefreshOptions{AntiCSRF: t.AntiCSRF != ""})
	if err != nil {
		b.t.Fatal(err)
	}
	used, err := b.manager.Verify(b.t.Context(), next.AccessToken, session.VerifyOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	if renewed, ok := used.Renewed(); ok {
		next.AccessToken = renewed.AccessToken
	}
	b.clock.advance(time.Minute)
	return next
}

func (b *backend) revoke(h session.Handle, reason session.Reason) {
	b.t.Helper()
	if ended, err := b.manager.Revoke(b.t.Context(), h, session.RevokeOptions{Reason: reason}); err != nil || !ended {
		b.t.Fatalf("revoke: %v, %v", ended, err)
	}
}

// site is a process that serves a backend to the net.
type site struct {
	*backend
	address   string
	transport *http.Transport // every host name leads to the site
}

// open makes a backend and serves it.
func open(t *testing.T, mount mounter, cfg wire.Config, sessions session.Config) *site {
	t.Helper()
	return newBackend(t, sessions).serve(mount, cfg)
}

// serve serves the backend until the test ends.
func (b *backend) serve(mount mounter, cfg wire.Config) *site {
	b.t.Helper()
	plain, err := (&net.ListenConfig{}).Listen(b.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	certificate, roots := throwAway()
	listener := tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	serve, ended := mount(b.t, b.manager, cfg), make(chan string, 1)
	go func() { ended <- fmt.Sprint(serve(listener)) }()
	s := &site{backend: b, address: plain.Addr().String()}
	s.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.address)
		},
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
		MaxIdleConnsPerHost: 64,
	}
	b.t.Cleanup(func() {
		s.transport.CloseIdleConnections()
		select {
		case why := <-ended:
			b.t.Error("the server has ended by itself:", why)
			return
		default:
			_ = listener.Close()
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			b.t.Error("the server goes on although its listener is closed")
		}
	})
	return s
}

// throwAway makes the certificate of all sites.
var throwAway = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.test", "*.example.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
})
