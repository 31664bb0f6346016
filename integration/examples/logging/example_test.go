package logging_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"

	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// Example_slog: the logger of the standard library is what the Manager takes.
func Example_slog() {
	handler := slog.NewJSONHandler(stdout{}, &slog.HandlerOptions{Level: slog.LevelDebug})
	refuse(slog.New(handler))
	// Output:
	// {"level":"DEBUG","msg":"access token refused","reason":"malformed"}
	// {"level":"DEBUG","msg":"access token refused","reason":"bad_signature","kid":"(an id)"}
	// {"level":"DEBUG","msg":"refresh token refused","reason":"unauthorised"}
}

// Example_zerolog: zerolog has a handler for log/slog of its own.
func Example_zerolog() {
	logger := zerolog.New(stdout{}).Level(zerolog.DebugLevel)
	refuse(slog.New(zerolog.NewSlogHandler(logger)))
	// Output:
	// {"level":"debug","reason":"malformed","message":"access token refused"}
	// {"level":"debug","reason":"bad_signature","kid":"(an id)","message":"access token refused"}
	// {"level":"debug","reason":"unauthorised","message":"refresh token refused"}
}

// Example_zap: zap's handler for log/slog is in a module of its own, go.uber.org/zap/exp.
func Example_zap() {
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{LevelKey: "level", MessageKey: "msg", EncodeLevel: zapcore.LowercaseLevelEncoder})
	logger := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(stdout{}), zapcore.DebugLevel))
	defer func() { _ = logger.Sync() }()
	refuse(slog.New(zapslog.NewHandler(logger.Core())))
	// Output:
	// {"level":"debug","msg":"access token refused","reason":"malformed"}
	// {"level":"debug","msg":"access token refused","reason":"bad_signature","kid":"(an id)"}
	// {"level":"debug","msg":"refresh token refused","reason":"unauthorised"}
}

// refuse has a Manager refuse some tokens.
func refuse(logger *slog.Logger) {
	ctx := context.Background()
	manager, err := session.New(ctx, memstore.New(nil), session.Config{Logger: logger})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, tokens, err := manager.Create(ctx, "alice", session.CreateOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = manager.Verify(ctx, "not a token", session.VerifyOptions{})
	header, rest, _ := strings.Cut(tokens.AccessToken, ".")
	_, _ = manager.Verify(ctx, header+".x"+rest, session.VerifyOptions{})
	_, _, _ = manager.Refresh(ctx, "not a token", session.RefreshOptions{})
}

var (
	keyID = regexp.MustCompile(`"kid":"[^"]+"`)
	clock = regexp.MustCompile(`"time":"[^"]+",`)
)

// stdout prints the lines that refuse brings about, without the time, and with something else for the id of a key, which is new each time.
type stdout struct{}

func (stdout) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "token refused") {
		_, _ = os.Stdout.Write(clock.ReplaceAll(keyID.ReplaceAll(line, []byte(`"kid":"(an id)"`)), nil))
	}
	return len(line), nil
}
