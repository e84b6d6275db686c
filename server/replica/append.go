package replica

import (
	"errors"
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// acksAll waits for the whole ISR; 1 waits for the leader, 0 for nobody.
const acksAll int16 = -1

// AppendEntry is the records for one partition, and what became of them.
type AppendEntry struct {
	cluster.TopicPartition
	// Records are as the client sent them. They may be written to, and are not used after appended was called.
	Records []byte
	// Guard is what StartVerification gave for the records of a transaction, or nothing.
	Guard logdir.Guard
	// LeadingSince, if not nil, is the epoch with which this broker became leader, for records that are to be appended only
	// if it has led without a break since. The epoch itself may have risen: each change of the ISR by a broker that
	// leaves gives the leader a new one.
	LeadingSince *int32

	// Result is the log's. Its LogStartOffset is -1 where the records did not reach a log.
	Result logdir.AppendResult
	// Err is nil, one of this package's errors or one of logdir's.
	Err error

	waiting waiting
}

// refused is the result of records that did not reach a log.
var refused = logdir.AppendResult{FirstOffset: -1, LastOffset: -1, LogAppendTime: -1, LogStartOffset: -1, MaxTimestamp: -1}

// waiting is what stands between an appended entry and its acknowledgement.
type waiting struct {
	partition *Partition // nil once there is nothing more to wait for
	since     int32
	// offset is what the high watermark must reach.
	offset int64
}

// settled reports whether the entry waits for nothing, and notes how it ended.
func (e *AppendEntry) settled() bool {
	if e.waiting.partition == nil {
		return true
	}
	done, err := e.waiting.partition.committed(e.waiting.since, e.waiting.offset)
	if done {
		e.Err, e.waiting.partition = err, nil
	}
	return done
}

// Append appends each entry to its partition, if this broker leads it. appended, unless nil, is called once when
// all have been appended or refused; then their Records are free. done is called once with the results, at the
// latest after the timeout; with acks 0 or 1, and with acks -1 (all) where this broker is the whole ISR, that is
// before Append returns.
//
// An entry's failure is its own. Its Result tells the log start even of records that were refused by the log.
func (m *Manager) Append(acks int16, timeout time.Duration, origin logdir.Origin, version int16, entries []AppendEntry,
	appended func(), done func([]AppendEntry)) {
	open := 0
	for i := range entries {
		e := &entries[i]
		m.append(e, acks, origin, version)
		if e.waiting.partition != nil {
			open++
		}
	}
	if appended != nil {
		appended()
	}
	if open == 0 {
		done(entries)
		return
	}
	m.awaitCommit(entries, timeout, open, done)
}

// append appends one entry and wakes whoever waited for its records.
func (m *Manager) append(e *AppendEntry, acks int16, origin logdir.Origin, version int16) {
	e.Result, e.Err, e.waiting = refused, nil, waiting{}
	p, err := m.appendable(e.TopicPartition, acks, origin)
	if err != nil {
		e.Err = err
		return
	}
	size := len(e.Records)
	a, err := p.appendAsLeader(e, acks, origin, version)
	e.Result = a.AppendResult
	if err != nil {
		e.Err = err
		p.stats.refused(size, err)
		if errors.Is(err, logdir.ErrDiskFull) {
			p.diskFull()
		}
		return
	}
	p.stats.appended(size, a.LastOffset-a.FirstOffset+1)
	p.stats.converted(a.Conversion.Records)
	if a.rose {
		m.checkAll(p.tp)
	} else {
		check(m.fetches, p.tp) // followers wait for the log's end
	}
	if acks == acksAll {
		e.waiting = waiting{partition: p, since: a.since, offset: a.LastOffset + 1}
		e.settled()
	}
}

// appendable finds the partition of an append.
func (m *Manager) appendable(tp cluster.TopicPartition, acks int16, origin logdir.Origin) (*Partition, error) {
	if acks < acksAll || acks > 1 {
		return nil, ErrInvalidRequiredAcks
	}
	if origin == logdir.OriginClient && isInternal(tp.Topic) {
		return nil, ErrInvalidTopic
	}
	// Rule 6: cut off from ZooKeeper for longer than its session, this broker leads only as far as it knows. With acks=1 it would
	// take records that the heal cuts off, for as long as it is cut off (TestAFencedLeaderTakesNoRecords).
	if m.options.Fenced != nil && m.options.Fenced() {
		return nil, ErrNotLeader
	}
	return m.Partition(tp)
}

// isInternal reports whether a topic belongs to the coordinators.
func isInternal(topic string) bool {
	return topic == "__consumer_offsets" || topic == "__transaction_state"
}
