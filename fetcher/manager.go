package fetcher

import (
	"sync"

	"github.com/sirupsen/logrus"

	"ottla/zkcoord/cluster"
)

// Manager is all that this broker copies, and the fetchers that do it.
type Manager struct {
	options Options
	metrics *metrics

	mu struct {
		sync.Mutex
		fetchers map[fetcherID]*fetcher
		// where says which fetcher has a partition.
		where  map[cluster.TopicPartition]*fetcher
		closed bool
	}
}

// New returns a Manager that copies nothing yet.
func New(o Options) *Manager {
	o.Versions = o.Versions.withDefaults()
	if o.Log == nil {
		o.Log = logrus.StandardLogger()
	}
	if o.BrokerEpoch == nil {
		o.BrokerEpoch = func() int64 { return -1 }
	}
	m := &Manager{options: o}
	m.mu.fetchers = make(map[fetcherID]*fetcher)
	m.mu.where = make(map[cluster.TopicPartition]*fetcher)
	m.metrics = newMetrics(m, o.Metrics)
	return m
}

// AddPartitions begins to copy. A partition that is copied already goes on in its new reign; one that nobody leads is copied no more.
func (m *Manager) AddPartitions(parts []Following) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed {
		return
	}
	n := m.fetchersPerLeader()
	var moved []cluster.TopicPartition
	groups := make(map[fetcherID][]Following)
	for _, p := range parts {
		id := fetcherID{p.Leader, fetcherOf(p.TopicPartition, n)}
		if f, ok := m.mu.where[p.TopicPartition]; ok {
			if f.id == id && f.copies(p) {
				continue
			}
			moved = append(moved, p.TopicPartition)
		}
		if p.Leader != cluster.NoBroker {
			groups[id] = append(groups[id], p)
		}
	}
	// What an old leader sends must not be appended any more when the new one is asked.
	m.removeLocked(moved)
	for id, group := range groups {
		f, ok := m.mu.fetchers[id]
		if !ok {
			f = startFetcher(id, &m.options)
			m.mu.fetchers[id] = f
		}
		for _, p := range group {
			m.mu.where[p.TopicPartition] = f
		}
		f.add(group)
	}
	m.closeIdleLocked()
}

// RemovePartitions returns when nothing is copied into these partitions any more.
func (m *Manager) RemovePartitions(tps []cluster.TopicPartition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removeLocked(tps)
	m.closeIdleLocked()
}

func (m *Manager) removeLocked(tps []cluster.TopicPartition) {
	groups := make(map[*fetcher][]cluster.TopicPartition)
	for _, tp := range tps {
		if f, ok := m.mu.where[tp]; ok {
			groups[f] = append(groups[f], tp)
			delete(m.mu.where, tp)
		}
	}
	for f, group := range groups {
		f.remove(group)
	}
}

// closeIdleLocked ends the fetchers that have nothing left to copy.
func (m *Manager) closeIdleLocked() {
	for id, f := range m.mu.fetchers {
		if f.empty() {
			f.close()
			m.metrics.ended(f)
			delete(m.mu.fetchers, id)
		}
	}
}

func (m *Manager) fetchersPerLeader() int {
	if m.options.Config == nil {
		return 1
	}
	return m.options.Config().withDefaults().Fetchers
}

// Resize puts a changed number of fetchers for each leader in force.
func (m *Manager) Resize() {
	m.mu.Lock()
	var all []Following
	for _, f := range m.mu.fetchers {
		all = append(all, f.following()...)
	}
	m.mu.Unlock()
	m.AddPartitions(all)
}

// Close ends all copying. A second call does nothing.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.closed = true
	for id, f := range m.mu.fetchers {
		f.close()
		delete(m.mu.fetchers, id)
	}
	clear(m.mu.where)
	m.metrics.unregister()
}
