package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// one is the history of a transaction of two records in two partitions, which copies offsets 0 and 1.
func one(change func(*TxnHistory)) TxnHistory {
	h := TxnHistory{
		Producers: []TxnProducer{{ID: "id", Since: 1}},
		Transactions: []Transaction{{Asked: 4, Outcome: committed, Records: []TxnRecord{
			{Partition: 0, Sent: 2, Acked: true, Source: source{0, 0}}, {Partition: 1, Sent: 3, Acked: true, Source: source{0, 1}},
		}}},
		Committed: map[int32]int64{0: 2},
	}
	for partition := range int32(2) {
		h.Views = append(h.Views, View{Reader: "R", Partition: partition, Entries: []Entry{{Record: Record{0, int64(partition)}}}})
	}
	if change != nil {
		change(&h)
	}
	return h
}

func TestCheckTransactions(t *testing.T) {
	unseen := func(h *TxnHistory) { h.Views[0].Entries, h.Views[1].Entries, h.Committed[0] = nil, nil, 0 }
	for name, tc := range map[string]struct {
		history TxnHistory
		want    []string // what the findings contain, one each
	}{
		"nothing happened":                  {},
		"all is well":                       {history: one(nil)},
		"what is unknown may have happened": {history: one(func(h *TxnHistory) { h.Transactions[0].Outcome = unknown })},
		"or not":                            {history: one(func(h *TxnHistory) { h.Transactions[0].Outcome = unknown; unseen(h) })},
		"an aborted one is not seen":        {history: one(func(h *TxnHistory) { h.Transactions[0].Outcome = aborted; unseen(h) })},
		"an aborted one is seen": {history: one(func(h *TxnHistory) { h.Transactions[0].Outcome = aborted }), want: []string{
			"aborted-read: chaos-copies, partition 0: record 0 of transaction 0, which was aborted, was met by R at offset 0",
			"aborted-read: chaos-copies, partition 1: record 1 of transaction 0, which was aborted, was met by R at offset 0",
		}},
		"one is seen that nobody has asked to commit": {history: one(func(h *TxnHistory) { h.Transactions[0].Asked, h.Transactions[0].Outcome = 0, unknown }), want: []string{
			"aborted-read: chaos-copies, partition 0: record 0 of transaction 0, whose commit nobody asked for, was met by R at offset 0",
			"aborted-read: chaos-copies, partition 1: record 1 of transaction 0, whose commit nobody asked for, was met by R at offset 0",
		}},
		"one is seen before its commit": {history: one(func(h *TxnHistory) { h.Polls = []View{{Reader: "P", At: 3, Entries: h.Views[0].Entries}} }), want: []string{
			"precommitted-read: chaos-copies, partition 0: record 0 of transaction 0 was met by P at offset 0 before its commit was asked for",
		}},
		"of one a part is seen": {history: one(func(h *TxnHistory) { h.Views[1].Entries = nil; h.Committed = nil }), want: []string{
			"torn-transaction: chaos-copies, partition 1: R sees 1 of the 2 records of transaction 0 (committed), but not the one at 1-0",
		}},
		"of an unknown one a part is seen": {history: one(func(h *TxnHistory) {
			h.Transactions[0].Outcome, h.Views[0].Entries, h.Committed = unknown, nil, nil
		}), want: []string{
			"torn-transaction: chaos-copies, partition 0: R sees 1 of the 2 records of transaction 0 (unknown), but not the one at 0-0",
		}},
		"a committed one has gone": {history: one(unseen), want: []string{
			"lost-write: chaos-copies, partition 0: transaction 0, which was committed, cannot be seen by R: 2 records, the first at 0-0",
		}},
		"its offsets were not committed": {history: one(func(h *TxnHistory) { h.Committed[0] = 1 }), want: []string{
			"non-atomic-offsets: chaos, partition 0: R sees copies of offsets 1 by transaction 0 and others, but only offset 1 was committed",
		}},
		"offsets were committed without it": {history: one(func(h *TxnHistory) { h.Committed[0] = 4 }), want: []string{
			"non-atomic-offsets: chaos, partition 0: offset 4 was committed, but R sees no copy of offsets 2 to 3",
		}},
		"a fenced producer's request was accepted": {history: one(func(h *TxnHistory) {
			h.Producers[0].Deeds = []Deed{{"AddOffsetsToTxn", 4, true}, {"EndTxn", 6, false}, {"AddPartitionsToTxn", 7, true}}
			h.Producers = append(h.Producers, TxnProducer{ID: "id", Since: 5})
		}), want: []string{
			"zombie: chaos-copies: AddPartitionsToTxn by producer 0 of id was accepted after it had been fenced",
		}},
		"a fenced producer's record was taken": {history: one(func(h *TxnHistory) {
			h.Producers = append(h.Producers, TxnProducer{ID: "id", Since: 5})
			unseen(h)
			h.Transactions[0].Asked, h.Transactions[0].Outcome = 0, unknown
			h.Transactions[0].Records[1].Sent = 6
		}), want: []string{
			"zombie: chaos-copies, partition 1: record 1 of transaction 0 was taken at offset 0 after its producer had been fenced",
		}},
		"a fenced producer has committed": {history: one(func(h *TxnHistory) {
			h.Producers = append(h.Producers, TxnProducer{ID: "id", Since: 5})
			h.Transactions[0].Asked = 6
		}), want: []string{
			"zombie: chaos-copies: transaction 0 was committed after its producer had been fenced",
			"zombie: chaos-copies, partition 0: transaction 0 is visible to R, though its commit was asked for after its producer had been fenced",
		}},
		"who is of another id fences nobody": {history: one(func(h *TxnHistory) {
			h.Producers = append(h.Producers, TxnProducer{ID: "other", Since: 2})
		})},
		"a reader has left out what another sees": {history: one(func(h *TxnHistory) {
			h.Polls = []View{{Reader: "P", At: 9, Entries: []Entry{{Offset: 7, Record: Record{0, 0}}}}}
			h.Transactions[0].Records[0].Acked = false
		}), want: []string{
			"non-monotonic-poll: chaos-copies, partition 0: P never polled record 0 of transaction 0 at offset 0, which R sees, but later ones",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range checkTransactions(tc.history) {
				got = append(got, f.String())
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if !slices.Equal(got, tc.want) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestHonestTransactionsAreClean(t *testing.T) {
	visible, unclear := 0, 0
	for seed := range uint64(60) {
		h := honestTransactions(rand.New(rand.NewPCG(seed, 0)))
		if found := checkTransactions(h); len(found) > 0 {
			t.Fatalf("seed %d:\n%s", seed, summary(found))
		}
		for _, v := range h.Views {
			visible += len(v.Entries)
		}
		for _, x := range h.Transactions {
			if x.Outcome == unknown && x.Asked > 0 {
				unclear++
			}
		}
	}
	if visible < 1000 || unclear < 20 {
		t.Errorf("the histories show little: %d visible records, %d transactions in doubt", visible, unclear)
	}
}

// txnLies spoil an honest history. A lie that finds nothing to spoil returns false.
var txnLies = map[string]struct {
	want Violation
	tell func(*rand.Rand, *TxnHistory) bool
}{
	"an aborted record is shown": {AbortedRead, func(rng *rand.Rand, h *TxnHistory) bool {
		return show(rng, h, func(t Transaction) bool { return t.Outcome == aborted })
	}},
	"a record is shown whose commit nobody asked for": {AbortedRead, func(rng *rand.Rand, h *TxnHistory) bool {
		return show(rng, h, func(t Transaction) bool { return t.Outcome == unknown && t.Asked == 0 })
	}},
	"a record is polled before its commit": {PrecommittedRead, func(rng *rand.Rand, h *TxnHistory) bool {
		if len(h.Polls) == 0 {
			return false
		}
		v := &h.Polls[rng.IntN(len(h.Polls))]
		v.At = h.Transactions[v.Entries[rng.IntN(len(v.Entries))].Record.Producer].Asked - 1
		return true
	}},
	"a record of many is hidden from all": {TornTransaction, func(rng *rand.Rand, h *TxnHistory) bool {
		return hide(rng, h, func(t Transaction, r Record, hidden Record) bool { return r == hidden })
	}},
	"what a transaction has in one partition is hidden from all": {TornTransaction, func(rng *rand.Rand, h *TxnHistory) bool {
		return hide(rng, h, func(t Transaction, r, hidden Record) bool {
			return r.Producer == hidden.Producer && t.Records[r.Sequence].Partition == t.Records[hidden.Sequence].Partition
		})
	}},
	"a committed transaction vanishes": {LostWrite, func(rng *rand.Rand, h *TxnHistory) bool {
		n := rng.IntN(len(h.Transactions))
		if h.Transactions[n].Outcome != committed {
			return false
		}
		forget(h, func(r Record) bool { return r.Producer == n })
		return true
	}},
	"a transaction is committed, its offsets are not": {NonAtomicOffsets, func(rng *rand.Rand, h *TxnHistory) bool {
		partition := rng.Int32N(2)
		if h.Committed[partition] == 0 {
			return false
		}
		h.Committed[partition]--
		return true
	}},
	"offsets are committed, their transaction is not": {NonAtomicOffsets, func(rng *rand.Rand, h *TxnHistory) bool {
		h.Committed[rng.Int32N(2)]++
		return true
	}},
	"a record is copied by two transactions": {NonAtomicOffsets, func(rng *rand.Rand, h *TxnHistory) bool {
		copying := slices.DeleteFunc(slices.Clone(h.Transactions), func(t Transaction) bool {
			return t.Outcome != committed || t.Records[0].Source == noSource
		})
		if len(copying) < 2 {
			return false
		}
		copying[1].Records[0].Source = copying[0].Records[0].Source
		return true
	}},
	"a fenced producer's request is accepted": {Zombie, func(rng *rand.Rand, h *TxnHistory) bool {
		for i := range h.Producers {
			if p := &h.Producers[i]; len(p.Deeds) > 0 {
				p.Deeds[rng.IntN(len(p.Deeds))].Accepted = true
				return true
			}
		}
		return false
	}},
	"a fenced producer's record is taken": {Zombie, func(rng *rand.Rand, h *TxnHistory) bool {
		fenced := fencings(h.Producers)
		for _, t := range h.Transactions {
			if last := len(t.Records) - 1; last >= 0 && t.Records[last].Sent > fenced[t.Producer] {
				t.Records[last].Acked = true
				return true
			}
		}
		return false
	}},
	"a transaction was asked to be committed after its producer had been fenced": {Zombie, func(rng *rand.Rand, h *TxnHistory) bool {
		t := &h.Transactions[rng.IntN(len(h.Transactions))]
		fenced := fencings(h.Producers)[t.Producer]
		if t.Outcome != committed || fenced > 1<<30 {
			return false
		}
		t.Asked = fenced + 1
		return true
	}},
	"a record is visible twice": {Duplicate, func(rng *rand.Rand, h *TxnHistory) bool {
		v := &h.Views[rng.IntN(len(h.Views))]
		if len(v.Entries) == 0 {
			return false
		}
		again := v.Entries[rng.IntN(len(v.Entries))]
		again.Offset += 1000
		v.Entries = append(v.Entries, again)
		return true
	}},
	"two records of a transaction are swapped": {Reordered, func(rng *rand.Rand, h *TxnHistory) bool {
		v := &h.Views[rng.IntN(len(h.Views))]
		for i := 1; i < len(v.Entries); i++ {
			if a, b := &v.Entries[i-1], &v.Entries[i]; a.Record.Producer == b.Record.Producer {
				a.Record, b.Record = b.Record, a.Record
				return true
			}
		}
		return false
	}},
	"the reader is not given a record": {NonMonotonicPoll, func(rng *rand.Rand, h *TxnHistory) bool {
		for i := range h.Polls {
			if v := &h.Polls[i]; len(v.Entries) > 1 {
				v.Entries = v.Entries[1:]
				return true
			}
		}
		return false
	}},
	"the reader is given records again": {NonMonotonicPoll, func(rng *rand.Rand, h *TxnHistory) bool {
		if len(h.Polls) == 0 {
			return false
		}
		h.Polls = append(h.Polls, h.Polls[rng.IntN(len(h.Polls))])
		return true
	}},
	"a record nobody sent is shown": {InconsistentOffsets, func(rng *rand.Rand, h *TxnHistory) bool {
		v := &h.Views[rng.IntN(len(h.Views))]
		v.Entries = append(v.Entries, Entry{Offset: 5000, Record: nobody})
		return true
	}},
	"a replica has the marker of another outcome": {InconsistentOffsets, func(rng *rand.Rand, h *TxnHistory) bool {
		log := &h.Replicas[rng.IntN(len(h.Replicas))]
		for i := range log.Entries {
			if e := &log.Entries[i]; e.Record.Producer == marker {
				e.Record.Sequence ^= 1
				return true
			}
		}
		return false
	}},
}

// show adds some record of a transaction to a view.
func show(rng *rand.Rand, h *TxnHistory, of func(Transaction) bool) bool {
	for n, t := range h.Transactions {
		if !of(t) || len(t.Records) == 0 {
			continue
		}
		i := rng.IntN(len(t.Records))
		for v := range h.Views {
			if view := &h.Views[v]; view.Partition == t.Records[i].Partition {
				view.Entries = append(view.Entries, Entry{Offset: t.Records[i].Offset, Record: Record{n, int64(i)}})
				return true
			}
		}
	}
	return false
}

// hide takes from every view what is to be hidden with some record of a transaction of which more is visible.
func hide(rng *rand.Rand, h *TxnHistory, with func(t Transaction, r, hidden Record) bool) bool {
	for range 50 {
		n := rng.IntN(len(h.Transactions))
		t := h.Transactions[n]
		if t.Outcome != committed {
			continue
		}
		hidden := Record{n, rng.Int64N(int64(len(t.Records)))}
		gone := func(r Record) bool { return r.Producer == n && with(t, r, hidden) }
		count := 0
		for i := range t.Records {
			if gone(Record{n, int64(i)}) {
				count++
			}
		}
		if count == len(t.Records) {
			continue
		}
		forget(h, gone)
		return true
	}
	return false
}

func forget(h *TxnHistory, gone func(Record) bool) {
	for _, views := range [][]View{h.Polls, h.Views} {
		for i := range views {
			views[i].Entries = slices.DeleteFunc(views[i].Entries, func(e Entry) bool { return gone(e.Record) })
		}
	}
}

func TestEveryTransactionalLieIsFoundByItsName(t *testing.T) {
	for name, lie := range txnLies {
		t.Run(name, func(t *testing.T) {
			told := 0
			for seed := range uint64(20) {
				rng := rand.New(rand.NewPCG(seed, 1))
				h := honestTransactions(rng)
				if !lie.tell(rng, &h) {
					continue
				}
				told++
				found := checkTransactions(h)
				if !slices.ContainsFunc(found, func(f Finding) bool { return f.Violation == lie.want }) {
					t.Fatalf("seed %d: no %s among\n%s", seed, lie.want, summary(found))
				}
			}
			if told < 5 {
				t.Errorf("told %d times of 20", told)
			}
		})
	}
}
