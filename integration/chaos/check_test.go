package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// entries makes a log from offset 0 on, of one producer and one leader epoch: a number is a sequence.
func entries(sequences ...int64) []Entry {
	var all []Entry
	for i, s := range sequences {
		all = append(all, Entry{Offset: int64(i), Epoch: 4, Record: Record{1, s}})
	}
	return all
}

func reads(logs ...[]Entry) []Read {
	var all []Read
	for i, log := range logs {
		all = append(all, Read{Replica: []string{"broker 1", "broker 2", "broker 3"}[i], Entries: log})
	}
	return all
}

func ack(sequence, offset int64) Ack { return Ack{Record: Record{1, sequence}, Offset: offset} }

func TestCheck(t *testing.T) {
	good := entries(0, 1, 2, 3)
	for name, tc := range map[string]struct {
		history History
		want    []string // what the findings contain, one each
	}{
		"nothing happened": {},
		"all is well": {history: History{
			Acks: []Ack{ack(1, 1), ack(0, 0), ack(3, 3)}, Reads: reads(good, good, good),
			Assignments: []Assignment{{Consumer: 1, At: 1}, {Consumer: 2, At: 3}},
			Polls:       []Poll{{Assignment: 0, Entries: good[:3]}, {Assignment: 1, Entries: good[1:]}},
			Commits:     []Commit{{Consumer: 1, Offset: 1, At: 2}, {Consumer: 1, Offset: 3, At: 4}},
		}},
		"a record that nobody was promised may be missing": {history: History{Acks: []Ack{ack(0, 0), ack(2, 1)}, Reads: reads(entries(0, 2), entries(0, 2))}},
		"an acknowledged record is nowhere": {
			history: History{Acks: []Ack{ack(3, 3), ack(4, 4)}, Reads: reads(good, good)},
			want: []string{
				"lost-write: partition 0: record 4 of producer 1, acknowledged at offset 4, is not on broker 1",
				"lost-write: partition 0: record 4 of producer 1, acknowledged at offset 4, is not on broker 2",
			},
		},
		"an acknowledged record is not on one replica": {
			history: History{Acks: []Ack{ack(3, 3)}, Reads: reads(good, good[:3])},
			want:    []string{"inconsistent-offsets: partition 0: offsets 3 are on broker 1 and not on broker 2", "lost-write: partition 0: record 3 of producer 1, acknowledged at offset 3, is not on broker 2"},
		},
		"a record that was polled has gone": {
			history: History{Reads: reads(good[:3]), Assignments: []Assignment{{Consumer: 7}}, Polls: []Poll{{Entries: good}}},
			want:    []string{"lost-write: partition 0: record 3 of producer 1, polled by consumer 7 at offset 3, is not on broker 1"},
		},
		"a record is there twice": {
			history: History{Acks: []Ack{ack(1, 1)}, Reads: reads(entries(0, 1, 2, 1))},
			want:    []string{"duplicate: partition 0: on broker 1 record 1 of producer 1 is at offset 1 and at 3"},
		},
		"a record is there twice, and the second was acknowledged": {
			history: History{Acks: []Ack{ack(1, 3)}, Reads: reads(entries(0, 1, 2, 1))},
			want:    []string{"duplicate: partition 0: on broker 1 record 1 of producer 1 is at offset 1 and at 3"},
		},
		"a producer's records have changed places": {
			history: History{Reads: reads(entries(0, 2, 1, 3))},
			want:    []string{"reordered: partition 0: on broker 1 record 1 of producer 1 at offset 2 follows record 2 of producer 1 at 1"},
		},
		"acknowledgements say that records have changed places": {
			history: History{Acks: []Ack{ack(1, 2), ack(2, 1)}},
			want:    []string{"reordered: partition 0: record 1 of producer 1 was acknowledged at offset 2, behind record 2 of producer 1 at 1"},
		},
		"a record is elsewhere than acknowledged": {
			history: History{Acks: []Ack{ack(1, 2)}, Reads: reads(good)},
			want:    []string{"inconsistent-offsets: partition 0: record 1 of producer 1, acknowledged at offset 2, is at 1 on broker 1"},
		},
		"an offset was given away twice": {
			history: History{Acks: []Ack{ack(1, 1), ack(2, 1)}},
			want:    []string{"inconsistent-offsets: partition 0: offset 1 was acknowledged for record 1 of producer 1 and for record 2 of producer 1"},
		},
		"a record was acknowledged twice": {
			history: History{Acks: []Ack{ack(1, 1), ack(1, 2)}},
			want:    []string{"inconsistent-offsets: partition 0: record 1 of producer 1 was acknowledged twice, at offsets 1 and 2"},
		},
		"replicas hold different records at an offset": {
			history: History{Reads: reads(entries(0, 1, 2), entries(0, 1, 3))},
			want:    []string{"inconsistent-offsets: partition 0: offset 2 is record 2 of producer 1 on broker 1 and record 3 of producer 1 on broker 2"},
		},
		"replicas hold a record of different leaders": {
			history: History{Reads: reads([]Entry{{0, 4, Record{1, 0}}}, []Entry{{0, 5, Record{1, 0}}})},
			want:    []string{"inconsistent-offsets: partition 0: offset 0 is of leader epoch 4 on broker 1 and of 5 on broker 2"},
		},
		"a log has a hole": {
			history: History{Reads: reads([]Entry{{0, 4, Record{1, 0}}, {2, 4, Record{1, 1}}})},
			want:    []string{"inconsistent-offsets: partition 0: on broker 1 offset 2 follows 0"},
		},
		"a log holds what nobody sent": {
			history: History{Reads: reads([]Entry{{0, 4, nobody}})},
			want:    []string{"inconsistent-offsets: partition 0: on broker 1 offset 0 holds a record that nobody sent"},
		},
		"a record is polled under another offset than it has": {
			history: History{Reads: reads(good), Assignments: []Assignment{{Consumer: 7}}, Polls: []Poll{{Entries: []Entry{{Offset: 0, Record: Record{1, 1}}}}}},
			want:    []string{"inconsistent-offsets: partition 0: record 1 of producer 1, polled by consumer 7 at offset 0, is at 1 on broker 1"},
		},
		"a poll goes back": {
			history: History{Assignments: []Assignment{{Consumer: 7}}, Polls: []Poll{{Entries: good[:3]}, {Entries: good[1:3]}}},
			want:    []string{"non-monotonic-poll: partition 0: consumer 7 polled offset 1 after 2"},
		},
		"a poll skips what nobody else is given": {
			history: History{Assignments: []Assignment{{Consumer: 7}}, Polls: []Poll{{Entries: good[:1]}, {Entries: good[3:]}}},
			want: []string{
				"non-monotonic-poll: partition 0: consumer 7 polled offset 3 after 0, without those between",
				"non-monotonic-poll: partition 0: no member of the group ever polled offsets 1 to 2, but later ones",
			},
		},
		"a member begins behind what another has read and committed": {
			history: History{
				Assignments: []Assignment{{Consumer: 7, At: 1}, {Consumer: 8, At: 3}}, Commits: []Commit{{Consumer: 7, Offset: 3, At: 2}},
				Polls: []Poll{{Entries: good[:3]}, {Assignment: 1, Entries: good[2:]}},
			},
			want: []string{"lost-commit: partition 0: consumer 8 began at offset 2, after consumer 7 had committed 3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range check(tc.history) {
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

// honest makes a history as a good cluster would leave it: some producers, some partitions, three replicas; of
// some records the answer was lost, some were refused; members come and go, and read again what was polled and
// not committed.
func honest(rng *rand.Rand) History {
	r := newRecorder()
	for partition := range int32(1 + rng.IntN(3)) {
		var log []Entry
		sequences, epoch := make([]int64, 1+rng.IntN(3)), int32(0)
		for range 20 + rng.IntN(100) {
			producer := rng.IntN(len(sequences))
			record := Record{producer, sequences[producer]}
			sequences[producer]++
			if rng.IntN(20) == 0 {
				epoch++
			}
			if rng.IntN(20) == 0 {
				continue // refused
			}
			e := Entry{int64(len(log)), epoch, record}
			log = append(log, e)
			if rng.IntN(10) > 0 {
				r.ack(Ack{record, partition, e.Offset})
			}
		}
		for _, replica := range []string{"broker 1", "broker 2", "broker 3"} {
			r.read(Read{replica, partition, slices.Clone(log)})
		}
		committed := int64(0)
		for consumer := range 1 + rng.IntN(5) {
			assignment := r.assign(consumer, partition)
			at := committed
			for range rng.IntN(6) {
				end := min(at+rng.Int64N(30), int64(len(log)))
				r.poll(Poll{assignment, partition, slices.Clone(log[at:end])})
				at = end
				if rng.IntN(2) == 0 {
					r.commit(consumer, partition, at)
					committed = at
				}
			}
		}
	}
	return r.done()
}

func TestHonestHistoriesAreClean(t *testing.T) {
	for seed := range uint64(500) {
		if found := check(honest(rand.New(rand.NewPCG(seed, 0)))); len(found) > 0 {
			t.Fatalf("seed %d:\n%s", seed, summary(found))
		}
	}
}

// lies spoil an honest history, and say where. A lie that finds nothing to spoil returns false.
var lies = map[string]struct {
	want Violation
	tell func(*rand.Rand, *History) bool
}{
	"an acknowledged record is cut off one replica, with all behind it": {LostWrite, func(rng *rand.Rand, h *History) bool {
		ack := h.Acks[rng.IntN(len(h.Acks))]
		log := anyLog(rng, h, ack.Partition)
		log.Entries = log.Entries[:ack.Offset]
		return true
	}},
	"an acknowledged record is cut off all replicas": {LostWrite, func(rng *rand.Rand, h *History) bool {
		ack := h.Acks[rng.IntN(len(h.Acks))]
		for i := range h.Reads {
			if log := &h.Reads[i]; log.Partition == ack.Partition {
				log.Entries = log.Entries[:ack.Offset]
			}
		}
		return true
	}},
	"a polled record is cut off all replicas, and its acknowledgement was lost": {LostWrite, func(rng *rand.Rand, h *History) bool {
		poll, e := anyPolled(rng, h)
		if poll == nil {
			return false
		}
		h.Acks = slices.DeleteFunc(h.Acks, func(a Ack) bool { return a.Partition == poll.Partition && a.Offset >= e.Offset })
		for i := range h.Reads {
			if log := &h.Reads[i]; log.Partition == poll.Partition {
				log.Entries = log.Entries[:e.Offset]
			}
		}
		return true
	}},
	"a record is appended again on all replicas": {Duplicate, func(rng *rand.Rand, h *History) bool {
		log := &h.Reads[rng.IntN(len(h.Reads))]
		again := log.Entries[rng.IntN(len(log.Entries))]
		again.Offset = int64(len(log.Entries))
		for i := range h.Reads {
			if log.Partition == h.Reads[i].Partition {
				h.Reads[i].Entries = append(h.Reads[i].Entries, again)
			}
		}
		return true
	}},
	"two records of a producer are swapped on a replica": {Reordered, func(rng *rand.Rand, h *History) bool {
		log := &h.Reads[rng.IntN(len(h.Reads))]
		i := rng.IntN(len(log.Entries))
		j := slices.IndexFunc(log.Entries[i+1:], func(e Entry) bool { return e.Record.Producer == log.Entries[i].Record.Producer })
		if j < 0 {
			return false
		}
		a, b := &log.Entries[i], &log.Entries[i+1+j]
		a.Record, b.Record = b.Record, a.Record
		return true
	}},
	"two acknowledgements of a producer are swapped": {Reordered, func(rng *rand.Rand, h *History) bool {
		a, b := &h.Acks[rng.IntN(len(h.Acks))], &h.Acks[rng.IntN(len(h.Acks))]
		if a == b || a.Partition != b.Partition || a.Record.Producer != b.Record.Producer {
			return false
		}
		a.Offset, b.Offset = b.Offset, a.Offset
		return true
	}},
	"an acknowledgement names another offset": {InconsistentOffsets, func(rng *rand.Rand, h *History) bool {
		h.Acks[rng.IntN(len(h.Acks))].Offset += 1 + rng.Int64N(10)
		return true
	}},
	"a replica holds another record than the others": {InconsistentOffsets, func(rng *rand.Rand, h *History) bool {
		log := &h.Reads[rng.IntN(len(h.Reads))]
		log.Entries[rng.IntN(len(log.Entries))].Record = Record{9, 9}
		return true
	}},
	"a replica has a record of another leader": {InconsistentOffsets, func(rng *rand.Rand, h *History) bool {
		log := &h.Reads[rng.IntN(len(h.Reads))]
		log.Entries[rng.IntN(len(log.Entries))].Epoch++
		return true
	}},
	"a replica is short of its last record": {InconsistentOffsets, func(rng *rand.Rand, h *History) bool {
		log := &h.Reads[rng.IntN(len(h.Reads))]
		log.Entries = log.Entries[:len(log.Entries)-1]
		return true
	}},
	"a replica has a hole": {InconsistentOffsets, func(rng *rand.Rand, h *History) bool {
		log := &h.Reads[rng.IntN(len(h.Reads))]
		i := rng.IntN(len(log.Entries))
		log.Entries = slices.Delete(log.Entries, i, i+1)
		return true
	}},
	"a record was polled under the next offset": {InconsistentOffsets, func(rng *rand.Rand, h *History) bool {
		_, e := anyPolled(rng, h)
		if e == nil {
			return false
		}
		e.Offset++
		return true
	}},
	"a member polls something again": {NonMonotonicPoll, func(rng *rand.Rand, h *History) bool {
		poll, _ := anyPolled(rng, h)
		if poll == nil {
			return false
		}
		h.Polls = append(h.Polls, *poll)
		return true
	}},
	"two records change places in a poll": {NonMonotonicPoll, func(rng *rand.Rand, h *History) bool {
		poll, _ := anyPolled(rng, h)
		if poll == nil || len(poll.Entries) < 2 {
			return false
		}
		i := rng.IntN(len(poll.Entries) - 1)
		poll.Entries[i], poll.Entries[i+1] = poll.Entries[i+1], poll.Entries[i]
		return true
	}},
	"nobody is given some records": {NonMonotonicPoll, func(rng *rand.Rand, h *History) bool {
		_, e := anyPolled(rng, h)
		if e == nil {
			return false
		}
		offset, partition, later := e.Offset, int32(0), false
		for i := range h.Polls {
			if poll := &h.Polls[i]; slices.ContainsFunc(poll.Entries, func(o Entry) bool { return o == *e }) {
				partition = poll.Partition
				break
			}
		}
		for i := range h.Polls {
			if poll := &h.Polls[i]; poll.Partition == partition {
				poll.Entries = slices.DeleteFunc(poll.Entries, func(o Entry) bool { return o.Offset == offset })
				later = later || slices.ContainsFunc(poll.Entries, func(o Entry) bool { return o.Offset > offset })
			}
		}
		return later
	}},
	"a member begins anew from 0": {LostCommit, func(rng *rand.Rand, h *History) bool {
		if len(h.Commits) == 0 {
			return false
		}
		commit := h.Commits[rng.IntN(len(h.Commits))]
		if commit.Offset == 0 {
			return false
		}
		h.Assignments = append(h.Assignments, Assignment{5, commit.Partition, commit.At + 1000})
		h.Polls = append(h.Polls, Poll{len(h.Assignments) - 1, commit.Partition, slices.Clone(anyLog(rng, h, commit.Partition).Entries[:1])})
		return true
	}},
}

func anyLog(rng *rand.Rand, h *History, partition int32) *Read {
	for {
		if log := &h.Reads[rng.IntN(len(h.Reads))]; log.Partition == partition {
			return log
		}
	}
}

func anyPolled(rng *rand.Rand, h *History) (*Poll, *Entry) {
	for range 50 {
		if len(h.Polls) == 0 {
			break
		}
		if poll := &h.Polls[rng.IntN(len(h.Polls))]; len(poll.Entries) > 0 {
			return poll, &poll.Entries[rng.IntN(len(poll.Entries))]
		}
	}
	return nil, nil
}

func TestEveryLieIsFoundByItsName(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			told := 0
			for seed := range uint64(200) {
				rng := rand.New(rand.NewPCG(seed, 1))
				h := honest(rng)
				if !lie.tell(rng, &h) {
					continue
				}
				told++
				found := check(h)
				if !slices.ContainsFunc(found, func(f Finding) bool { return f.Violation == lie.want }) {
					t.Fatalf("seed %d: no %s among\n%s", seed, lie.want, summary(found))
				}
			}
			if told < 20 {
				t.Errorf("told %d times of 200", told)
			}
		})
	}
}

// However a history is mixed up, check ends and does not panic: a cluster may lie in every way.
func TestManyLiesAtOnce(t *testing.T) {
	names := make([]string, 0, len(lies))
	for name := range lies {
		names = append(names, name)
	}
	slices.Sort(names)
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 2))
		h := honest(rng)
		told := false
		for range 4 {
			func() {
				defer func() { _ = recover() }() // a lie may find what it spoils gone
				told = lies[names[rng.IntN(len(names))]].tell(rng, &h) || told
			}()
		}
		if found := check(h); told && len(found) == 0 {
			t.Fatalf("seed %d: nothing found", seed)
		}
	}
}
