package model

// Prediction is everything that the model says about a deployment. Rates are a second, sizes in bytes.
type Prediction struct {
	Sessions  float64 `json:"sessions"`
	Processes int     `json:"processes"`
	Requests  Mean    `json:"requests"`
	Refreshes Mean    `json:"refreshes"`

	Operations []Rate `json:"operations"`
	Statements struct {
		Mean Rates `json:"mean"`
		Peak Rates `json:"peak"`
	} `json:"statements"`
	Shards Shards `json:"shards"`

	Disk struct {
		Session float64 `json:"session"` // a live one, with its share of the indexes
		Row     float64 `json:"row"`     // of that, without the indexes
		Indexes float64 `json:"indexes"`
		Ending  float64 `json:"ending"` // the record of an ended one
		Records float64 `json:"records"`
		All     float64 `json:"all"`
	} `json:"disk"`
	Network struct {
		Mean Network `json:"mean"`
		Peak Network `json:"peak"`
	} `json:"network"`
	Feed    Feed    `json:"feed"`
	Process Process `json:"process"`
}

// Mean is a rate on the day's mean and at its busiest hour.
type Mean struct {
	Mean float64 `json:"mean"`
	Peak float64 `json:"peak"`
}

// Rate is how often an operation is done, and the statements that it sends.
type Rate struct {
	Operation  string  `json:"operation"`
	Mean       float64 `json:"mean"`
	Peak       float64 `json:"peak"`
	Statements int     `json:"statements"` // each time
}

// Predict works everything out.
func (d Deployment) Predict() Prediction {
	p := Prediction{
		Sessions: d.Sessions(), Processes: d.ProcessCount(),
		Requests: Mean{d.RequestRate(), d.RequestRate() * d.Peak},
		Shards:   d.Shards(), Feed: d.Feed(), Process: d.Process(),
	}
	for _, l := range d.Loads() {
		if l.Mean > 0 {
			p.Operations = append(p.Operations, Rate{l.Operation.Name, l.Mean, l.Peak, len(l.Operation.Statements)})
		}
		if l.Operation.Name == Refresh.Name {
			p.Refreshes = Mean{l.Mean, l.Peak}
		}
	}
	p.Statements.Mean, p.Statements.Peak = d.Statements()
	live := d.Live(steady)
	p.Disk.Session, p.Disk.Row = live.Total(), live.Primary+live.Outside
	p.Disk.Indexes = p.Disk.Session - p.Disk.Row
	p.Disk.Ending = d.Ended(steady, false).Total()
	p.Disk.Records, _ = d.Records()
	p.Disk.All = d.Disk()
	p.Network.Mean, p.Network.Peak = d.Network()
	return p
}
