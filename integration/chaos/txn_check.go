package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
)

// checkTransactions returns every violation in what transactional clients saw. The views are taken as complete: what
// is not in them is not visible. It knows nothing of how transactions work, but for what was asked and answered.
//
// A transaction whose outcome is unknown may be there or not. So may one that was committed by a producer while the
// next with its id was asking for its place: fenced is who asks after that was granted.
func checkTransactions(h TxnHistory) []Finding {
	c := &txnChecker{checker: checker{topic: copies}, h: h, fenced: fencings(h.Producers)}
	for _, view := range slices.Concat(h.Polls, h.Views) {
		c.visible(view)
	}
	for _, view := range h.Views {
		c.once(view)
		c.order(view)
	}
	for _, reader := range readers(h.Views) {
		c.whole(reader, seenBy(h.Views, reader))
	}
	for _, reader := range readers(h.Polls) {
		c.polledAll(reader)
	}
	c.zombies()
	c.offsets()
	c.sameReplicas()
	return c.findings
}

type txnChecker struct {
	checker
	h      TxnHistory
	fenced []int // by producer: when the next one with its id had its place
}

// fencings are when each producer was fenced, at the latest.
func fencings(producers []TxnProducer) []int {
	fenced := make([]int, len(producers))
	for i, p := range producers {
		fenced[i] = math.MaxInt
		for _, other := range producers {
			if other.ID == p.ID && other.Since > p.Since {
				fenced[i] = min(fenced[i], other.Since)
			}
		}
	}
	return fenced
}

// place is a record that a reader was given, and where.
type place struct {
	partition int32
	offset    int64
	record    Record
}

