package fetcher

import (
	"cmp"
	"slices"
	"time"

	"ottla/zkcoord/cluster"
)

// Snapshot is one fetcher as the web page and the test scripts show it.
type Snapshot struct {
	Leader     cluster.BrokerID `json:"leader"`
	Fetcher    int              `json:"fetcher"`
	Partitions int              `json:"partitions"`
	// MaxLag is how many committed records are missing where most are.
	MaxLag int64 `json:"maxLag"`
	// Down is why the leader cannot be reached, if it cannot, and Since since when.
	Down  string    `json:"down,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Troubled are the partitions that are not copied at present.
	Troubled []Trouble `json:"troubled,omitempty"`
}

// Trouble is a partition that is not copied, and why.
type Trouble struct {
	Partition string    `json:"partition"`
	Offset    int64     `json:"offset"`
	Cause     string    `json:"cause"`
	Since     time.Time `json:"since"`
	// Aside is set where only a decision of the controller helps.
	Aside bool `json:"aside,omitempty"`
}

// Snapshot is all fetchers in order.
func (m *Manager) Snapshot() []Snapshot {
	m.mu.Lock()
	all := make([]Snapshot, 0, len(m.mu.fetchers))
	for _, f := range m.mu.fetchers {
		all = append(all, f.snapshot())
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b Snapshot) int {
		return cmp.Or(cmp.Compare(a.Leader, b.Leader), cmp.Compare(a.Fetcher, b.Fetcher))
	})
	return all
}

func (f *fetcher) snapshot() Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Snapshot{Leader: f.id.leader, Fetcher: f.id.number, Partitions: len(f.mu.partitions)}
	if f.mu.down != nil {
		s.Down, s.Since = f.mu.down.Error(), f.mu.since
	}
	for _, p := range f.mu.partitions {
		s.MaxLag = max(s.MaxLag, p.shown.lag)
		if p.trouble != nil {
			s.Troubled = append(s.Troubled, Trouble{p.String(), p.shown.offset, p.trouble.Error(), p.since, p.shown.aside})
		}
	}
	slices.SortFunc(s.Troubled, func(a, b Trouble) int { return cmp.Compare(a.Partition, b.Partition) })
	return s
}

func (f *fetcher) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.partitions) == 0
}

func (f *fetcher) following() []Following {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Following
	for _, p := range f.mu.partitions {
		all = append(all, p.Following)
	}
	return all
}
