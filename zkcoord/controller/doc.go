// Package controller is the one broker that decides for all: who leads each partition, and who is told.
//
// Every broker runs a Controller. It tries to create /controller; whoever succeeds is the controller
// until its ZooKeeper session ends, and the others wait for that node to go. The winner raises
// /controller_epoch in the same multi, and from then on each of its writes begins with a check of that
// node, so a predecessor that slept through its own end changes nothing any more (zkcoord, ControllerFenced).
//
// One goroutine, one queue. ZooKeeper's watches, the answers of brokers, timers and clients' requests only
// put an event into the queue; the goroutine takes one after another and owns all state, which therefore
// needs no lock. An event carries the generation of the ZooKeeper session in which it arose and is dropped
// in a later one. A client's event that is dropped is answered NOT_CONTROLLER, never forgotten.
//
//	watch, answer, request ──> queue ──> one goroutine ──> decide (election.go, pure)
//	                                                        │ write states in ZooKeeper, fenced
//	                                                        │ remember them
//	                                                        └ one channel per broker: LeaderAndIsr,
//	                                                          UpdateMetadata, StopReplica, one in flight
//
// A partition is New until its first leader is written, then Online, or Offline while nobody can lead.
// A replica is New, Online or Offline, and on its way out DeletionStarted, DeletionSuccessful or, while
// its broker is away, DeletionIneligible. partition_states.go and replica_states.go move them; everything
// else (a broker that dies, a topic that is deleted, a reassignment) is a sequence of such moves.
//
// What is decided is written first and sent afterwards: a controller that dies in between leaves a state
// from which its successor goes on. Requests to one broker go one at a time, in order, and are repeated
// every 100 ms until they are answered or that life of the broker is over, because UpdateMetadata is
// applied as it comes and must not be overtaken.
package controller