func readers(views []View) []string {
	all := make(map[string]bool)
	for _, v := range views {
		all[v.Reader] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// seenBy is where a reader met each record first.
func seenBy(views []View, reader string) map[Record]place {
	seen := make(map[Record]place)
	for _, v := range views {
		if v.Reader != reader {
			continue
		}
		for _, e := range v.Entries {
			if _, ok := seen[e.Record]; !ok {
				seen[e.Record] = place{v.Partition, e.Offset, e.Record}
			}
		}
	}
	return seen
}

// transaction returns that of a record, unless nobody sent such a record.
func (c *txnChecker) transaction(r Record) (t Transaction, ok bool) {
	if r.Producer < 0 || r.Producer >= len(c.h.Transactions) {
		return t, false
	}
	t = c.h.Transactions[r.Producer]
	return t, r.Sequence >= 0 && r.Sequence < int64(len(t.Records))
}

// visible looks at what a committed reader was given: whether it could have been visible then.
func (c *txnChecker) visible(v View) {
	told := make(map[int]bool) // transactions of which one record is told already
	for _, e := range v.Entries {
		t, ok := c.transaction(e.Record)
		if !ok {
			c.found(InconsistentOffsets, v.Partition, e.Offset, "%s met a record at offset %d that nobody sent", v.Reader, e.Offset)
			continue
		}
		sent := t.Records[e.Record.Sequence]
		if sent.Partition != v.Partition || sent.Acked && sent.Offset != e.Offset {
			c.found(InconsistentOffsets, v.Partition, e.Offset, "%s, acknowledged at %d-%d, was met by %s at %d-%d", inTxn(e.Record), sent.Partition, sent.Offset, v.Reader, v.Partition, e.Offset)
		}
		if told[e.Record.Producer] {
			continue
		}
		told[e.Record.Producer] = true
		switch {
		case t.Outcome == aborted:
			c.found(AbortedRead, v.Partition, e.Offset, "%s, which was aborted, was met by %s at offset %d", inTxn(e.Record), v.Reader, e.Offset)
		case t.Asked == 0:
			c.found(AbortedRead, v.Partition, e.Offset, "%s, whose commit nobody asked for, was met by %s at offset %d", inTxn(e.Record), v.Reader, e.Offset)
		case v.At != 0 && v.At < t.Asked:
			c.found(PrecommittedRead, v.Partition, e.Offset, "%s was met by %s at offset %d before its commit was asked for", inTxn(e.Record), v.Reader, e.Offset)
		default:
			told[e.Record.Producer] = false
		}
	}
}

func inTxn(r Record) string {
	return fmt.Sprintf("record %d of transaction %d", r.Sequence, r.Producer)
}

// once looks for records that are visible more than once.
func (c *txnChecker) once(v View) {
	first := make(map[Record]int64, len(v.Entries))
	for _, e := range v.Entries {
		if before, ok := first[e.Record]; ok {
			c.found(Duplicate, v.Partition, e.Offset, "%s is at offset %d and at %d, as %s shows", inTxn(e.Record), before, e.Offset, v.Reader)
			continue
		}
		first[e.Record] = e.Offset
	}
}

// order looks for records of one producer that have changed places. Transactions are numbered as they begin.
func (c *txnChecker) order(v View) {
	last := make(map[int]Entry) // by producer
	for _, e := range v.Entries {
		t, ok := c.transaction(e.Record)
		if !ok {
			continue
		}
		before, ok := last[t.Producer]
		if ok && cmp.Or(cmp.Compare(e.Record.Producer, before.Record.Producer), cmp.Compare(e.Record.Sequence, before.Record.Sequence)) < 0 {
			c.found(Reordered, v.Partition, e.Offset, "%s at offset %d follows %s at %d, as %s shows", inTxn(e.Record), e.Offset, inTxn(before.Record), before.Offset, v.Reader)
		}
		last[t.Producer] = e
	}
}

// whole looks for transactions of which a reader sees a part, and for committed ones of which it sees nothing.
func (c *txnChecker) whole(reader string, seen map[Record]place) {
	for n, t := range c.h.Transactions {
		if t.Asked == 0 {
			continue // nothing of it may be seen; that was looked for before
		}
		var missing []int64
		for i := range t.Records {
			if _, ok := seen[Record{n, int64(i)}]; !ok {
				missing = append(missing, int64(i))
			}
		}
		if len(missing) == 0 || len(missing) == len(t.Records) && t.Outcome != committed {
			continue
		}
		lost := t.Records[missing[0]]
		if len(missing) == len(t.Records) {
			c.found(LostWrite, lost.Partition, lost.Offset, "transaction %d, which was committed, cannot be seen by %s: %d records, the first at %d-%d", n, reader, len(missing), lost.Partition, lost.Offset)
			continue
		}
		c.found(TornTransaction, lost.Partition, lost.Offset, "%s sees %d of the %d records of transaction %d (%s), but not the one at %d-%d",
			reader, len(t.Records)-len(missing), len(t.Records), n, t.Outcome, lost.Partition, lost.Offset)
	}
}

// polledAll looks at a reader that was there all the time: in order, and nothing left out that others see.
func (c *txnChecker) polledAll(reader string) {
	ends, given := make(map[int32]int64), make(map[place]bool)
	for _, v := range c.h.Polls {
		if v.Reader != reader {
			continue
		}
		for _, e := range v.Entries {
			if e.Offset < ends[v.Partition] {
				c.found(NonMonotonicPoll, v.Partition, e.Offset, "%s polled offset %d after %d", reader, e.Offset, ends[v.Partition]-1)
			}
			ends[v.Partition] = max(ends[v.Partition], e.Offset+1)
			given[place{v.Partition, e.Offset, e.Record}] = true
		}
	}
	for _, other := range readers(c.h.Views) {
		for _, p := range slices.SortedFunc(maps.Values(seenBy(c.h.Views, other)), byPlace) {
			if p.offset < ends[p.partition] && !given[p] {
				c.found(NonMonotonicPoll, p.partition, p.offset, "%s never polled %s at offset %d, which %s sees, but later ones", reader, inTxn(p.record), p.offset, other)
			}
		}
	}
}

func byPlace(a, b place) int {
	return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset))
}

