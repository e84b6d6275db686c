package main

import (
	"math/rand/v2"
	"slices"
)

// txnWorld makes a history as a good cluster would leave it: producers commit, abort, die and are fenced, answers are
// lost, and readers read up to the last stable offsets.
type txnWorld struct {
	rng   *rand.Rand
	r     *txnRecorder
	logs  [3][]Entry // of the partitions of the copies
	state map[int]*worldTxn
	ids   []*worldID
	next  [3]int64 // of the live reader
}

// worldTxn is a transaction as the cluster knows it.
type worldTxn struct {
	open, committed bool
	first           map[int32]int64 // offset in each partition
	copied          int64           // records of the input
}

// worldID is a transactional id and its clients.
type worldID struct {
	name     string
	input    int32 // the input's partition that it copies, or -1
	position int64 // committed
	producer int   // -1: none yet
	txn      int   // -1: none
	failed   bool  // a record was refused
	old      []int // producers that were fenced
	oldTxn   int   // the last one of those
}

func newTxnWorld(rng *rand.Rand) *txnWorld {
	w := &txnWorld{rng: rng, r: newTxnRecorder(), state: make(map[int]*worldTxn)}
	for i, name := range []string{"copier-0", "copier-1", "zombie"} {
		id := &worldID{name: name, input: int32(i), producer: -1, txn: -1, oldTxn: -1}
		if name == "zombie" {
			id.input = -1
		}
		w.ids = append(w.ids, id)
	}
	return w
}

// honestTransactions lives for a while, and shows all.
func honestTransactions(rng *rand.Rand) TxnHistory {
	w := newTxnWorld(rng)
	for range 300 + rng.IntN(300) {
		w.step(w.ids[rng.IntN(len(w.ids))])
		if rng.IntN(4) == 0 {
			w.poll(rng.Int32N(int32(len(w.logs))))
		}
	}
	for _, id := range w.ids {
		w.abandon(id)
	}
	for partition := range int32(len(w.logs)) {
		w.poll(partition)
	}
	h := w.r.done()
	h.Committed = map[int32]int64{0: w.ids[0].position, 1: w.ids[1].position}
	for partition := range int32(len(w.logs)) {
		for _, replica := range []string{"broker 1", "broker 2", "broker 3"} {
			h.Replicas = append(h.Replicas, Read{replica, partition, slices.Clone(w.logs[partition])})
		}
		for _, reader := range []string{"broker 1, as its markers say", "a new reader"} {
			h.Views = append(h.Views, View{Reader: reader, Partition: partition, Entries: w.committed(partition, 0)})
		}
	}
	return h
}

func (w *txnWorld) step(id *worldID) {
	switch dice := w.rng.IntN(40); {
	case id.producer < 0 || dice == 0:
		w.abandon(id)
	case dice == 1 && len(id.old) > 0:
		w.haunt(id)
	case id.txn < 0:
		id.txn, id.failed = w.r.begin(id.producer), false
		w.state[id.txn] = &worldTxn{open: true, first: make(map[int32]int64)}
	case dice < 30:
		w.send(id)
	case dice < 35 && !id.failed && len(w.state[id.txn].first) > 0:
		w.commit(id)
	default:
		w.end(id, id.txn, false)
		w.r.end(id.txn, aborted)
		id.txn = -1
	}
}

// abandon gives an id a new producer. What the old one has left open is aborted.
func (w *txnWorld) abandon(id *worldID) {
	if id.txn >= 0 {
		w.end(id, id.txn, false)
		id.oldTxn = id.txn
	}
	if id.producer >= 0 {
		id.old = append(id.old, id.producer)
	}
	id.producer, id.txn = w.r.producer(id.name), -1
}

func (w *txnWorld) send(id *worldID) {
	t := w.state[id.txn]
	from, partition := noSource, w.rng.Int32N(int32(len(w.logs)))
	if id.input >= 0 {
		from = source{id.input, id.position + t.copied}
	}
	record := w.r.send(id.txn, partition, from)
	if w.rng.IntN(50) == 0 { // the answer is lost, and the client knows that
		if id.failed = true; w.rng.IntN(2) == 0 {
			return
		}
	}
	t.copied++
	offset := int64(len(w.logs[partition]))
	if _, ok := t.first[partition]; !ok {
		t.first[partition] = offset
	}
	w.logs[partition] = append(w.logs[partition], Entry{offset, 1, record})
	if !id.failed {
		w.r.acked(record, offset)
	}
}

// commit asks for it. The answer may be lost, or another producer be there before it.
func (w *txnWorld) commit(id *worldID) {
	t := id.txn
	w.r.ask(t)
	if w.rng.IntN(4) > 0 {
		w.end(id, t, true)
		w.r.end(t, committed)
		id.txn = -1
		return
	}
	done := w.rng.IntN(2) == 0
	w.end(id, t, done)
	id.txn = -1
	w.abandon(id)
	if done && w.rng.IntN(2) == 0 {
		w.r.end(t, committed) // after all
	}
}

// end writes the markers, and the offsets with them.
func (w *txnWorld) end(id *worldID, txn int, commit bool) {
	t := w.state[txn]
	t.open, t.committed = false, commit
	kind := int64(abortMarker)
	if commit {
		kind = commitMarker
		if id.input >= 0 {
			id.position += t.copied
		}
	}
	for partition := range w.logs {
		if _, ok := t.first[int32(partition)]; ok {
			w.logs[partition] = append(w.logs[partition], Entry{int64(len(w.logs[partition])), 1, Record{marker, kind}})
		}
	}
}

// haunt is a fenced producer's try: it is refused.
func (w *txnWorld) haunt(id *worldID) {
	w.r.deed(id.old[len(id.old)-1], "EndTxn")
	if id.oldTxn >= 0 && !w.state[id.oldTxn].committed {
		w.r.ask(id.oldTxn)
		w.r.send(id.oldTxn, 0, noSource)
	}
}

// poll gives the live reader what is stable.
func (w *txnWorld) poll(partition int32) {
	entries := w.committed(partition, w.next[partition])
	stable := int64(len(w.logs[partition]))
	for _, t := range w.state {
		if first, ok := t.first[partition]; ok && t.open {
			stable = min(stable, first)
		}
	}
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Offset >= stable })
	w.next[partition] = max(stable, w.next[partition])
	if len(entries) > 0 {
		w.r.polled(View{Reader: liveReader, Partition: partition, Entries: entries})
	}
}

// committed are the committed records from an offset on.
func (w *txnWorld) committed(partition int32, from int64) []Entry {
	var entries []Entry
	for _, e := range w.logs[partition] {
		if t := w.state[e.Record.Producer]; e.Offset >= from && t != nil && t.committed {
			entries = append(entries, e)
		}
	}
	return entries
}
