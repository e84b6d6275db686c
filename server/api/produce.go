package api

import (
	"fmt"
	"strings"
	"time"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/server/network"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// produce is a Produce request in work. Its records are views of the frame until every partition has been
// appended or refused; after that only the entries' results count. It is pooled, with its slices and
// bound functions, so that a request costs a handful of allocations however many records it carries.
type produce struct {
	api     *API
	call    *call
	acks    int16
	timeout time.Duration
	// entries are the partitions in the request's order, topics says how many belong to each topic.
	entries []replica.AppendEntry
	topics  []produceTopic
	nodes   []node

	appended func()                      // p.onAppended, bound once
	done     func([]replica.AppendEntry) // p.answer, bound once
}

type produceTopic struct {
	name       string
	partitions int
}

// Errors that this handler finds before the log sees the records.
var (
	errTransactionalID = fail(codeTransactionalIDAuthorizationFailed, "")
	errTwoProducers    = fail(codeInvalidProducerIDMapping, "Transactional records contained more than one producer ID")
	errRequiredAcks    = fail(codeInvalidRequiredAcks, "")
)

// How many bytes a topic and a partition of a Produce take at least, so that a count can be held to what is
// there: a name and a list without anything in them; a number and the length of the records.
const (
	leastTopic     = 1 + 1 + 1
	leastPartition = 4 + 1
)

func (a *API) produce(c *call) error {
	p, _ := a.produces.Get().(*produce)
	if p == nil {
		p = &produce{}
		p.appended, p.done = p.onAppended, p.answer
	}
	p.api, p.call = a, c
	transactionalID, named, err := p.decode(c.frame.Body)
	if err != nil {
		p.free()
		return err
	}
	transactional, refused := p.refusal(named)
	if refused != nil || len(p.entries) == 0 {
		for i := range p.entries {
			e := &p.entries[i]
			e.Err, e.Result = refused, refusedResult
		}
		p.answer(p.entries)
		return nil
	}
	if transactional && a.Config.Current().TransactionVerification {
		p.verify(transactionalID)
		return nil
	}
	p.append(p.entries, p.done)
	return nil
}

// append hands entries to their partitions.
func (p *produce) append(entries []replica.AppendEntry, done func([]replica.AppendEntry)) {
	appended := p.appended
	if p.acks != -1 {
		// Nothing but the append is waited for, so there is nothing to overlap.
		appended = nil
	}
	p.api.Replicas.Append(p.acks, p.timeout, logdir.OriginClient, p.call.version, entries, appended, done)
}

// refusedResult is the result of records that never reached the log.
var refusedResult = logdir.AppendResult{FirstOffset: -1, LastOffset: -1, LogAppendTime: -1, LogStartOffset: -1}

// decode reads the request. Topic names are copied, records are not.
func (p *produce) decode(body []byte) (transactionalID string, named bool, err error) {
	r := reader{rest: body, flexible: p.call.version >= 9}
	if p.call.version >= 3 {
		id, null := r.text()
		named = !null && id != nil
		transactionalID = string(id)
	}
	p.acks = r.int16()
	p.timeout = time.Duration(r.int32()) * time.Millisecond
	for n := r.count(leastTopic); n > 0 && !r.bad; n-- {
		topic := r.string()
		partitions := r.count(leastPartition)
		p.topics = append(p.topics, produceTopic{topic, partitions})
		for ; partitions > 0 && !r.bad; partitions-- {
			p.entries = append(p.entries, replica.AppendEntry{
				TopicPartition: cluster.TopicPartition{Topic: topic, Partition: r.int32()},
				Records:        r.blob(),
			})
			r.tags(nil)
		}
		r.tags(nil)
	}
	r.tags(nil)
	return transactionalID, named, r.end()
}

// refusal is the error of a request that is refused as a whole. It tells also whether there are transactional batches: all
// of a request belong to one transaction.
func (p *produce) refusal(named bool) (transactional bool, err error) {
	if p.acks < -1 || p.acks > 1 {
		return false, errRequiredAcks
	}
	var producer int64
	var producerEpoch int16
	for i := range p.entries {
		records := p.entries[i].Records
		if !isTransactional(records) {
			continue
		}
		if !named {
			return true, errTransactionalID
		}
		id, epoch, _ := producerOf(records)
		if transactional && (id != producer || epoch != producerEpoch) {
			return true, errTwoProducers
		}
		transactional, producer, producerEpoch = true, id, epoch
	}
	return transactional, nil
}

// onAppended lets the connection go on to its next Produce while this one waits for followers. The frame
// may be gone when Pipeline returns.
func (p *produce) onAppended() { p.call.frame.Pipeline() }

// answer runs once, when every partition has its result.
func (p *produce) answer(entries []replica.AppendEntry) {
	p.countConversions(entries)
	if p.acks == 0 {
		p.end(entries)
		p.free()
		return
	}
	c, s := p.call, p.api.Metadata.Snapshot()
	w := writer{flexible: c.flexible}
	w.b = c.head(p.size(entries))
	w.count(len(p.topics))
	next := 0
	for _, t := range p.topics {
		w.string(t.name)
		w.count(t.partitions)
		for range t.partitions {
			p.partition(&w, &entries[next])
			next++
		}
		w.noTags()
	}
	if c.version >= 1 {
		w.int32(0) // throttle time
	}
	if c.version >= 10 {
		for i := range entries {
			if entries[i].Err != nil && code(entries[i].Err) == codeNotLeaderOrFollower {
				p.nodes = addNode(p.nodes, s, leaderOf(s, entries[i].TopicPartition).id, c.listener())
			}
		}
		w.nodesTag(p.nodes)
	} else {
		w.noTags()
	}
	p.free()
	c.frame.Answer(network.Answer{Head: w.b})
}

// countConversions tells the metrics what it has cost to store the records otherwise than as they came.
func (p *produce) countConversions(entries []replica.AppendEntry) {
	var cost batch.Conversion
	for i := range entries {
		cost.Add(entries[i].Result.Conversion)
	}
	if cost.Temporary > 0 {
		p.call.frame.Converted(cost.Took, cost.Temporary)
	}
}

// size estimates the answer's length in bytes.
func (p *produce) size(entries []replica.AppendEntry) int {
	n := 16 + len(entries)*40
	for i := range p.topics {
		n += len(p.topics[i].name) + 8
	}
	return n
}

func (p *produce) partition(w *writer, e *replica.AppendEntry) {
	version := p.call.version
	failed := code(e.Err)
	w.int32(e.Partition)
	w.int16(failed)
	offset, appendTime := int64(-1), int64(-1)
	if failed == codeNone {
		offset, appendTime = e.Result.FirstOffset, e.Result.LogAppendTime
	}
	w.int64(offset)
	if version >= 2 {
		w.int64(appendTime)
	}
	if version >= 5 {
		w.int64(e.Result.LogStartOffset)
	}
	if version >= 8 {
		records, message := recordErrors(e.Err)
		w.count(len(records))
		for i := range records {
			w.int32(records[i].Index)
			w.nullable(records[i].Message)
			w.noTags()
		}
		w.nullable(message)
	}
	if version >= 10 && failed == codeNotLeaderOrFollower {
		w.uvarint(1)
		w.leaderTag(0, leaderOf(p.api.Metadata.Snapshot(), e.TopicPartition))
		return
	}
	w.noTags()
}

// end finishes a request with acks=0. Its client reads no answer; to show it that something went wrong,
// the connection is closed, and it will ask for metadata before it tries again.
func (p *produce) end(entries []replica.AppendEntry) {
	var failures []string
	for i := range entries {
		if err := entries[i].Err; err != nil {
			failures = append(failures, fmt.Sprintf("%s: %v", entries[i].TopicPartition, err))
		}
	}
	if failures == nil {
		p.call.silence()
		return
	}
	p.api.quiet.warnf(p.api.Log, "Closing connection due to error during produce request with correlation id %d from client id %s with ack=0: %s",
		p.call.frame.CorrelationID, p.call.clientID(), strings.Join(failures, ", "))
	p.call.refuse(nil)
}

// free gives p back to the pool, with nothing in it that would keep a frame or a name alive.
func (p *produce) free() {
	pool := &p.api.produces
	clear(p.entries)
	clear(p.topics)
	clear(p.nodes)
	p.entries, p.topics, p.nodes = p.entries[:0], p.topics[:0], p.nodes[:0]
	p.api, p.call = nil, nil
	if cap(p.entries) <= maxPooledEntries {
		pool.Put(p)
	}
}

// maxPooledEntries bounds what a rare, huge request leaves behind in a pool.
const maxPooledEntries = 1024
