package model

// Row is what a session is like on disk.
type Row struct {
	Refreshed float64 // the share of sessions that have been refreshed: they have a previous mark
	Offered   float64 // the share whose last refresh was not used yet: they have a pending one, too
	Grown     bool    // rows were inserted without these marks, and have got them where they lie
}

// Columns of the table of sessions, in bytes; see store/mysql/migrations/0001_sessions.sql.
const (
	fixedColumns  = 16 + 32 + 8 + 4 + 4 + 8 + 8 + 8 + 8 // handle, current_mark, and what is never NULL of numbers
	previousMark  = 32 + 8                              // previous_mark, rotated_at
	pendingMark   = 32 + 8 + 8                          // pending_mark, pending_at, handed_at
	endedColumns  = 8 + 8 + 1 + 6                       // ended_at, ending_id, ending_reason
	nullableOf    = 13
	timeColumn    = 8
	handleColumn  = 16
	rowHeader     = 5                        // of a record of InnoDB's, in any index
	rowSystem     = 6 + 7                    // DB_TRX_ID and DB_ROLL_PTR, in the primary key
	rowNulls      = (nullableOf + 8 - 1) / 8 // a bit for each column that may be NULL
	indexNulls    = 1                        // likewise
	pageSize      = 16 << 10                 // innodb_page_size
	pageUsable    = pageSize - 128           // without header, trailer and directory
	longestInPage = pageSize/2 - 66          // what is longer has its longest columns elsewhere
	elsewhere     = 20                       // a pointer there
	inOrder       = 15.0 / 16                // how full pages are where keys come in their order
	atRandom      = 0.69                     // and where they do not: ln 2
	unreserved    = 1 - 1.0/8                // innodb_segment_reserve_factor: an eighth of a segment's pages is kept empty
	upperLevels   = 1.01                     // of the trees
	shortest      = 127                      // up to which a length takes one byte
)

// variable is a column of a length of its own.
func variable(n int) float64 {
	if n > shortest {
		return float64(n) + 2
	}
	return float64(n) + 1
}

// record is what a live session's row takes in the primary key, and what of it is elsewhere.
func (d Deployment) rowBytes(r Row, live bool) (inPage, outside float64) {
	n := float64(rowHeader + rowNulls + rowSystem + fixedColumns)
	n += variable(d.UserID) + float64(d.Device) + 2 + variable(d.Label) // a device is two columns
	n += r.Refreshed*previousMark + r.Offered*pendingMark
	if !live {
		return n + endedColumns, 0
	}
	for _, blob := range []int{d.Data, d.Payload} {
		switch {
		case blob == 0: // NULL
		case n+float64(blob) > longestInPage:
			n += elsewhere
			outside += float64((blob+pageUsable-1)/pageUsable) * pageSize
		default:
			n += variable(blob)
		}
	}
	return n, outside
}

// Storage is what sessions take on disk, in bytes each, with the empty part of their pages.
type Storage struct {
	Primary, ByUser, ByEnd, ByFeed float64
	Outside                        float64 // payload and data that do not fit into a page
}

// Total is the sum.
func (s Storage) Total() float64 { return s.Primary + s.ByUser + s.ByEnd + s.ByFeed + s.Outside }

func onPages(n, fill float64) float64 {
	return n / fill * pageSize / pageUsable * upperLevels / unreserved
}

// Live is what a live session takes.
func (d Deployment) Live(r Row) Storage {
	n, outside := d.rowBytes(r, true)
	fill := inOrder
	if r.Grown {
		// Rows were inserted in the order of their handles, and their pages were full. As they grow these are split in two.
		first, _ := d.rowBytes(Row{}, true)
		if fill *= n / first; fill > 1 {
			fill /= 2
		}
	}
	user := variable(d.UserID)
	return Storage{
		Primary: onPages(n, fill), Outside: outside / unreserved,
		ByUser: onPages(rowHeader+indexNulls+user+handleColumn, atRandom),
		ByEnd:  onPages(rowHeader+indexNulls+timeColumn+handleColumn, atRandom),
		ByFeed: onPages(rowHeader+indexNulls+handleColumn, inOrder),
	}
}

// Ended is what the record of an ended session takes, that became an entry of the feed or not. It lies where the session lay.
func (d Deployment) Ended(r Row, fed bool) Storage {
	n, _ := d.rowBytes(r, false)
	entry := 0.0
	if fed {
		n += timeColumn
		entry = timeColumn
	}
	user := variable(d.UserID)
	return Storage{
		Primary: onPages(n, atRandom),
		ByUser:  onPages(rowHeader+indexNulls+user+timeColumn+handleColumn, atRandom),
		ByEnd:   onPages(rowHeader+indexNulls+2*timeColumn+handleColumn, atRandom),
		ByFeed:  onPages(rowHeader+indexNulls+entry+handleColumn, atRandom),
	}
}

// steady is what rows are like in a deployment that has been running for long.
var steady = Row{Refreshed: 1, Grown: true}

// Records is how many records of ended sessions are kept.
func (d Deployment) Records() (all, fed float64) {
	perSecond, fedPerSecond, _ := d.ends()
	kept := max(d.EndingRetention, d.relevant()+2*feedOverlap).Seconds()
	return perSecond * kept, fedPerSecond * kept
}

// Disk is what the tables take in all.
func (d Deployment) Disk() float64 {
	all, fed := d.Records()
	return d.Sessions()*d.Live(steady).Total() + fed*d.Ended(steady, true).Total() + (all-fed)*d.Ended(steady, false).Total()
}
