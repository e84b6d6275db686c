// Package group coordinates consumer groups: who is a member, who gets which assignment, how far each group has read.
// It is the classic coordinator of Apache Kafka in ZooKeeper mode.
//
// A group lives in one partition of __consumer_offsets, found by the hash of its name, and the broker that leads
// the partition is its coordinator. The partition is the group's whole memory: every commit and every generation is a
// record there, keyed, so that compaction keeps the last of each. Whoever becomes the leader reads the partition
// from the beginning and goes on where the other stopped; what was not written is forgotten on purpose.
//
// # A rebalance
//
//	            a member joins, leaves, or times out
//	Empty ──────────────────────────────┐
//	                                    v
//	Stable ───────────────────> PreparingRebalance      everyone is called by heartbeat errors, and joins again
//	  ^                            │         ^
//	  │ the leader's assignment    │ all have joined, or the rebalance timeout is over
//	  │ is stored                  v         │ somebody joins, leaves, or times out
//	  └──────────────────── CompletingRebalance         the members are answered; the leader computes, all send SyncGroup
//
// The coordinator understands nothing of partitions and assignments: the leader, a client, computes them, and the
// coordinator keeps order. Eager and cooperative strategies, or Kafka Connect's, differ in the bytes that pass
// through here and in nothing else. What the members are told are numbers that fence: a generation counts
// rebalances, and who speaks for an older one is refused, so that two members never both believe to own a partition.
//
// A dynamic member is known by an id the coordinator gave it. It is given out before the member joins (KIP-394), so
// that a client that times out and tries again does not become many. A static member (KIP-345) is known by an instance
// id that survives its restarts: whoever comes with it next takes the place, the assignment and all, and the
// former life is fenced.
//
// # Turns
//
// Each group has a lock, and a change of the group is a turn under it. No lock is held while a request is
// answered, a record is written, or a purgatory is asked: an answer may run into the network, a write into the disk,
// and both may end in another turn of the same group. Instead a turn leaves what is to be done in the group's outbox, and
// whoever ends a turn does it, one goroutine at a time and in order. So answers and records of a group have the order
// of the decisions they came from; a record of generation 7 never stands behind one of generation 8.
//
// Lock order: none. A goroutine holds a Group's lock, or that of the reigns, never two.
//
// # Waiting
//
// Three things wait in purgatories: delayedJoin for the members to join, delayedSync for their SyncGroup, delayedHeartbeat for
// a sign of life. Each is replaced by its successor; the group points at the one in force, and one that
// finds itself replaced does nothing.
//
// # Records
//
// All keys and values begin with a version, int16. Strings are a length int16 (-1 null) and UTF-8, bytes a
// length int32. What a version adds stands at the encoders.
//
//	committed offset  key 1: group string, topic string, partition int32
//	                  value 3: offset int64, leader epoch int32, metadata string, commit time int64
//	group             key 2: group string
//	                  value 3: protocol type, generation, protocol, leader, time, members with subscription and assignment
//
// A null value forgets. Unknown kinds of keys are of newer coordinators and skipped.
package group
