package main

import "sync"

// Record is a record's identity: who sent it, as the how manieth to its partition, counted from 0. Its bytes
// follow from that (payload.go).
type Record struct {
	Producer int   `json:"producer"`
	Sequence int64 `json:"sequence"`
}

// Ack is a produce that was acknowledged.
type Ack struct {
	Record    Record `json:"record"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Assignment is the moment in which a member of the group was given a partition. What it polls of it until it
// loses it again belongs to this assignment.
type Assignment struct {
	Consumer  int   `json:"consumer"`
	Partition int32 `json:"partition"`
	At        int   `json:"at"` // its place among assignments and commits
}

// Poll is what one poll returned of one partition, in its order.
type Poll struct {
	Assignment int     `json:"assignment"` // index of History.Assignments
	Partition  int32   `json:"partition"`
	Entries    []Entry `json:"entries"`
}

// Commit is an offset of the group whose commit was acknowledged.
type Commit struct {
	Consumer  int   `json:"consumer"`
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"` // of the next record to read
	At        int   `json:"at"`
}

// Entry is a record at its offset.
type Entry struct {
	Offset int64  `json:"offset"`
	Epoch  int32  `json:"epoch"` // of the leader that appended it; not known of what is polled
	Record Record `json:"record"`
}

// Read is all that a replica holds of a partition in the end.
type Read struct {
	Replica   string  `json:"replica"`
	Partition int32   `json:"partition"`
	Entries   []Entry `json:"entries"`
}

// History is what clients were told during a run, and what the replicas hold after it.
type History struct {
	Acks        []Ack        `json:"acks"`
	Assignments []Assignment `json:"assignments"`
	Polls       []Poll       `json:"polls"`
	Commits     []Commit     `json:"commits"`
	Reads       []Read       `json:"reads"`
}

// recorder writes a History from many goroutines.
type recorder struct {
	mu struct {
		sync.Mutex
		history History
		clock   int
		acked   map[int32]int // acknowledged records by partition
	}
}

func newRecorder() *recorder {
	r := &recorder{}
	r.mu.acked = make(map[int32]int)
	return r
}

func (r *recorder) ack(a Ack) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.history.Acks = append(r.mu.history.Acks, a)
	r.mu.acked[a.Partition]++
}

// assign returns the assignment's index, for the polls that belong to it.
func (r *recorder) assign(consumer int, partition int32) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.clock++
	r.mu.history.Assignments = append(r.mu.history.Assignments, Assignment{consumer, partition, r.mu.clock})
	return len(r.mu.history.Assignments) - 1
}

func (r *recorder) poll(p Poll) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.history.Polls = append(r.mu.history.Polls, p)
}

func (r *recorder) commit(consumer int, partition int32, offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.clock++
	r.mu.history.Commits = append(r.mu.history.Commits, Commit{consumer, partition, offset, r.mu.clock})
}

func (r *recorder) read(reads ...Read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.history.Reads = append(r.mu.history.Reads, reads...)
}

// acknowledged returns how many records of each partition have been acknowledged.
func (r *recorder) acknowledged() map[int32]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[int32]int, len(r.mu.acked))
	for partition, n := range r.mu.acked {
		all[partition] = n
	}
	return all
}

// polledTo returns for each partition the offset behind the last that any member has polled.
func (r *recorder) polledTo() map[int32]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	ends := make(map[int32]int64)
	for _, poll := range r.mu.history.Polls {
		if n := len(poll.Entries); n > 0 {
			ends[poll.Partition] = max(ends[poll.Partition], poll.Entries[n-1].Offset+1)
		}
	}
	return ends
}

// done returns the history once nobody records any more.
func (r *recorder) done() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.history
}
