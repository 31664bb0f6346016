package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	driver "github.com/go-sql-driver/mysql"
)

// describe gives as much of an error as cannot hold values: of a server's its number.
func describe(err error) string {
	var server *driver.MySQLError
	if errors.As(err, &server) {
		return fmt.Sprintf("MySQL error %d", server.Number)
	}
	return err.Error()
}

func number(err error) uint16 {
	var server *driver.MySQLError
	if errors.As(err, &server) {
		return server.Number
	}
	return 0
}

// settingsOf reads names and values, of variables or a status.
func settingsOf(ctx context.Context, db *sql.DB, statement string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		all[strings.ToLower(name)] = value
	}
	return all, rows.Err()
}

// server looks at what the server is, and whether the way there is safe.
func server(ctx context.Context, p *Patient) ([]Result, error) {
	var version string
	if err := p.DB.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return nil, err
	}
	results := []Result{ok("connected to %s", version)}
	if what := tooOld(version); what != "" {
		results = append(results, problem("upgrade it", "%s is supported", what))
	}
	values, err := settingsOf(ctx, p.DB, "SHOW VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'max_allowed_packet')")
	if err != nil {
		return results, err
	}
	if values["read_only"] == "ON" || values["super_read_only"] == "ON" {
		results = append(results, problem("have WATCHWORD_MYSQL_DSN name the primary", "the server is read-only: sessions cannot be kept there"))
	}
	if size, err := strconv.Atoi(values["max_allowed_packet"]); err == nil && size < 16<<20 {
		results = append(results, note("raise max_allowed_packet where sessions have large data",
			"the server takes statements of up to %d MiB, and a session's data may take twice its size", size>>20))
	}
	if p.Local || p.Vitess {
		return results, nil
	}
	status, err := settingsOf(ctx, p.DB, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	if err != nil {
		return results, err
	}
	if status["ssl_cipher"] == "" {
		results = append(results, warning("add tls=true to the DSN", "the connection is not encrypted, and leaves this machine"))
	}
	return results, nil
}

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)\.\d+`)

// tooOld says what would be new enough; empty: the server is.
func tooOld(version string) string {
	maria := strings.Contains(version, "MariaDB")
	if maria {
		version = strings.TrimPrefix(version, "5.5.5-") // which it puts before its own for old clients
	}
	parts := versionNumber.FindStringSubmatch(version)
	if parts == nil {
		return ""
	}
	major, _ := strconv.Atoi(parts[1]) // digits
	minor, _ := strconv.Atoi(parts[2])
	switch {
	case maria && (major < 10 || major == 10 && minor < 6):
		return "MariaDB 10.6 or newer"
	case !maria && major < 8:
		return "MySQL 8.0 or newer"
	default:
		return ""
	}
}

// isolation looks at how transactions go, where the store's statements depend on it.
func isolation(ctx context.Context, p *Patient) ([]Result, error) {
	values, err := settingsOf(ctx, p.DB, "SHOW VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation', 'autocommit')")
	if err != nil {
		return nil, err
	}
	level := or(values["transaction_isolation"], values["tx_isolation"])
	var results []Result
	switch {
	case level == "":
		return []Result{{Level: Skipped, Text: "the server does not say"}}, nil
	case strings.EqualFold(level, "READ-UNCOMMITTED"):
		results = append(results, problem("set transaction_isolation to any other level, in the DSN or on the server",
			"transactions are READ UNCOMMITTED: an ending that is rolled back looks like one that happened"))
	default:
		results = append(results, ok("transactions are %s", strings.ReplaceAll(level, "-", " ")))
	}
	if values["autocommit"] == "OFF" {
		results = append(results, problem("take autocommit out of the DSN, or init_connect", "connections are not in autocommit mode: nothing that is written is kept"))
	}
	return results, nil
}
