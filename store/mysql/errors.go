package mysql

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// class is what an error of the driver means for the statement that met it.
type class uint8

const (
	other      class = iota // refused for good, or unknown
	duplicate               // a row with this key exists
	rolledBack              // undone by the server because of other statements: to be done again
	lost                    // the connection broke or none could be had; if the statement was sent, its outcome is unknown
	unready                 // this server does not take the statement now
)

// classes holds the server's error numbers, of MySQL, MariaDB, Galera and Vitess, that are not other.
var classes = map[uint16]class{
	1062: duplicate,

	1020: rolledBack, // MariaDB with innodb_snapshot_isolation: the row was changed meanwhile
	1205: rolledBack, // lock wait timeout
	1213: rolledBack, // deadlock; on Galera also a lost certification
	1412: rolledBack, // the table's definition was changed meanwhile

	1053: lost, // the server is shutting down
	1105: lost, // Vitess: no healthy tablet, and the like
	1158: lost, // 1158 to 1161: the server's side of a broken or timed out connection
	1159: lost,
	1160: lost,
	1161: lost,
	1815: lost, // 1815, 2002, 2003, Vitess: from a vttablet whose mysqld is away
	1927: lost, // MariaDB: the connection was killed
	2002: lost,
	2003: lost,
	2006: lost, // the server has gone away
	2013: lost, // lost connection during a query
	// Group Replication: rolled back on this server, by a lost certification, or since the server is leaving the group. The others may have
	// the change all the same, if it had reached them by then.
	3101: lost,
	3169: lost, // the connection was killed
	4031: lost, // the server closed a connection that was idle for too long

	1021: unready, // disk full
	1040: unready, // too many connections
	1047: unready, // Galera: the node is not part of the cluster
	1114: unready, // table full: most often, a full disk
	1129: unready, // too many connection errors: the host is blocked
	1180: unready, // error during commit
	1203: unready, // too many connections of this user
	1226: unready, // the user's quota is used up
	1290: unready, // --read-only or --super-read-only: not, or no longer, the primary
	1317: unready, // the statement was interrupted
	1792: unready, // a read-only transaction
	1836: unready, // read-only mode
	1969: unready, // MariaDB: max_statement_time
	3024: unready, // max_execution_time
	3032: unready, // offline mode: on Group Replication, a server that had to leave the group
	3100: unready, // Group Replication: the server could not pass a change on to the group
	3675: unready, // CREATE TABLE: disk full
	3781: unready, // 3781 to 3783, Group Replication: a new primary has not caught up, or leaves the group before it has
	3782: unready,
	3783: unready,
	3796: unready, // 3796 to 3798, Group Replication: the server is no full member, or reads cannot be made consistent now
	3797: unready,
	3798: unready,
}

// hints say what to do about errors of setting up.
var hints = map[uint16]string{
	1044: "access to the database denied: grant the user its rights on it",
	1045: "access denied: check the user, its password and the hosts that it may come from",
	1046: "no database selected: name it in the DSN",
	1049: "no such database: create it",
	1054: "a column is missing: run Migrate",
	1109: "Vitess knows no such table: apply the VSchema of package vschema, then run Migrate",
	1142: "permission denied: grant the user SELECT, INSERT, UPDATE and DELETE, and CREATE, ALTER and INDEX for Migrate",
	1143: "permission denied: grant the user SELECT, INSERT, UPDATE and DELETE on whole tables",
	1146: "a table is missing: run Migrate",
	1153: "larger than the server's max_allowed_packet",
}

// number returns the server's error number, or 0.
func number(err error) uint16 {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		return server.Number
	}
	return 0
}

// classify goes by types, values and numbers, never by text.
func classify(err error) class {
	if n := number(err); n != 0 {
		return classes[n]
	}
	var (
		network     net.Error
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network), errors.As(err, &certificate),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return lost
	default:
		return other
	}
}

// translate turns an error of the driver into one of the contract of session.Store: ErrDuplicate, ErrUnavailable, or one
// that says what was being done. The text of a server's error is left out, as it may hold a statement's values.
func translate(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	c := classify(err)
	switch {
	case c == duplicate:
		return session.ErrDuplicate
	case c == other && (number(err) != 0 || ctx.Err() == nil):
		return fmt.Errorf("%s: %s", doing, describe(err))
	case ctx.Err() != nil: // whatever the driver made of it
		return fmt.Errorf("%s: %w: %w", doing, session.ErrUnavailable, ctx.Err())
	default:
		return fmt.Errorf("%s: %w: %s", doing, session.ErrUnavailable, describe(err))
	}
}

// describe gives as much of an error as cannot hold values.
func describe(err error) string {
	var (
		network     net.Error
		unknown     net.UnknownNetworkError
		certificate *tls.CertificateVerificationError
		corrupt     *corruptError
	)
	n := number(err)
	switch {
	case errors.As(err, &corrupt):
		return corrupt.Error()
	case n != 0 && hints[n] != "":
		return fmt.Sprintf("%s (MySQL error %d)", hints[n], n)
	case n != 0:
		return fmt.Sprintf("MySQL error %d", n)
	case errors.As(err, &certificate):
		return certificate.Error()
	case errors.As(err, &unknown): // it may be part of a password, where the DSN lacks its "tcp"
		return "the DSN names an unknown network"
	case errors.As(err, &network): // addresses and host names
		return network.Error()
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn):
		return "the connection broke, or the server is read-only"
	case errors.Is(err, mysql.ErrPktTooLarge):
		return "larger than maxAllowedPacket of the DSN"
	default:
		return fmt.Sprintf("driver error of type %T; is the pool closed?", err)
	}
}
