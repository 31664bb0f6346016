package groupreplication

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

// errSyntax is the server's number for a statement that it does not know.
const errSyntax = 1064

// form makes a group of servers, of which the first is the primary.
func form(ctx context.Context, servers []*server, log func(format string, args ...any)) error {
	for i, s := range servers {
		if err := prepare(ctx, s.db); err != nil {
			return fmt.Errorf("prepare %s for the group: %w", s.name, err)
		}
		if err := join(ctx, s.db, i == 0); err != nil {
			lines, _ := s.container.Logs(ctx, 20)
			return fmt.Errorf("have %s join the group: %w\nits log ends with:\n%s", s.name, err, lines)
		}
		if err := cluster.Await(ctx, s.name+" to be a member", joinWithin, func(ctx context.Context) error {
			return complete(ctx, servers[0].db, i+1)
		}); err != nil {
			return err
		}
		log("%s is a member", s.name)
	}
	return nil
}

// complete is nil once a server sees so many members online.
func complete(ctx context.Context, db *sql.DB, want int) error {
	v, err := ask(ctx, db)
	if err == nil && v.online() < want {
		err = fmt.Errorf("it sees %+v, want %d online", v.members, want)
	}
	return err
}

// prepare makes the account by which servers copy from each other, and forgets what was logged so far: what each server has done to set
// itself up is its own, and a server that has done anything which the others have not may not join.
func prepare(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it is the pool's again
	for _, statement := range []string{
		"SET SESSION sql_log_bin = OFF",
		"CREATE USER 'replication'@'%' IDENTIFIED BY '" + password + "'",
		"GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO 'replication'@'%'",
		"SET SESSION sql_log_bin = ON",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "RESET BINARY LOGS AND GTIDS")
	var refused *mysql.MySQLError
	if errors.As(err, &refused) && refused.Number == errSyntax { // before 8.2
		_, err = conn.ExecContext(ctx, "RESET MASTER")
	}
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "CHANGE REPLICATION SOURCE TO SOURCE_USER = 'replication', SOURCE_PASSWORD = '"+password+
		"' FOR CHANNEL 'group_replication_recovery'")
	return err
}

// join has a server join the group, or found it.
func join(ctx context.Context, db *sql.DB, found bool) error {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	if !found {
		_, err := db.ExecContext(ctx, "START GROUP_REPLICATION")
		return err
	}
	for _, statement := range []string{
		"SET GLOBAL group_replication_bootstrap_group = ON",
		"START GROUP_REPLICATION",
		"SET GLOBAL group_replication_bootstrap_group = OFF", // else a restart of this server founds another group
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
