package workload

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/model"
)

const rowsInBatch = 1000

// Rows writes sessions in bulk, in the order in which logins, refreshes and logouts would write them, by any server's SQL.
type Rows struct {
	table   string
	exec    func(statement string, args ...any)
	handles []string
	began   int64
	logins  int64
}

// NewRows makes so many sessions, a multiple of 1000, in the table with a prefix, as soon as Stages are done.
func NewRows(exec func(statement string, args ...any), prefix string, sessions int) *Rows {
	return &Rows{table: "`" + prefix + "sessions`", exec: exec, handles: make([]string, sessions), began: time.Now().UnixMicro()}
}

// Stage is something that befalls each session, and what the model says that one takes on disk then.
type Stage struct {
	Name      string
	Do        func()
	Predicted model.Storage
}

// Stages are to be done in this order. The space that an ending frees is seen only in that later sessions need less.
func (r *Rows) Stages() []Stage {
	d := model.Default()
	d.UserID, d.Device, d.Payload, d.Data = len(UserName(1)), len(Device.UserAgent+Device.Address), len(Payload), len(Data)
	fresh, ended := d.Live(model.Row{}), d.Ended(model.Row{Refreshed: 1}, true)
	return []Stage{
		{"a new session", r.login, fresh},
		{"a session that was refreshed", func() {
			r.each("previous_mark = current_mark, rotated_at = current_at, generation = 1, expires_at = ?")
		}, d.Live(model.Row{Refreshed: 1, Grown: true})},
		{"a session that was ended, and a new one", func() {
			r.each("ended_at = ?, ending_id = generation, ending_reason = 'logout', fed_at = ended_at, payload = NULL, data = NULL")
			r.login()
		}, model.Storage{
			Primary: fresh.Primary + ended.Primary, ByUser: fresh.ByUser + ended.ByUser, ByEnd: fresh.ByEnd + ended.ByEnd, ByFeed: fresh.ByFeed + ended.ByFeed,
		}},
	}
}

// directive is for Vitess, which commits a batch on each shard by itself then. To others it is a comment.
const directive = " /*vt+ MULTI_SHARD_AUTOCOMMIT=1 */ "

func (r *Rows) login() {
	for from := 0; from < len(r.handles); from += rowsInBatch {
		rows := make([]string, rowsInBatch)
		for i := range rows {
			r.logins++
			at := r.began + 1000*r.logins
			r.handles[from+i] = handleAt(at / 1000)
			rows[i] = fmt.Sprintf("(UNHEX('%s'), 'user-%08d', UNHEX('%s'), %d, 0, 0, %[4]d, '%s', '%s', '', '%s', '%s', 1, %[4]d, %[4]d)",
				r.handles[from+i], chance(1e8), random(32), at, Device.UserAgent, Device.Address, Payload, Data)
		}
		r.exec("INSERT" + directive + "INTO " + r.table + " (handle, user_id, current_mark, current_at, generation, handed, auth_at, user_agent, address, label," +
			" payload, data, data_version, created_at, expires_at) VALUES " + strings.Join(rows, ", "))
	}
}

// each changes all sessions, in no order.
func (r *Rows) each(set string) {
	for i := range r.handles {
		j := i + chance(len(r.handles)-i)
		r.handles[i], r.handles[j] = r.handles[j], r.handles[i]
	}
	for from := 0; from < len(r.handles); from += rowsInBatch {
		r.exec("UPDATE"+directive+r.table+" SET "+set+" WHERE handle IN (UNHEX('"+strings.Join(r.handles[from:from+rowsInBatch], "'), UNHEX('")+"'))",
			r.began+int64(len(r.handles)*1000+from))
	}
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// handleAt is a handle that begins with a time.
func handleAt(millis int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(millis)<<16|0x7000) //nolint:gosec // a time of this century
	return hex.EncodeToString(b[:]) + "80" + random(7)
}
