package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// check returns every violation in a history. The replicas' reads are taken as complete; a partition of which
// there are none is judged by acknowledgements and polls alone.
func check(h History) []Finding {
	c := &checker{}
	partitions := make(map[int32]*partitionHistory)
	at := func(partition int32) *partitionHistory {
		p := partitions[partition]
		if p == nil {
			p = &partitionHistory{partition: partition}
			partitions[partition] = p
		}
		return p
	}
	for _, ack := range h.Acks {
		p := at(ack.Partition)
		p.acks = append(p.acks, ack)
	}
	for _, read := range h.Reads {
		p := at(read.Partition)
		p.reads = append(p.reads, newReplicaLog(read))
	}
	for _, poll := range h.Polls {
		p := at(poll.Partition)
		p.polls = append(p.polls, poll)
	}
	for _, commit := range h.Commits {
		p := at(commit.Partition)
		p.commits = append(p.commits, commit)
	}
	for _, partition := range slices.Sorted(maps.Keys(partitions)) {
		p := partitions[partition]
		for _, log := range p.reads {
			c.log(log)
		}
		c.replicas(p)
		c.acks(p)
		c.polls(p, h.Assignments)
		c.commits(p, h.Assignments)
	}
	return c.findings
}

// partitionHistory is the part of a history that is about one partition.
type partitionHistory struct {
	partition int32
	acks      []Ack
	reads     []*replicaLog
	polls     []Poll
	commits   []Commit
}

// replicaLog is a Read that can be searched.
type replicaLog struct {
	Read
	byOffset map[int64]Entry
	byRecord map[Record]int64 // the first offset
}

func newReplicaLog(read Read) *replicaLog {
	log := &replicaLog{read, make(map[int64]Entry, len(read.Entries)), make(map[Record]int64, len(read.Entries))}
	for _, e := range read.Entries {
		if _, ok := log.byOffset[e.Offset]; !ok {
			log.byOffset[e.Offset] = e
		}
		if _, ok := log.byRecord[e.Record]; !ok {
			log.byRecord[e.Record] = e.Offset
		}
	}
	return log
}

type checker struct {
	topic    string // of the findings
	findings []Finding
}

func (c *checker) found(v Violation, partition int32, offset int64, format string, args ...any) {
	c.findings = append(c.findings, Finding{v, c.topic, partition, offset, fmt.Sprintf(format, args...)})
}

// log looks at one replica by itself: offsets are dense, no record is there twice, and the records of each
// producer are in its order.
func (c *checker) log(log *replicaLog) {
	last := make(map[int]Entry) // by producer
	for i, e := range log.Entries {
		if i > 0 && e.Offset != log.Entries[i-1].Offset+1 {
			c.found(InconsistentOffsets, log.Partition, e.Offset, "on %s offset %d follows %d", log.Replica, e.Offset, log.Entries[i-1].Offset)
		}
		if e.Record == nobody {
			c.found(InconsistentOffsets, log.Partition, e.Offset, "on %s offset %d holds %v", log.Replica, e.Offset, nobody)
			continue
		}
		if first := log.byRecord[e.Record]; first != e.Offset {
			c.found(Duplicate, log.Partition, e.Offset, "on %s %v is at offset %d and at %d", log.Replica, e.Record, first, e.Offset)
			continue
		}
		if before, ok := last[e.Record.Producer]; ok && e.Record.Sequence < before.Record.Sequence {
			c.found(Reordered, log.Partition, e.Offset, "on %s %v at offset %d follows %v at %d", log.Replica, e.Record, e.Offset, before.Record, before.Offset)
		}
		last[e.Record.Producer] = e
	}
}

// replicas compares all with the longest. A record that only some have was not necessarily acknowledged, but
// the replicas were read when all were in sync.
func (c *checker) replicas(p *partitionHistory) {
	if len(p.reads) < 2 {
		return
	}
	longest := slices.MaxFunc(p.reads, func(a, b *replicaLog) int { return cmp.Compare(len(a.Entries), len(b.Entries)) })
	for _, log := range p.reads {
		if log == longest {
			continue
		}
		missing := newRanges()
		for _, e := range longest.Entries {
			got, ok := log.byOffset[e.Offset]
			switch {
			case !ok:
				missing.add(e.Offset)
			case got.Record != e.Record:
				c.found(InconsistentOffsets, p.partition, e.Offset, "offset %d is %v on %s and %v on %s", e.Offset, e.Record, longest.Replica, got.Record, log.Replica)
			case got.Epoch != e.Epoch:
				c.found(InconsistentOffsets, p.partition, e.Offset, "offset %d is of leader epoch %d on %s and of %d on %s", e.Offset, e.Epoch, longest.Replica, got.Epoch, log.Replica)
			}
		}
		for _, r := range missing.all {
			c.found(InconsistentOffsets, p.partition, r.first, "offsets %s are on %s and not on %s", r, longest.Replica, log.Replica)
		}
		for _, e := range log.Entries {
			if _, ok := longest.byOffset[e.Offset]; !ok {
				c.found(InconsistentOffsets, p.partition, e.Offset, "offset %d is on %s and not on %s", e.Offset, log.Replica, longest.Replica)
			}
		}
	}
}