// zombies looks for what a fenced producer achieved.
func (c *txnChecker) zombies() {
	for i, p := range c.h.Producers {
		for _, d := range p.Deeds {
			if d.Accepted && d.Asked > c.fenced[i] {
				c.found(Zombie, -1, -1, "%s by producer %d of %s was accepted after it had been fenced", d.What, i, p.ID)
			}
		}
	}
	for n, t := range c.h.Transactions {
		fenced := c.fenced[t.Producer]
		for i, r := range t.Records {
			if r.Acked && r.Sent > fenced {
				c.found(Zombie, r.Partition, r.Offset, "%s was taken at offset %d after its producer had been fenced", inTxn(Record{n, int64(i)}), r.Offset)
			}
		}
		if t.Asked > fenced && t.Outcome == committed {
			c.found(Zombie, -1, -1, "transaction %d was committed after its producer had been fenced", n)
		}
	}
	for _, reader := range readers(c.h.Views) {
		for r := range seenBy(c.h.Views, reader) {
			t, ok := c.transaction(r)
			if r.Sequence == 0 && ok && t.Asked > c.fenced[t.Producer] {
				c.found(Zombie, t.Records[0].Partition, t.Records[0].Offset, "transaction %d is visible to %s, though its commit was asked for after its producer had been fenced", r.Producer, reader)
			}
		}
	}
}

// offsets compares what is copied with the offsets that the copiers have committed: behind them everything, once;
// ahead of them nothing.
func (c *txnChecker) offsets() {
	c.topic = topic
	defer func() { c.topic = copies }()
	for _, reader := range readers(c.h.Views) {
		byPartition := make(map[int32]map[int64]int) // of the input: offset to transaction
		for partition := range c.h.Committed {
			byPartition[partition] = make(map[int64]int)
		}
		for r := range seenBy(c.h.Views, reader) {
			t, ok := c.transaction(r)
			if !ok {
				continue
			}
			from := t.Records[r.Sequence].Source
			copied := byPartition[from.Partition]
			if from == noSource || copied == nil {
				continue
			}
			if other, twice := copied[from.Offset]; twice {
				c.found(NonAtomicOffsets, from.Partition, from.Offset, "offset %d was copied by transactions %d and %d, as %s sees", from.Offset, min(other, r.Producer), max(other, r.Producer), reader)
			}
			copied[from.Offset] = r.Producer
		}
		for _, partition := range slices.Sorted(maps.Keys(byPartition)) {
			c.copied(reader, partition, byPartition[partition])
		}
	}
}

func (c *txnChecker) copied(reader string, partition int32, copied map[int64]int) {
	end := c.h.Committed[partition]
	never, ahead := newRanges(), newRanges()
	for offset := range end {
		if _, ok := copied[offset]; !ok {
			never.add(offset)
		}
	}
	for _, offset := range slices.Sorted(maps.Keys(copied)) {
		if offset >= end {
			ahead.add(offset)
		}
	}
	for _, r := range never.all {
		c.found(NonAtomicOffsets, partition, r.first, "offset %d was committed, but %s sees no copy of offsets %s", end, reader, r)
	}
	for _, r := range ahead.all {
		c.found(NonAtomicOffsets, partition, r.first, "%s sees copies of offsets %s by transaction %d and others, but only offset %d was committed", reader, r, copied[r.first], end)
	}
}

// sameReplicas compares the replicas with each other, markers and aborted records as well.
func (c *txnChecker) sameReplicas() {
	byPartition := make(map[int32]*partitionHistory)
	for _, read := range c.h.Replicas {
		if byPartition[read.Partition] == nil {
			byPartition[read.Partition] = &partitionHistory{partition: read.Partition}
		}
		p := byPartition[read.Partition]
		p.reads = append(p.reads, newReplicaLog(read))
	}
	for _, partition := range slices.Sorted(maps.Keys(byPartition)) {
		c.replicas(byPartition[partition])
	}
}
