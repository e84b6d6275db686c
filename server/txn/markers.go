package txn

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// completion is a decided transaction whose markers are being written. Its partitions leave the transaction's set one by
// one; when that is empty, the Complete record is written.
type completion struct {
	t          *transaction
	commit     bool
	producerID int64
	epoch      int16
	next       metadata
	finishing  bool // guarded by the transaction's lock
}

// toWrite are the partitions of a completion that one broker leads. Without partitions only the Complete record is left.
type toWrite struct {
	of         *completion
	partitions []cluster.TopicPartition
}

// markers sends the markers to the leaders [TransactionMarkerChannelManager]. To each broker one request is in flight; what
// comes meanwhile is gathered into the next. What fails is sent again, to whoever leads by then, until it is written or the
// reign is over: a decision that is in the log must reach every partition.
type markers struct {
	c       *Coordinator
	leaders Leaders
	wake    chan struct{} // of capacity 1: something waits in again

	mu struct {
		sync.Mutex
		brokers map[cluster.BrokerID]*markerQueue
		again   []toWrite
	}
}

// markerQueue is what waits for one broker.
type markerQueue struct {
	waiting  []toWrite
	inFlight bool
}

func newMarkers(c *Coordinator, leaders Leaders) *markers {
	m := &markers{c: c, leaders: leaders, wake: make(chan struct{}, 1)}
	m.mu.brokers = make(map[cluster.BrokerID]*markerQueue)
	return m
}

// send brings a completion on its way.
func (m *markers) send(d *completion) {
	d.t.mu.Lock()
	rest := make([]cluster.TopicPartition, 0, len(d.t.mu.partitions))
	for tp := range d.t.mu.partitions {
		rest = append(rest, tp)
	}
	d.t.mu.Unlock()
	m.route(toWrite{d, rest})
}

// route hands partitions to the queues of their leaders.
func (m *markers) route(w toWrite) {
	if !m.c.owned.Current(w.of.t.reign) {
		return // the next coordinator finds the decision in the log
	}
	byLeader := make(map[cluster.BrokerID][]cluster.TopicPartition)
	var deleted []cluster.TopicPartition
	for _, tp := range w.partitions {
		leader, exists := m.leaders.Leader(tp)
		if !exists {
			deleted = append(deleted, tp)
			continue
		}
		byLeader[leader] = append(byLeader[leader], tp)
	}
	if deleted != nil {
		w.of.t.log(m.c.log).Infof("no markers for %v: deleted", deleted)
	}
	for leader, tps := range byLeader {
		if leader == cluster.NoBroker {
			m.later(toWrite{w.of, tps})
			continue
		}
		m.enqueue(leader, toWrite{w.of, tps})
	}
	m.written(w.of, deleted)
}

