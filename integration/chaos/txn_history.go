package main

import (
	"fmt"
	"slices"
	"sync"
)

// TxnHistory is what transactional clients were told during a run, and what readers and replicas show after it. Its
// times are places in the order in which the recorder was told of things; 0 is never.
type TxnHistory struct {
	Producers    []TxnProducer   `json:"producers"`
	Transactions []Transaction   `json:"transactions"`
	Polls        []View          `json:"polls"`     // of the committed reader, while all is going on
	Views        []View          `json:"views"`     // of committed readers in the end, of all that there is
	Replicas     []Read          `json:"replicas"`  // everything, markers and what was aborted as well
	Committed    map[int32]int64 `json:"committed"` // the copiers' offsets in the end, by partition of what they read
}

// TxnProducer is one life of a transactional id: from an acknowledged InitProducerId until that of the next producer
// with this id, which fences it.
type TxnProducer struct {
	ID    string `json:"id"`
	Since int    `json:"since"`
	Deeds []Deed `json:"deeds"`
}

// Deed is a request of a producer besides its records and their commit.
type Deed struct {
	What     string `json:"what"`
	Asked    int    `json:"asked"`
	Accepted bool   `json:"accepted"`
}

// Outcome is what a client knows of a transaction.
type Outcome string

// Only an acknowledged end is known. An error may have met the request or its answer, and a client library may turn a
// commit that failed into an abort: such a transaction has to be there as a whole or not at all.
const (
	unknown   Outcome = "unknown"
	committed Outcome = "committed"
	aborted   Outcome = "aborted"
)

// Transaction is what one producer sent between a begin and an end. Its records say its place in the history:
// as a Record, that is their Producer, and their place in the transaction is their Sequence.
type Transaction struct {
	Producer int         `json:"producer"` // index of TxnHistory.Producers
	Records  []TxnRecord `json:"records"`
	Asked    int         `json:"asked"` // when its commit was asked for
	Outcome  Outcome     `json:"outcome"`
}

// TxnRecord is one record of a transaction.
type TxnRecord struct {
	Partition int32  `json:"partition"`
	Sent      int    `json:"sent"`
	Acked     bool   `json:"acked"`
	Offset    int64  `json:"offset"` // if acked
	Source    source `json:"source"`
}

// source is the record that a record copies.
type source struct {
	Partition int32 `json:"partition"` // of the copiers' input, or -1: it copies nothing
	Offset    int64 `json:"offset"`
}

// noSource is that of a record which copies nothing.
var noSource = source{Partition: -1}

// View is what a reader with isolation level read_committed was given of one partition, in its order.
type View struct {
	Reader    string  `json:"reader"`
	At        int     `json:"at"` // 0: after all
	Partition int32   `json:"partition"`
	Entries   []Entry `json:"entries"`
}

// txnRecorder writes a TxnHistory from many goroutines.
type txnRecorder struct {
	mu struct {
		sync.Mutex
		history TxnHistory
		clock   int
		commits map[string]int // acknowledged commits by transactional id
	}
}

func newTxnRecorder() *txnRecorder {
	r := &txnRecorder{}
	r.mu.commits = make(map[string]int)
	return r
}

func (r *txnRecorder) nowLocked() int {
	r.mu.clock++
	return r.mu.clock
}

// producer notes that InitProducerId was acknowledged, and returns the producer's index.
func (r *txnRecorder) producer(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.history.Producers = append(r.mu.history.Producers, TxnProducer{ID: id, Since: r.nowLocked()})
	return len(r.mu.history.Producers) - 1
}

// begin returns the transaction's index.
func (r *txnRecorder) begin(producer int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.history.Transactions = append(r.mu.history.Transactions, Transaction{Producer: producer, Outcome: unknown})
	return len(r.mu.history.Transactions) - 1
}

// send notes that a record is sent, and returns it.
func (r *txnRecorder) send(txn int, partition int32, from source) Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.mu.history.Transactions[txn]
	t.Records = append(t.Records, TxnRecord{Partition: partition, Sent: r.nowLocked(), Source: from})
	return Record{Producer: txn, Sequence: int64(len(t.Records) - 1)}
}

func (r *txnRecorder) acked(record Record, offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := &r.mu.history.Transactions[record.Producer].Records[record.Sequence]
	sent.Acked, sent.Offset = true, offset
}

// ask notes that the commit of a transaction is about to be asked for.
func (r *txnRecorder) ask(txn int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := &r.mu.history.Transactions[txn]; t.Asked == 0 {
		t.Asked = r.nowLocked()
	}
}

func (r *txnRecorder) end(txn int, outcome Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.mu.history.Transactions[txn]
	t.Outcome = outcome
	if outcome == committed {
		r.mu.commits[r.mu.history.Producers[t.Producer].ID]++
	}
}

// deed notes that a producer is about to ask for something, and returns what is to be called when that is accepted.
func (r *txnRecorder) deed(producer int, what string) (accepted func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.mu.history.Producers[producer]
	p.Deeds = append(p.Deeds, Deed{What: what, Asked: r.nowLocked()})
	place := len(p.Deeds) - 1
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.mu.history.Producers[producer].Deeds[place].Accepted = true
	}
}

// polled notes what the committed reader has just been given.
func (r *txnRecorder) polled(v View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.At = r.nowLocked()
	r.mu.history.Polls = append(r.mu.history.Polls, v)
}

// commits returns how many transactions of each id were acknowledged as committed.
func (r *txnRecorder) commits() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]int, len(r.mu.commits))
	for id, n := range r.mu.commits {
		all[id] = n
	}
	return all
}

// done returns a copy of the history, which stays as it is should a late answer come.
func (r *txnRecorder) done() TxnHistory {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.mu.history
	h.Producers = slices.Clone(h.Producers)
	for i, p := range h.Producers {
		h.Producers[i].Deeds = slices.Clone(p.Deeds)
	}
	h.Transactions = slices.Clone(h.Transactions)
	for i, t := range h.Transactions {
		h.Transactions[i].Records = slices.Clone(t.Records)
	}
	h.Polls = slices.Clone(h.Polls)
	return h
}

// verdict says how many transactions there were, of each outcome.
func (h *TxnHistory) verdict() string {
	outcomes, records, seen := make(map[Outcome]int), 0, 0
	for _, t := range h.Transactions {
		outcomes[t.Outcome]++
		records += len(t.Records)
	}
	for _, v := range h.Polls {
		seen += len(v.Entries)
	}
	return fmt.Sprintf("%d transactions by %d producers: %d committed, %d aborted, %d unknown; %d records, %d seen by the committed reader\n",
		len(h.Transactions), len(h.Producers), outcomes[committed], outcomes[aborted], outcomes[unknown], records, seen)
}
