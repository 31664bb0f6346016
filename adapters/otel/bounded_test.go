package otelsession_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
)

// TestSeriesAreBounded: whatever clients and the store do, the number of series has a bound, and nothing that they send becomes one, nor a
// part of a span.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	w := measure(t)
	r := rand.New(rand.NewPCG(1, 2))
	root, end := w.traces.Tracer("test").Start(t.Context(), "request")
	defer end.End()
	var secrets []string
	hostile := func(i int) {
		user := fmt.Sprintf("user-%d-\"{}=\n", i)
		_, tokens, err := w.Create(root, user, session.CreateOptions{Label: fmt.Sprint("label-", i), Payload: i})
		if err != nil {
			if !errors.Is(err, session.ErrUnavailable) && !errors.Is(err, session.ErrInvalidUserID) {
				t.Fatal(err)
			}
			return
		}
		secrets = append(secrets, user[:6], tokens.AccessToken[:8], tokens.RefreshToken[:8])
		header, rest, _ := strings.Cut(tokens.AccessToken, ".")
		for _, token := range []string{tokens.AccessToken, fmt.Sprint("x", i), header + "." + fmt.Sprint(i) + "." + rest, tokens.AccessToken + fmt.Sprint(i), strings.Repeat("a", i)} {
			_, _ = w.Verify(root, token, session.VerifyOptions{AntiCSRF: fmt.Sprint(i), CheckAntiCSRF: i%2 == 0})
			_, _, _ = w.Refresh(root, token, session.RefreshOptions{})
		}
		w.clock.advance(time.Minute)
		_, next, err := w.Refresh(root, tokens.RefreshToken, session.RefreshOptions{Device: session.Device{UserAgent: fmt.Sprint("agent-", i)}})
		if err == nil {
			_, _ = w.Verify(root, next.AccessToken, session.VerifyOptions{})
			w.clock.advance(time.Minute)
			_, _, _ = w.Refresh(root, tokens.RefreshToken, session.RefreshOptions{})
		}
		_, _ = w.RevokeUser(root, user, session.RevokeOptions{Reason: session.Reason(fmt.Sprint("reason-", i))})
		_, _ = w.RevokeUser(root, user, session.RevokeOptions{})
		_, _ = w.Sessions(root, user, session.Page{Limit: -i})
	}
	for i := range 50 {
		hostile(i)
	}
	count := len(w.collect())
	for i := range 100 {
		fault := []storetest.Fault{storetest.Refused, storetest.Unheard}[r.IntN(2)]
		w.store.Play(storetest.Only([]string{"Get", "Insert", "Confirm", "Mint", "End"}[r.IntN(5)], storetest.At(1, fault)))
		hostile(50 + i)
	}
	w.store.Play(storetest.From(1, storetest.NoFault))
	faulty := w.collect()
	for i := range 200 {
		hostile(200 + i)
	}
	if now := w.collect(); len(now) != len(faulty) {
		t.Errorf("there are %d series, and were %d: %v", len(now), len(faulty), now.moved(faulty).names())
	}
	// Four failures at most for each method and operation that failed, and what is there from the beginning.
	if limit := count + 4*10; len(faulty) > limit {
		t.Errorf("there are %d series, want no more than %d", len(faulty), limit)
	}
	exported := strings.Join(faulty.names(), "\n") + strings.Join(w.collect().names(), "\n") + spansText(w.spans)
	for _, secret := range slices.Concat(secrets, []string{"label-", "agent-", "reason-"}) {
		if strings.Contains(exported, secret) {
			t.Errorf("%q is exported", secret)
		}
	}
}

// spansText is everything that spans say.
func spansText(spans *tracetest.SpanRecorder) string {
	var text strings.Builder
	for _, s := range spans.Ended() {
		fmt.Fprintln(&text, s.Name(), s.Attributes(), s.Status(), s.Events())
	}
	return text.String()
}

// unknownErrors is a store whose errors are as many as its calls.
type unknownErrors struct {
	session.Store
	n int
}

func (s *unknownErrors) Data(context.Context, session.Handle) ([]byte, session.Version, error) {
	s.n++
	return nil, 0, fmt.Errorf("error %d of session secret", s.n)
}

func TestUnknownErrorsAreOne(t *testing.T) {
	t.Parallel()
	w := measure(t)
	store := w.telemetry.Store(&unknownErrors{Store: w.store})
	before := w.collect()
	ctx, span := w.traces.Tracer("test").Start(t.Context(), "request")
	for range 10 {
		_, _, _ = store.Data(ctx, session.Handle{1})
	}
	span.End()
	got := w.collect().moved(before)
	if want := failedCalls("Data", "_OTHER"); got[want] != 10 || len(got) != 1+strayTimes(got) {
		t.Errorf("got %v, want 10 of %s", got, want)
	}
	if text := spansText(w.spans); strings.Contains(text, "secret") {
		t.Errorf("the error's text is exported: %s", text)
	}
}

// strayTimes is how many of the series only tell the time.
func strayTimes(s series) (n int) {
	for name := range s {
		if strings.Contains(name, ".lag") || strings.Contains(name, ".age") {
			n++
		}
	}
	return n
}
