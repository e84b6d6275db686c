package replica

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"ottla/logdir"
)

// metrics count for all partitions. The sums over partitions are made when somebody scrapes, and cost nothing
// before.
type metrics struct {
	m           *Manager
	registry    prometheus.Registerer
	isrExpands  prometheus.Counter
	isrShrinks  prometheus.Counter
	isrFailures prometheus.Counter
	moves       moveMetrics
	lostTails   prometheus.Counter

	mu struct {
		sync.Mutex
		topics map[string]*topicStats
		// gone is what the topics counted that are no longer here: the sum over all topics must not fall.
		gone [numTopicCounters]int64
	}
}

// topicStats count what goes in and out of a topic.
type topicStats struct {
	bytesIn, bytesOut, replicationBytesOut, bytesRejected atomic.Int64
	messagesIn                                            atomic.Int64
	produces, failedProduces, fetches                     atomic.Int64
	produceConversions, fetchConversions                  atomic.Int64
}

func (s *topicStats) appended(bytes int, messages int64) {
	s.produces.Add(1)
	s.bytesIn.Add(int64(bytes))
	s.messagesIn.Add(messages)
}

func (s *topicStats) refused(bytes int, err error) {
	s.produces.Add(1)
	s.failedProduces.Add(1)
	if errors.Is(err, logdir.ErrTooLarge) {
		s.bytesRejected.Add(int64(bytes))
	}
}

func (s *topicStats) converted(records int) {
	if records > 0 {
		s.produceConversions.Add(int64(records))
	}
}

func (s *topicStats) fetched() { s.fetches.Add(1) }

func (s *topicStats) read(bytes int, byFollower bool) {
	if byFollower {
		s.replicationBytesOut.Add(int64(bytes))
	} else {
		s.bytesOut.Add(int64(bytes))
	}
}

func newMetrics(m *Manager, registry prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "kafka_server_replicamanager_" + name, Help: help})
	}
	s := &metrics{m: m, registry: registry,
		isrExpands:  counter("isrexpands_total", "Times that an ISR grew."),
		isrShrinks:  counter("isrshrinks_total", "Times that an ISR shrank."),
		isrFailures: counter("failedisrupdates_total", "Times that the controller did not grant an ISR."),
	}
	s.lostTails = prometheus.NewCounter(prometheus.CounterOpts{Name: "ottla_replica_lost_tails_total",
		Help: "Partitions that this broker was elected to lead after its disk had forgotten records that were committed."})
	s.mu.topics = make(map[string]*topicStats)
	if registry != nil {
		if err := registry.Register(s); err != nil {
			m.log.Warnf("metrics of the replicas: %v", err)
		}
	}
	return s
}

func (s *metrics) unregister() {
	if s.registry != nil {
		s.registry.Unregister(s)
	}
}

// topic are the counters of a topic, which its partitions share.
func (s *metrics) topic(name string) *topicStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.mu.topics[name]
	if !ok {
		t = new(topicStats)
		s.mu.topics[name] = t
	}
	return t
}

// dropTopic forgets a topic's counters when its last partition has left this broker.
func (s *metrics) dropTopic(name string) {
	for _, p := range s.m.Partitions() {
		if p.tp.Topic == name {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stats, ok := s.mu.topics[name]; ok {
		for i, c := range topicCounters {
			s.mu.gone[i] += c.value(stats)
		}
		delete(s.mu.topics, name)
	}
}

func (s *metrics) isrChanged(before, after int) {
	switch {
	case after > before:
		s.isrExpands.Inc()
	case after < before:
		s.isrShrinks.Inc()
	}
}