// acks looks for what was acknowledged: on every replica, under the offset that the acknowledgement named.
func (c *checker) acks(p *partitionHistory) {
	byOffset, byRecord := make(map[int64]Ack), make(map[Record]Ack)
	for _, ack := range p.acks {
		if before, ok := byOffset[ack.Offset]; ok && before.Record != ack.Record {
			c.found(InconsistentOffsets, p.partition, ack.Offset, "offset %d was acknowledged for %v and for %v", ack.Offset, before.Record, ack.Record)
		}
		if before, ok := byRecord[ack.Record]; ok {
			c.found(InconsistentOffsets, p.partition, ack.Offset, "%v was acknowledged twice, at offsets %d and %d", ack.Record, before.Offset, ack.Offset)
		}
		byOffset[ack.Offset], byRecord[ack.Record] = ack, ack
		for _, log := range p.reads {
			switch offset, ok := log.byRecord[ack.Record]; {
			case !ok:
				c.found(LostWrite, p.partition, ack.Offset, "%v, acknowledged at offset %d, is not on %s", ack.Record, ack.Offset, log.Replica)
			case offset != ack.Offset && log.byOffset[ack.Offset].Record != ack.Record: // at another offset as well is a duplicate
				c.found(InconsistentOffsets, p.partition, ack.Offset, "%v, acknowledged at offset %d, is at %d on %s", ack.Record, ack.Offset, offset, log.Replica)
			}
		}
	}
	sorted := slices.SortedFunc(maps.Values(byRecord), func(a, b Ack) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Record.Sequence, b.Record.Sequence), cmp.Compare(a.Record.Producer, b.Record.Producer))
	})
	last := make(map[int]Ack)
	for _, ack := range sorted {
		if before, ok := last[ack.Record.Producer]; ok && ack.Record.Sequence < before.Record.Sequence {
			c.found(Reordered, p.partition, ack.Offset, "%v was acknowledged at offset %d, behind %v at %d", ack.Record, ack.Offset, before.Record, before.Offset)
		}
		last[ack.Record.Producer] = ack
	}
}

// polls looks at what the group was given: each assignment in order without a gap, all of it together without
// a hole, and nothing that the replicas do not have.
func (c *checker) polls(p *partitionHistory, assignments []Assignment) {
	next := make(map[int]int64) // by assignment
	given := make(map[int64]bool)
	seen := make(map[Entry]bool)
	end := int64(0)
	for _, poll := range p.polls {
		consumer := assignments[poll.Assignment].Consumer
		for _, e := range poll.Entries {
			want, begun := next[poll.Assignment]
			switch {
			case begun && e.Offset < want:
				c.found(NonMonotonicPoll, p.partition, e.Offset, "consumer %d polled offset %d after %d", consumer, e.Offset, want-1)
			case begun && e.Offset > want:
				c.found(NonMonotonicPoll, p.partition, e.Offset, "consumer %d polled offset %d after %d, without those between", consumer, e.Offset, want-1)
			}
			next[poll.Assignment] = e.Offset + 1
			end = max(end, e.Offset+1)
			given[e.Offset] = true
			if e.Epoch = 0; seen[e] {
				continue
			}
			seen[e] = true
			c.polled(p, consumer, e)
		}
	}
	never := newRanges()
	for offset := range end {
		if !given[offset] {
			never.add(offset)
		}
	}
	for _, r := range never.all {
		c.found(NonMonotonicPoll, p.partition, r.first, "no member of the group ever polled offsets %s, but later ones", r)
	}
}

// polled looks for one polled record on the replicas: the high watermark had passed it, so it was to stay.
func (c *checker) polled(p *partitionHistory, consumer int, e Entry) {
	for _, log := range p.reads {
		got, ok := log.byOffset[e.Offset]
		if ok && got.Record == e.Record {
			continue
		}
		if _, elsewhere := log.byRecord[e.Record]; !elsewhere {
			c.found(LostWrite, p.partition, e.Offset, "%v, polled by consumer %d at offset %d, is not on %s", e.Record, consumer, e.Offset, log.Replica)
			continue
		}
		c.found(InconsistentOffsets, p.partition, e.Offset, "%v, polled by consumer %d at offset %d, is at %d on %s", e.Record, consumer, e.Offset, log.byRecord[e.Record], log.Replica)
	}
}

// commits looks at where assignments began: not behind what had been committed before.
func (c *checker) commits(p *partitionHistory, assignments []Assignment) {
	begun := make(map[int]bool)
	for _, poll := range p.polls {
		if begun[poll.Assignment] || len(poll.Entries) == 0 {
			continue
		}
		begun[poll.Assignment] = true
		assignment, first := assignments[poll.Assignment], poll.Entries[0].Offset
		var committed Commit
		for _, commit := range p.commits {
			if commit.At < assignment.At && commit.Offset > committed.Offset {
				committed = commit
			}
		}
		if first < committed.Offset {
			c.found(LostCommit, p.partition, first, "consumer %d began at offset %d, after consumer %d had committed %d", assignment.Consumer, first, committed.Consumer, committed.Offset)
		}
	}
}
