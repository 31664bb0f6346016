// Command capacity says what a deployment asks of its database and of its processes: statements, bytes, memory, how many shards. It is a
// model; docs/scaling.md has what it is checked against and what follows from it. --help lists what it can be told.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/watchword-dev/watchword/integration/capacity/model"
)

func main() {
	switch err := run(os.Stdout, os.Stderr, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "capacity:", err)
		os.Exit(1)
	}
}

// options are what the command line says beside the deployment.
type options struct {
	json, markdown bool
	only, vary     string
}

func run(out, complaints io.Writer, args []string) error {
	d, o, err := parse(complaints, args)
	if err != nil {
		return err
	}
	columns := []column{{"", d.Predict()}}
	if o.vary != "" {
		if columns, err = vary(complaints, args, o.vary); err != nil {
			return err
		}
	}
	if o.json {
		return writeJSON(out, columns)
	}
	sections, err := chosen(o.only)
	if err != nil {
		return err
	}
	return write(out, sections, columns, o.markdown)
}

// column is a deployment's prediction, and what tells it from the others.
type column struct {
	title string
	model.Prediction
}

// vary makes a column for each value of a flag: NAME=VALUE,VALUE…
func vary(complaints io.Writer, args []string, what string) ([]column, error) {
	name, values, ok := strings.Cut(what, "=")
	if !ok {
		return nil, fmt.Errorf("-vary is %q: it must be like access-lifetime=5m,15m,60m", what)
	}
	var columns []column
	for value := range strings.SplitSeq(values, ",") {
		d, _, err := parse(complaints, append(slices.Clone(args), "-"+name+"="+value))
		if err != nil {
			return nil, err
		}
		columns = append(columns, column{name + " " + value, d.Predict()})
	}
	return columns, nil
}

func writeJSON(out io.Writer, columns []column) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	if len(columns) == 1 && columns[0].title == "" {
		return encoder.Encode(columns[0].Prediction)
	}
	all := map[string]model.Prediction{}
	for _, c := range columns {
		all[c.title] = c.Prediction
	}
	return encoder.Encode(all)
}
