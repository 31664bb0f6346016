package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Where a book lies in the folder of the documentation.
const (
	pageFile = "benchmarks.md"
	dataFile = "benchmarks.json"
	plotsDir = "plots"
)

// Book is what is known of all parts, however long ago each was measured.
type Book struct {
	Chapters []Chapter
}

// Chapter is what one part has found, where and when.
type Chapter struct {
	Part     string
	Measured time.Time
	Machine  string   // such as "AMD EPYC 7B13, 2 cores, 24 GiB of memory, linux/amd64"
	Versions []string // such as "Go 1.26.2", "github.com/alexedwards/scs/v2 v2.9.0"
	Busy     float64  // the part of the processors' time that others used when it began
	Section  Section
}

// Load reads the book of a folder; an empty one, if there is none yet.
func Load(dir string) (*Book, error) {
	raw, err := os.ReadFile(filepath.Join(dir, dataFile)) //nolint:gosec // the folder is the user's choice
	if errors.Is(err, fs.ErrNotExist) {
		return &Book{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was measured before: %w", err)
	}
	var b Book
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("read what was measured before, in %s: %w", dataFile, err)
	}
	return &b, nil
}

// Put replaces a part's chapter. Chapters stand in the order of parts; those of parts that there are no longer are dropped.
func (b *Book) Put(c Chapter, parts []string) {
	byPart := map[string]Chapter{}
	for _, old := range b.Chapters {
		byPart[old.Part] = old
	}
	byPart[c.Part] = c
	b.Chapters = nil
	for _, part := range parts {
		if c, ok := byPart[part]; ok {
			b.Chapters = append(b.Chapters, c)
		}
	}
}

// Save writes the book into a folder: the page, its plots, and the figures that the next run keeps for what it does not measure.
func (b *Book) Save(dir string) error {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(b); err != nil {
		return fmt.Errorf("encode what was measured: %w", err)
	}
	files := map[string][]byte{dataFile: data.Bytes(), pageFile: []byte(b.Markdown())}
	for _, c := range b.Chapters {
		for _, p := range c.Section.Plots {
			svg, err := p.SVG()
			if err != nil {
				return fmt.Errorf("plot %s: %w", p.File, err)
			}
			files[filepath.Join(plotsDir, p.File)] = svg
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, plotsDir), 0o755); err != nil { //nolint:gosec // documentation, for everybody to read
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}

// Missed is the counts that are not what was promised.
func (s Section) Missed() []Budget {
	var missed []Budget
	for _, b := range s.Budgets {
		if b.Counted && !b.Met {
			missed = append(missed, b)
		}
	}
	return missed
}
