// Package replica holds the partitions of this broker: leads some, follows others.
//
// A Partition is a log and a reign. The log holds records; the reign tells who leads since which epoch,
// who is in sync, and, on the leader, how far each follower has come. The controller's LeaderAndIsr
// begins a reign, and a change of the ISR begins the same one anew with other members.
//
// # The high watermark
//
// Records below the high watermark are on every replica that may become leader, so consumers may see
// them and producers with acks=all are told of them:
//
//	                log start   high watermark      log end
//	leader  1           |-----------------|------------|
//	follower 2, in sync |-----------------|                       the slowest that counts decides
//	follower 3, behind  |---------|                               does not count, may not be elected
//
// The leader raises it, in the append itself or when a follower's fetch tells that the follower has all
// records before the offset it asks for. Everything that waits, waits for that: a producer for the
// watermark, a consumer for records below it, a follower for the log's end.
//
// # Who holds what lock
//
// Partition.mu guards the reign. It is held shared by whoever acts under a reign (append, progress of a
// follower) and alone by whoever changes it; so nothing is ever appended under a reign that has ended. Whoever only
// reads takes the reign by an atomic load and no lock, so a fetch never waits for the disk of an append.
//
// Lock order: Manager.controller, Partition.mu, then a follower's lock or the log's. Purgatories are checked
// with none of them held: Check runs other requests to their answers.
//
// The rules whose breach loses data stand in the code as Rule 1 to Rule 4, each with the name of the test that
// fails without it:
//
//  1. the high watermark waits for the maximal ISR, stands still below min.insync.replicas and never falls;
//  2. every batch carries its leader's epoch, and followers truncate by epochs, fenced by their own;
//  3. progress counts only under the current leader epoch;
//  4. the ISR grows only by followers that have reached the high watermark and the start of the epoch,
//     and only in the controller's answer.
package replica