// later puts work aside for the next try.
func (m *markers) later(w toWrite) {
	m.mu.Lock()
	m.mu.again = append(m.mu.again, w)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// waiting counts what is put aside: writes of markers, and Complete records.
func (m *markers) waiting() (writes, completes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.mu.again {
		if len(w.partitions) > 0 {
			writes++
		} else {
			completes++
		}
	}
	return writes, completes
}

// retry routes anew what has failed, each time after a rest. It runs until Close.
func (m *markers) retry() {
	for {
		select {
		case <-m.c.ctx.Done():
			return
		case <-m.wake:
		}
		if !wait(m.c.ctx, m.c.config.MarkerRetryBackoff) {
			return
		}
		m.mu.Lock()
		again := m.mu.again
		m.mu.again = nil
		m.mu.Unlock()
		for _, w := range again {
			m.route(w)
		}
	}
}

func (m *markers) enqueue(to cluster.BrokerID, w toWrite) {
	m.mu.Lock()
	q := m.mu.brokers[to]
	if q == nil {
		q = &markerQueue{}
		m.mu.brokers[to] = q
	}
	q.waiting = append(q.waiting, w)
	if q.inFlight {
		m.mu.Unlock()
		return
	}
	q.inFlight = true
	m.mu.Unlock()
	m.flush(to, q)
}

// flush sends what waits for a broker. It belongs to whoever set inFlight.
func (m *markers) flush(to cluster.BrokerID, q *markerQueue) {
	m.mu.Lock()
	batch := slices.DeleteFunc(q.waiting, func(w toWrite) bool { return !m.c.owned.Current(w.of.t.reign) })
	q.waiting = nil
	if q.inFlight = len(batch) > 0; !q.inFlight {
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	m.leaders.WriteMarkers(to, markersRequest(batch), func(resp *kmsg.WriteTxnMarkersResponse, err error) {
		m.answered(to, batch, resp, err)
		m.next(to, q)
	})
}

// next goes on with what has come meanwhile. That is done elsewhere: this may be the goroutine of a connection, which
// writes its own transaction's markers while the producer reads the answer, but not everybody else's.
func (m *markers) next(to cluster.BrokerID, q *markerQueue) {
	m.mu.Lock()
	q.inFlight = len(q.waiting) > 0
	more := q.inFlight
	m.mu.Unlock()
	if more {
		m.c.work.Run(func() { m.flush(to, q) })
	}
}

func markersRequest(batch []toWrite) *kmsg.WriteTxnMarkersRequest {
	req := kmsg.NewPtrWriteTxnMarkersRequest()
	req.SetVersion(1)
	for _, w := range batch {
		marker := kmsg.NewWriteTxnMarkersRequestMarker()
		marker.ProducerID, marker.ProducerEpoch, marker.Committed = w.of.producerID, w.of.epoch, w.of.commit
		marker.CoordinatorEpoch = w.of.t.reign.Epoch
		set := make(partitions, len(w.partitions))
		for _, tp := range w.partitions {
			set[tp] = struct{}{}
		}
		for _, t := range set.byTopic() {
			topic := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
			topic.Topic, topic.Partitions = t.name, t.partitions
			marker.Topics = append(marker.Topics, topic)
		}
		req.Markers = append(req.Markers, marker)
	}
	return req
}

// markerKey is a marker's place in an answer.
type markerKey struct {
	producerID int64
	tp         cluster.TopicPartition
}

// answered sorts what was written from what has to be written again.
func (m *markers) answered(to cluster.BrokerID, batch []toWrite, resp *kmsg.WriteTxnMarkersResponse, err error) {
	if err != nil {
		m.c.log.Warnf("Markers of %d transactions to broker %d: %v; sending them again", len(batch), to, err)
		for _, w := range batch {
			m.later(w)
		}
		return
	}
	codes := make(map[markerKey]int16)
	for _, marker := range resp.Markers {
		for _, t := range marker.Topics {
			for _, p := range t.Partitions {
				codes[markerKey{marker.ProducerID, cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}}] = p.ErrorCode
			}
		}
	}
	for _, w := range batch {
		m.judge(w, func(tp cluster.TopicPartition) (int16, bool) {
			code, ok := codes[markerKey{w.of.producerID, tp}]
			return code, ok
		})
	}
}

func (m *markers) judge(w toWrite, code func(cluster.TopicPartition) (int16, bool)) {
	var done, again []cluster.TopicPartition
	for _, tp := range w.partitions {
		code, answered := code(tp)
		switch {
		case answered && (code == 0 || code == kerr.UnsupportedForMessageFormat.Code):
			done = append(done, tp)
		case answered && (code == kerr.InvalidProducerEpoch.Code || code == kerr.TransactionCoordinatorFenced.Code):
			// A later coordinator, or an operator, has been there: this completion is not for us to finish.
			w.of.t.log(m.c.log).Warnf("producer %d: marker for %s refused: %v; the transaction is left to its next coordinator",
				w.of.producerID, tp, kerr.ErrorForCode(code))
			return
		default:
			again = append(again, tp)
		}
	}
	if again != nil {
		m.later(toWrite{w.of, again})
	}
	m.written(w.of, done)
}

// written takes partitions out of the transaction, and ends it with the last of them.
func (m *markers) written(d *completion, done []cluster.TopicPartition) {
	d.t.mu.Lock()
	for _, tp := range done {
		delete(d.t.mu.partitions, tp)
	}
	last := len(d.t.mu.partitions) == 0 && !d.finishing
	d.finishing = d.finishing || last
	d.t.mu.Unlock()
	if last {
		m.finish(d)
	}
}

// finish writes the Complete record, again and again if need be: what follows the decision cannot fail, only wait.
func (m *markers) finish(d *completion) {
	lost := func(code int16) bool { return code == kerr.NotCoordinator.Code }
	m.c.store(d.t, d.next, func(code int16) bool { return !lost(code) }, func(code int16) {
		switch {
		case code == 0:
			m.c.metrics.ended(d.commit)
		case !lost(code):
			d.t.log(m.c.log).Warnf("all markers are written, but not that the transaction is over: %v; trying again", kerr.ErrorForCode(code))
			d.t.mu.Lock()
			d.finishing = false
			d.t.mu.Unlock()
			m.later(toWrite{of: d})
		}
	})
}
