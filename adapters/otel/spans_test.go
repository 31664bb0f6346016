package otelsession_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
)

// taken returns the spans that have ended since n of them had, as parent/name, with what went wrong.
func (w *measured) taken(n int) []string {
	all := w.spans.Ended()
	names := map[trace.SpanID]string{}
	for _, s := range all {
		names[s.SpanContext().SpanID()] = s.Name()
	}
	var taken []string
	for _, s := range all[n:] {
		text := names[s.Parent().SpanID()] + "/" + s.Name()
		if f := attributeOf(s, "error.type"); f != "" {
			text += " " + f
		}
		if s.Status().Code == codes.Error {
			text += " failed"
		}
		taken = append(taken, text)
	}
	return taken
}

func attributeOf(s sdktrace.ReadOnlySpan, key string) string {
	for _, kv := range s.Attributes() {
		if string(kv.Key) == key {
			return kv.Value.String()
		}
	}
	return ""
}

func TestSpans(t *testing.T) {
	t.Parallel()
	w := measure(t)
	if n := len(w.spans.Ended()); n != 0 {
		t.Errorf("the start made %d spans", n)
	}
	in := func(what string, f func(context.Context), want ...string) {
		t.Helper()
		n := len(w.spans.Ended())
		f(t.Context())
		if got := w.taken(n); !slices.Equal(got, want) {
			t.Errorf("%s: got spans %q, want %q", what, got, want)
		}
	}
	var tokens, next session.Tokens
	in("create", func(context.Context) { tokens = w.login("alice") }, "watchword create/Insert", "/watchword create")
	in("miss", func(ctx context.Context) { w.use(ctx, tokens.AccessToken) })
	in("hit", func(ctx context.Context) { w.use(ctx, tokens.AccessToken) })
	in("hit in a request", func(ctx context.Context) {
		ctx, span := w.traces.Tracer("test").Start(ctx, "request")
		defer span.End()
		w.use(ctx, tokens.AccessToken)
		_, _ = w.Verify(ctx, "nonsense", session.VerifyOptions{})
	}, "/request")
	w.clock.advance(time.Minute)
	in("refresh", func(context.Context) { next = w.refresh(tokens.RefreshToken) },
		"watchword refresh/Get", "watchword refresh/Mint", "/watchword refresh")
	in("first use", func(ctx context.Context) { w.use(ctx, next.AccessToken) }, "watchword verify/Confirm", "/watchword verify")
	in("second use", func(ctx context.Context) { w.use(ctx, next.AccessToken) })
	w.clock.advance(time.Minute)
	in("theft", func(ctx context.Context) {
		ctx, span := w.traces.Tracer("test").Start(ctx, "request")
		defer span.End()
		_, _, _ = w.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{})
	}, "watchword refresh/Get", "watchword refresh/End", "request/watchword refresh theft", "/request")
	in("no token", func(ctx context.Context) { _, _, _ = w.Refresh(ctx, "nonsense", session.RefreshOptions{}) }, "/watchword refresh unauthorised")

	fresh := w.login("alice")
	w.store.Play(storetest.From(1, storetest.Refused))
	in("outage", func(ctx context.Context) {
		_, _, err := w.Refresh(ctx, fresh.RefreshToken, session.RefreshOptions{})
		if !errors.Is(err, session.ErrUnavailable) {
			t.Fatal(err)
		}
	}, "watchword refresh/Get unavailable failed", "/watchword refresh unavailable failed")
	w.store.Play(storetest.From(1, storetest.NoFault))

	for _, s := range w.spans.Ended() {
		kind, system := trace.SpanKindInternal, ""
		if op := attributeOf(s, "watchword.operation"); op == "" && s.Name() != "request" {
			kind, system = trace.SpanKindClient, "mysql"
		} else if s.Name() != "request" && s.Name() != "watchword "+op {
			t.Errorf("%s has operation %q", s.Name(), op)
		}
		if s.SpanKind() != kind || attributeOf(s, "db.system.name") != system || system != "" && attributeOf(s, "db.operation.name") != s.Name() {
			t.Errorf("%s is a %v with %v", s.Name(), s.SpanKind(), s.Attributes())
		}
	}
}

// TestStrictSpans: where each Verify asks the store each has a span.
func TestStrictSpans(t *testing.T) {
	t.Parallel()
	w := measure(t, func(cfg *session.Config) { cfg.Revocation = session.RevocationStrict })
	tokens := w.login("alice")
	n := len(w.spans.Ended())
	w.use(t.Context(), tokens.AccessToken)
	if got, want := w.taken(n), []string{"watchword verify/Get", "/watchword verify"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBackgroundMakesNoSpans: what Manager.Run reads each second would be more traces than all requests.
func TestBackgroundMakesNoSpans(t *testing.T) {
	t.Parallel()
	w := measure(t, func(cfg *session.Config) {
		cfg.FeedInterval, cfg.KeyPollInterval, cfg.CleanupInterval = time.Millisecond, time.Millisecond, time.Millisecond
	})
	before := w.collect()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	moved := func() bool {
		got := w.collect().moved(before)
		return got[calls("Revocations")] > 2 && got[calls("Purge")] > 2
	}
	for !moved() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if !moved() {
		t.Errorf("the background's calls are not measured: %v", w.collect().moved(before))
	}
	cancel()
	<-done
	if got := w.taken(0); len(got) > 0 {
		t.Errorf("got spans %q", got)
	}
}

// TestHooksAreChained: the application's own hook is called within the operation's span, and its context reaches the store.
func TestHooksAreChained(t *testing.T) {
	t.Parallel()
	type key struct{}
	var told []string
	w := measure(t, func(cfg *session.Config) {
		cfg.OnOperation = func(ctx context.Context, op session.Operation) (context.Context, func(error)) {
			told = append(told, fmt.Sprint(string(op), " ", trace.SpanContextFromContext(ctx).IsValid()))
			return context.WithValue(ctx, key{}, true), func(err error) { told = append(told, fmt.Sprint(err)) }
		}
	})
	w.login("alice")
	if want := []string{"create true", "<nil>"}; !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
	if got, want := w.taken(0), []string{"watchword create/Insert", "/watchword create"}; !slices.Equal(got, want) {
		t.Errorf("got spans %q, want %q", got, want)
	}
}
