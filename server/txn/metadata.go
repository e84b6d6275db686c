package txn

import (
	"maps"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord/cluster"
)

const (
	noProducerID    int64 = -1
	noProducerEpoch int16 = -1
	noTime          int64 = -1
)

// partitions is a set.
type partitions map[cluster.TopicPartition]struct{}

// metadata is a transactional id as its record has it, and what is remembered of the producer before.
//
// The methods that begin with "to" return what the transaction is to become; they change nothing. now is in ms.
type metadata struct {
	state      State
	producerID int64
	epoch      int16
	// lastProducerID and lastEpoch are those that a producer has named when it was given the present ones: it may ask
	// again with them if the answer was lost. They are not written, so that is forgotten with the coordinator.
	lastProducerID int64
	lastEpoch      int16
	timeout        int32 // ms
	partitions     partitions
	started        int64 // ms, of the transaction
	updated        int64 // ms
}

// exhausted: one epoch is left, and that is for the fence.
func (m *metadata) exhausted() bool { return m.epoch >= math.MaxInt16-1 }

func exhaustedEpoch(epoch int16) bool { return epoch >= math.MaxInt16-1 }

// expectation is the producer id and epoch that a producer says it has; its id is -1 if it says nothing.
type expectation struct {
	producerID int64
	epoch      int16
}

func (e expectation) any() bool { return e.producerID != noProducerID }

// knows reports whether the producer may be the present one. Its epoch is looked at when that is to be raised. One whose
// epochs were used up may come again with the old id: it was given a new one and never heard of it.
func (m *metadata) knows(e expectation) bool {
	return !e.any() || m.epoch == noProducerEpoch || e.producerID == m.producerID ||
		e.producerID == m.lastProducerID && exhaustedEpoch(e.epoch)
}

// needsProducerID: the epochs are used up, and the producer, if it says who it is, is the present one.
func (m *metadata) needsProducerID(e expectation) bool {
	return m.exhausted() && (!e.any() || e.epoch == m.epoch)
}

// toEmpty is the next life of the producer.
func (m *metadata) toEmpty(e expectation, timeout int32, now int64) (next metadata, code int16) {
	bumped := m.epoch + 1 // 0 for a new producer
	next = metadata{state: Empty, producerID: m.producerID, lastProducerID: m.producerID, timeout: timeout, started: noTime, updated: now}
	switch {
	case !e.any():
		next.epoch, next.lastEpoch = bumped, noProducerEpoch
	case m.epoch == noProducerEpoch || e.epoch == m.epoch:
		next.epoch, next.lastEpoch = bumped, m.epoch
	case e.epoch == m.lastEpoch:
		// It asks again, since it has not heard the answer. Nobody else came meanwhile: that would have cleared lastEpoch.
		next.epoch, next.lastEpoch = m.epoch, m.lastEpoch
	default:
		return metadata{}, kerr.ProducerFenced.Code
	}
	return next, 0
}

// toNewProducer is the next life of the producer under another id.
func (m *metadata) toNewProducer(id int64, e expectation, timeout int32, now int64) metadata {
	next := metadata{state: Empty, producerID: id, lastProducerID: m.producerID, epoch: 0, lastEpoch: noProducerEpoch,
		timeout: timeout, started: noTime, updated: now}
	if e.any() {
		next.lastEpoch = m.epoch
	}
	return next
}

// toFence shuts the present producer out. failedFence says that this was tried before and the record was not written:
// the epoch was raised then, and told nobody.
func (m *metadata) toFence(failedFence bool) metadata {
	next := m.copy()
	next.state, next.lastEpoch = PrepareEpochFence, noProducerEpoch
	if !failedFence {
		next.epoch++
	}
	return next
}

// toOngoing adds partitions.
func (m *metadata) toOngoing(added partitions, now int64) metadata {
	next := m.copy()
	if m.state != Ongoing {
		next.partitions, next.started = make(partitions, len(added)), now
	}
	maps.Copy(next.partitions, added)
	next.state, next.updated = Ongoing, now
	return next
}

// toPrepare decides.
func (m *metadata) toPrepare(commit bool, now int64) metadata {
	next := m.copy()
	next.updated = now
	if next.state = PrepareAbort; commit {
		next.state = PrepareCommit
	}
	return next
}

// toComplete ends the transaction: all markers are written.
func (m *metadata) toComplete(now int64) metadata {
	next := m.copy()
	next.updated, next.partitions = now, partitions{}
	if next.state = CompleteAbort; m.state == PrepareCommit {
		next.state = CompleteCommit
	}
	return next
}

func (m *metadata) toDead() metadata {
	next := m.copy()
	next.state, next.partitions = Dead, partitions{}
	return next
}

// copy shares no set with m.
func (m *metadata) copy() metadata {
	next := *m
	next.partitions = maps.Clone(m.partitions)
	if next.partitions == nil {
		next.partitions = partitions{}
	}
	return next
}

// contains reports whether all of the partitions belong to the transaction.
func (m *metadata) contains(asked partitions) bool {
	for tp := range asked {
		if _, ok := m.partitions[tp]; !ok {
			return false
		}
	}
	return true
}

// timedOut reports whether the transaction has been open for too long.
func (m *metadata) timedOut(now int64) bool {
	return m.state == Ongoing && m.started+int64(m.timeout) < now
}
