package vitess

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

//go:embed image
var recipe embed.FS

// Image finds the image of Vitess, or builds it. It holds MySQL, etcd and the programs of Vitess, which lie in /vt/bin.
func Image(ctx context.Context, log func(format string, args ...any)) (string, error) {
	files, err := fs.Sub(recipe, "image")
	if err != nil {
		return "", fmt.Errorf("vitess: %w", err)
	}
	return cluster.Image{
		Env: "WATCHWORD_TEST_VITESS_IMAGE", Tag: "watchword/vitess:debian", Recipe: files, Needs: []string{"mmdebstrap"},
	}.Find(ctx, log)
}
