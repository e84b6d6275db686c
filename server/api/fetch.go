package api

import (
	"math"
	"time"

	"ottla/logdir"
	"ottla/server/metadata"
	"ottla/server/network"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// fetch is a Fetch request in work. It is pooled with its slices.
type fetch struct {
	api    *API
	call   *call
	params replica.FetchParams
	// sessionID and epoch are the request's; sessionID becomes the answer's.
	sessionID, epoch int32
	forgotten        []fetchPartitionKey

	// asked are the partitions that the request is about: those it names, or all of its session.
	asked []cachedPartition
	// session is set for an incremental fetch; kept are then its own entries, parallel to asked.
	session *fetchSession
	kept    []*cachedPartition

	// results are parallel to asked; reads are those of them that the replica manager is asked for, and at
	// says which of asked each is.
	results []fetchResult
	reads   []replica.FetchPartition
	at      []int

	// The answer: which of asked it names, what stands between its own bytes, whom it points to.
	named []int
	cuts  []fetchCut
	nodes []node
	old   []oldRecords // what is converted on its way out

	done func([]replica.FetchPartition) // f.onRead, bound once
	sent func()                         // f.free, bound once
}

// fetchResult is what became of one partition: an answer to a read, or a code for which none was needed.
type fetchResult struct {
	code int16
	read *replica.FetchPartition
}

// fetchCut is a place in the answer's own bytes where records go between.
type fetchCut struct {
	at   int
	data logdir.Data
}

func (a *API) fetch(c *call) error {
	f, _ := a.fetches.Get().(*fetch)
	if f == nil {
		f = &fetch{}
		f.done, f.sent = f.onRead, f.free
	}
	f.api, f.call = a, c
	if err := f.decode(c.frame.Body); err != nil {
		f.free()
		return err
	}
	// A fetch may wait for half a second and more; the connection need not hold its frame so long.
	c.frame.Release()
	if failed := f.begin(time.Now()); failed != codeNone {
		f.refuse(failed)
		return nil
	}
	if i := f.params.Isolation; i != 0 && i != 1 {
		// Kafka stumbles over an unknown level after the session has moved on.
		f.refuse(codeUnknownServerError)
		return nil
	}
	f.params.Listener = c.frame.Session.Listener
	f.resolve(a.Metadata.Snapshot())
	if len(f.reads) == 0 {
		f.onRead(nil)
		return nil
	}
	a.Replicas.Fetch(f.params, f.reads, f.done)
	return nil
}

// How many bytes a topic and a partition of a Fetch take at least.
const (
	leastFetchTopic     = 1 + 1 + 1
	leastFetchPartition = 4 + 8 + 4
)

func (f *fetch) decode(body []byte) error {
	version := f.call.version
	r := reader{rest: body, flexible: version >= 12}
	f.params = replica.FetchParams{Replica: cluster.NoBroker, ReplicaEpoch: -1, ClientID: f.call.clientID()}
	if version <= 14 {
		f.params.Replica = cluster.BrokerID(r.int32())
	}
	f.params.MaxWait = time.Duration(r.int32()) * time.Millisecond
	f.params.MinBytes = r.int32()
	f.params.MaxBytes = math.MaxInt32
	if version >= fetchKnowsOversized {
		f.params.MaxBytes = r.int32()
	}
	if version >= fetchKnowsMagic2 {
		f.params.Isolation = r.int8()
	}
	f.params.NothingOversized = version < fetchKnowsOversized
	f.sessionID, f.epoch = 0, finalFetch
	if version >= 7 {
		f.sessionID, f.epoch = r.int32(), r.int32()
	}
	for n := r.count(leastFetchTopic); n > 0 && !r.bad; n-- {
		key := f.topic(&r)
		for p := r.count(leastFetchPartition); p > 0 && !r.bad; p-- {
			part := cachedPartition{fetchPartitionKey: key, leaderEpoch: -1, lastFetchedEpoch: -1, logStartOffset: -1, highWatermark: -1, answeredLogStart: -1}
			part.partition = r.int32()
			if version >= 9 {
				part.leaderEpoch = r.int32()
			}
			part.fetchOffset = r.int64()
			if version >= 12 {
				part.lastFetchedEpoch = r.int32()
			}
			if version >= 5 {
				part.logStartOffset = r.int64()
			}
			part.maxBytes = r.int32()
			r.tags(nil)
			f.asked = append(f.asked, part)
		}
		r.tags(nil)
	}
	if version >= 7 {
		for n := r.count(leastFetchTopic); n > 0 && !r.bad; n-- {
			key := f.topic(&r)
			for p := r.count(4); p > 0 && !r.bad; p-- {
				key.partition = r.int32()
				f.forgotten = append(f.forgotten, key)
			}
			r.tags(nil)
		}
	}
	if version >= 11 {
		if f.params.ClientRack = r.string(); f.params.ClientRack != "" {
			f.params.ClientHost = f.call.clientHost() // for whoever chooses a replica near the client
		}
	}
	r.tags(func(tag uint32, field *reader) {
		if tag == 1 {
			f.params.Replica, f.params.ReplicaEpoch = cluster.BrokerID(field.int32()), field.int64()
		}
	})
	// From version 11 a consumer may be sent to a replica near it, and so it may read from one.
	f.params.OnlyLeader = version < 11
	f.params.MaxBytes = min(f.params.MaxBytes, f.api.Config.Current().FetchMaxBytes)
	f.params.MinBytes = min(f.params.MinBytes, f.params.MaxBytes)
	return r.end()
}

func (f *fetch) topic(r *reader) fetchPartitionKey {
	if f.call.version >= 13 {
		return fetchPartitionKey{id: r.uuid()}
	}
	return fetchPartitionKey{topic: r.string()}
}

// begin finds the request's session and with it the partitions that it is about.
func (f *fetch) begin(now time.Time) (failed int16) {
	sessions := f.api.sessions
	if f.epoch == fullFetch || f.epoch == finalFetch {
		// A full fetch that names a session puts another one, or none, in its place.
		if f.sessionID != 0 {
			sessions.remove(f.sessionID)
			f.sessionID = 0
		}
		return codeNone
	}
	s := sessions.get(f.sessionID)
	if s == nil {
		return codeFetchSessionIDNotFound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.epoch != f.epoch:
		return codeInvalidFetchSessionEpoch
	case s.usesIDs != (f.call.version >= 13):
		return codeFetchSessionTopicIDError
	}
	for i := range f.asked {
		s.putLocked(&f.asked[i])
	}
	for _, key := range f.forgotten {
		s.forgetLocked(key)
	}
	if len(s.mu.byKey) == 0 {
		// Nothing is left to remember.
		sessions.remove(s.id)
		f.epoch, f.sessionID, f.asked = finalFetch, 0, f.asked[:0]
		return codeNone
	}
	s.mu.epoch = nextFetchEpoch(s.mu.epoch)
	sessions.touch(s, len(s.mu.byKey), now)
	f.session, f.asked = s, f.asked[:0]
	for p := s.mu.order.next; p != &s.mu.order; p = p.next {
		f.kept = append(f.kept, p)
		f.asked = append(f.asked, *p)
	}
	return codeNone
}

// nextFetchEpoch counts a session's requests, from 1 and round to 1.
func nextFetchEpoch(e int32) int32 {
	if e == math.MaxInt32 {
		return 1
	}
	return e + 1
}

// resolve finds the names of topic ids, and makes the reads.
func (f *fetch) resolve(s *metadata.Snapshot) {
	for i := range f.asked {
		p := &f.asked[i]
		f.results = append(f.results, fetchResult{})
		name := p.topic
		if f.call.version >= 13 {
			t, ok := s.TopicByID(p.id)
			if !ok {
				f.results[i].code = codeUnknownTopicID
				continue
			}
			name = t.Name
		}
		tp := cluster.TopicPartition{Topic: name, Partition: p.partition}
		if _, ok := s.Partition(tp); !ok {
			f.results[i].code = codeUnknownTopicOrPartition
			continue
		}
		f.at = append(f.at, i)
		f.reads = append(f.reads, replica.FetchPartition{
			TopicPartition: tp, TopicID: p.id, FetchOffset: p.fetchOffset, LogStartOffset: p.logStartOffset, MaxBytes: p.maxBytes,
			CurrentLeaderEpoch: p.leaderEpoch, LastFetchedEpoch: p.lastFetchedEpoch, PreferredReplica: cluster.NoBroker,
		})
	}
}

// onRead runs once, when the reads are done, and answers.
func (f *fetch) onRead(reads []replica.FetchPartition) {
	for i := range reads {
		r := &f.results[f.at[i]]
		r.read, r.code = &reads[i], code(reads[i].Err)
		if r.code == codeNone && f.call.version < 10 && f.api.storesZstd(reads[i].TopicPartition) {
			r.code = codeUnsupportedCompressionType
			reads[i].Data.Release()
		} else if f.call.version < fetchKnowsMagic2 {
			r.code = f.makeOld(&reads[i], r.code)
		}
		if r.code == codeKafkaStorageError && f.call.version < fetchKnowsStorageError {
			r.code = codeNotLeaderOrFollower // which has it ask for the leader, and come again
		}
	}
	switch {
	case f.session != nil:
		if !f.settle() {
			f.sessionID = f.session.id
			f.dropReads()
			f.refuse(codeInvalidFetchSessionEpoch)
			return
		}
	case f.epoch == fullFetch:
		f.remember(time.Now())
		fallthrough
	default:
		for i := range f.asked {
			f.named = append(f.named, i)
		}
	}
	f.answer(codeNone)
}

// storesZstd reports whether a topic's records are compressed with zstd whatever producers send. Consumers
// below version 10 are from a time before it, and are refused such a topic as a whole (KIP-110).
func (a *API) storesZstd(tp cluster.TopicPartition) bool {
	p, err := a.Replicas.Partition(tp)
	if err != nil {
		return false
	}
	l, ok := p.Log()
	return ok && l.Config().CompressionType == "zstd"
}

// settle notes in the session what is answered now, and chooses the partitions to name: those with
// something new. It reports false if the session went on to another request meanwhile.
func (f *fetch) settle() bool {
	s := f.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.epoch != nextFetchEpoch(f.epoch) {
		return false
	}
	f.sessionID = s.id
	for i, p := range f.kept {
		r := &f.results[i]
		hw, logStart := r.offsets()
		named := r.code != codeNone || hw != p.highWatermark || logStart != p.answeredLogStart
		p.highWatermark, p.answeredLogStart = hw, logStart
		if r.code != codeNone {
			// An error is told in every answer; and once it is over, so is that.
			p.highWatermark = -1
		}
		if d := r.read; d != nil {
			sends := r.code == codeNone && d.Data.Len() > 0
			named = named || sends || d.Diverging != nil || d.PreferredReplica != cluster.NoBroker
			if sends {
				s.toEndLocked(p)
			}
		}
		if named {
			f.named = append(f.named, i)
		} else if r.read != nil {
			r.read.Data.Release()
		}
	}
	return true
}

// remember makes a session out of a full fetch, if there is room for one.
func (f *fetch) remember(now time.Time) {
	if f.call.version < 7 {
		return
	}
	s := newFetchSession(f.call.version >= 13, f.params.Replica >= 0, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range f.asked {
		p := &f.asked[i]
		p.highWatermark, p.answeredLogStart = f.results[i].offsets()
		s.putLocked(p)
	}
	if f.api.sessions.add(s, len(s.mu.byKey)) {
		f.sessionID = s.id
	}
}

// offsets are the high watermark and the log's start as the answer has them, -1 beside an error.
func (r *fetchResult) offsets() (highWatermark, logStart int64) {
	if r.code != codeNone || r.read == nil {
		return -1, -1
	}
	return r.read.Data.HighWatermark, r.read.Data.LogStartOffset
}

// refuse answers with an error for the request as a whole. Below version 13 every partition named in the
// request repeats it, unless the error is about the session.
func (f *fetch) refuse(failed int16) {
	f.results = f.results[:0]
	if failed == codeUnknownServerError && f.call.version < 13 {
		for i := range f.asked {
			f.results = append(f.results, fetchResult{code: failed})
			f.named = append(f.named, i)
		}
	}
	if f.session == nil || failed != codeInvalidFetchSessionEpoch {
		f.sessionID = 0
	}
	f.answer(failed)
}

func (f *fetch) dropReads() {
	for i := range f.results {
		if r := f.results[i].read; r != nil {
			r.Data.Release()
		}
	}
}

// answer writes the answer: its own bytes in one buffer, cut where the records of a partition go between.
func (f *fetch) answer(failed int16) {
	c := f.call
	w := writer{flexible: c.flexible, b: c.head(64 + len(f.named)*80)}
	if c.version >= 1 {
		w.int32(0) // throttle time
	}
	if c.version >= 7 {
		w.int16(failed)
		w.int32(f.sessionID)
	}
	w.count(f.topics())
	for from := 0; from < len(f.named); {
		to := f.topicEnd(from)
		first := &f.asked[f.named[from]]
		if c.version >= 13 {
			w.b = append(w.b, first.id[:]...)
		} else {
			w.string(first.topic)
		}
		w.count(to - from)
		for ; from < to; from++ {
			f.partition(&w, f.named[from])
		}
		w.noTags()
	}
	if c.version >= 16 {
		w.nodesTag(f.nodes)
	} else {
		w.noTags()
	}
	c.frame.Answer(f.assemble(w.b))
}

// topicEnd is where the run of partitions of one topic ends that begins at from.
func (f *fetch) topicEnd(from int) int {
	first := &f.asked[f.named[from]]
	to := from + 1
	for to < len(f.named) {
		if p := &f.asked[f.named[to]]; p.id != first.id || p.topic != first.topic {
			break
		}
		to++
	}
	return to
}

func (f *fetch) topics() (n int) {
	for from := 0; from < len(f.named); n++ {
		from = f.topicEnd(from)
	}
	return n
}

func (f *fetch) partition(w *writer, i int) {
	version, r := f.call.version, &f.results[i]
	w.int32(f.asked[i].partition)
	w.int16(r.code)
	hw, logStart := r.offsets()
	lso := int64(-1)
	if hw != -1 {
		lso = r.read.Data.LastStableOffset
	}
	w.int64(hw)
	if version >= fetchKnowsMagic2 {
		w.int64(lso)
	}
	if version >= 5 {
		w.int64(logStart)
	}
	if version >= fetchKnowsMagic2 {
		f.aborted(w, r)
	}
	if version >= 11 {
		preferred := cluster.NoBroker
		if r.read != nil {
			preferred = r.read.PreferredReplica
		}
		w.int32(int32(preferred))
	}
	n := 0
	if r.read != nil && r.code == codeNone {
		n = r.read.Data.Len()
	}
	w.count(n)
	if n > 0 {
		f.cuts = append(f.cuts, fetchCut{at: len(w.b), data: r.read.Data})
	} else if r.read != nil {
		r.read.Data.Release()
	}
	f.partitionTags(w, r)
}

// aborted writes the aborted transactions: an array for who reads committed, null for who does not, and an
// empty array, as in Kafka, for a partition that was never read.
func (f *fetch) aborted(w *writer, r *fetchResult) {
	if r.read == nil {
		w.count(0)
		return
	}
	if f.params.Isolation == 0 || r.code != codeNone {
		w.count(-1)
		return
	}
	w.count(len(r.read.Data.Aborted))
	for _, t := range r.read.Data.Aborted {
		w.int64(t.ProducerID)
		w.int64(t.FirstOffset)
		w.noTags()
	}
}

// partitionTags writes a partition's tagged fields: 0 where the follower's log and ours part, 1 who leads.
func (f *fetch) partitionTags(w *writer, r *fetchResult) {
	if !w.flexible {
		return
	}
	var diverging *replica.Diverging
	leader := false
	if r.read != nil {
		diverging = r.read.Diverging
		leader = f.call.version >= 16 && (r.code == codeNotLeaderOrFollower || r.code == codeFencedLeaderEpoch)
	}
	n := uint32(0)
	if diverging != nil {
		n++
	}
	if leader {
		n++
	}
	w.uvarint(n)
	if diverging != nil {
		w.uvarint(0)
		w.uvarint(4 + 8 + 1)
		w.int32(diverging.Epoch)
		w.int64(diverging.EndOffset)
		w.noTags()
	}
	if leader {
		s := f.api.Metadata.Snapshot()
		l := leaderOf(s, r.read.TopicPartition)
		f.nodes = addNode(f.nodes, s, l.id, f.call.listener())
		w.leaderTag(1, l)
	}
}

// assemble puts the records' file ranges between the answer's own bytes.
func (f *fetch) assemble(b []byte) network.Answer {
	ranges := 0
	for i := range f.cuts {
		ranges += len(f.cuts[i].data.Ranges)
	}
	if ranges == 0 {
		return network.Answer{Head: b, Done: f.sent}
	}
	answer := network.Answer{Done: f.sent, Parts: make([]network.Part, 0, ranges+len(f.cuts))}
	last := 0
	for i := range f.cuts {
		c := &f.cuts[i]
		if len(c.data.Ranges) == 0 {
			continue
		}
		if answer.Head == nil {
			answer.Head = b[:c.at]
		} else {
			answer.Parts = append(answer.Parts, network.Part{Bytes: b[last:c.at]})
		}
		last = c.at
		for _, r := range c.data.Ranges {
			answer.Parts = append(answer.Parts, network.Part{File: r.File, Position: r.Position, Length: r.Length})
		}
	}
	answer.Parts = append(answer.Parts, network.Part{Bytes: b[last:]})
	return answer
}

// free runs when the answer has been sent or dropped: it gives the files back, and f to the pool.
func (f *fetch) free() {
	for i := range f.cuts {
		f.cuts[i].data.Release()
	}
	f.countConversions()
	pool := &f.api.fetches
	clear(f.asked)
	clear(f.kept)
	clear(f.results)
	clear(f.reads)
	clear(f.cuts)
	clear(f.nodes)
	clear(f.old)
	clear(f.forgotten)
	f.asked, f.kept, f.results, f.reads = f.asked[:0], f.kept[:0], f.results[:0], f.reads[:0]
	f.at, f.named, f.cuts, f.nodes, f.forgotten = f.at[:0], f.named[:0], f.cuts[:0], f.nodes[:0], f.forgotten[:0]
	f.old = f.old[:0]
	f.api, f.call, f.session = nil, nil, nil
	if cap(f.asked) <= maxPooledEntries {
		pool.Put(f)
	}
}
