package otelsession_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	otelsession "github.com/watchword-dev/watchword/adapters/otel"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/storetest"
)

// plain has the methods of a session.Store and no other.
type plain struct{ session.Store }

func wrapped(t *testing.T, store session.Store) session.Store {
	t.Helper()
	telemetry, err := otelsession.New(otelsession.Config{MeterProvider: metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))})
	if err != nil {
		t.Fatal(err)
	}
	return telemetry.Store(store)
}

// A store that is measured keeps the contract, be it one that elects or not.
func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) session.Store { return wrapped(t, memstore.New(nil)) })
}

func TestContractOfAnElector(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) session.Store {
		return wrapped(t, electing{memstore.New(nil), make(chan struct{}, 1)})
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	storetest.RunFaults(t, func(t *testing.T) session.Store { return wrapped(t, memstore.New(nil)) })
}

// electing is a store that elects in this process.
type electing struct {
	session.Store
	turn chan struct{}
}

func (e electing) Elect(ctx context.Context, f func(session.Cleaner) error) (bool, error) {
	if ctx.Err() != nil {
		return false, errors.Join(session.ErrUnavailable, ctx.Err())
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
		return true, f(e.Store)
	default:
		return false, nil
	}
}

// TestOptionalInterfaces: what the core looks for beside session.Store is there after wrapping if it was before, and only then. Which
// interfaces these are its source tells.
func TestOptionalInterfaces(t *testing.T) {
	t.Parallel()
	known := map[string]reflect.Type{"Elector": reflect.TypeFor[session.Elector]()}
	asserted := assertions(t, "../../session")
	if want := slices.Sorted(maps.Keys(known)); !slices.Equal(asserted, want) {
		t.Fatalf("the core looks for %v, this package keeps %v", asserted, want)
	}
	for name, store := range map[string]session.Store{
		"plain": plain{memstore.New(nil)}, "electing": electing{memstore.New(nil), make(chan struct{}, 1)},
	} {
		after := reflect.TypeOf(wrapped(t, store))
		for what, optional := range known {
			if got, want := after.Implements(optional), reflect.TypeOf(store).Implements(optional); got != want {
				t.Errorf("%s: after wrapping it is a session.%s: %v, want %v", name, what, got, want)
			}
		}
	}
}

// assertions lists the exported interfaces that a package asserts its values to be.
func assertions(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), dir+"/"+f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if assertion, ok := n.(*ast.TypeAssertExpr); ok {
				if name, ok := assertion.Type.(*ast.Ident); ok && name.IsExported() {
					found[name.Name] = true
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// TestEveryMethodIsMeasured calls each method of the interfaces by reflection, once, and looks for its series and its span.
func TestEveryMethodIsMeasured(t *testing.T) {
	t.Parallel()
	w := measure(t)
	ctx, span := w.traces.Tracer("test").Start(t.Context(), "request")
	defer span.End()
	each := func(ctx context.Context, of reflect.Type, on any, parent string) {
		t.Helper()
		for i := range of.NumMethod() {
			method := of.Method(i).Name
			before, n := w.collect(), len(w.spans.Ended())
			invoke(ctx, on, method)
			if got := w.collect().moved(before); got[calls(method)] != 1 {
				t.Errorf("%T.%s moved %v", on, method, got)
			}
			spans := w.spans.Ended()[n:]
			if len(spans) != 1 || spans[0].Name() != method || spans[0].Parent().SpanID() != trace.SpanContextFromContext(ctx).SpanID() {
				t.Errorf("%s%T.%s has spans %q", parent, on, method, w.taken(n))
			}
		}
	}
	inner := electing{memstore.New(nil), make(chan struct{}, 1)}
	each(ctx, reflect.TypeFor[session.Store](), w.telemetry.Store(inner), "")
	each(ctx, reflect.TypeFor[session.Lister](), w.telemetry.Lister(inner), "")
	each(ctx, reflect.TypeFor[session.Elector](), w.telemetry.Store(inner), "")
	_, err := w.telemetry.Store(inner).(session.Elector).Elect(ctx, func(c session.Cleaner) error {
		each(ctx, reflect.TypeFor[session.Cleaner](), c, "in an election ")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// invoke calls a method with a context and otherwise with zeros.
func invoke(ctx context.Context, on any, method string) {
	f := reflect.ValueOf(on).MethodByName(method)
	args := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 1; i < f.Type().NumIn(); i++ {
		args = append(args, reflect.Zero(f.Type().In(i)))
	}
	if method == "Elect" {
		args[1] = reflect.ValueOf(func(session.Cleaner) error { return nil })
	}
	f.Call(args)
}

// TestElectionFailures: an election whose work fails has not failed itself.
func TestElectionFailures(t *testing.T) {
	t.Parallel()
	w := measure(t)
	elector := w.telemetry.Store(electing{memstore.New(nil), make(chan struct{}, 1)}).(session.Elector)
	before := w.collect()
	work := errors.New("work")
	if elected, err := elector.Elect(t.Context(), func(session.Cleaner) error { return work }); !elected || !errors.Is(err, work) {
		t.Errorf("got %v, %v", elected, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := elector.Elect(gone, func(session.Cleaner) error { return nil }); err == nil {
		t.Error("it succeeded without a context")
	}
	got := w.collect().moved(before)
	if got[calls("Elect")] != 1 || got[failedCalls("Elect", "cancelled")] != 1 {
		t.Errorf("got %v", got)
	}
}
