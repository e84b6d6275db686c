// Package purgatory holds the requests that cannot be answered yet.
//
// A produce with acks=all waits for followers; a fetch waits for min.bytes; a member that joins a group waits
// for the others. Each becomes an Operation, watched under the keys whose change may free it. It leaves
// once: Check finds its condition true, somebody forces it, or the timing wheel finds its time over, and only
// the first of them answers.
//
// Nothing polls. Whoever changes something that operations may wait for calls Check with its key afterwards.
//
// # No wake-up is lost
//
// Two races could leave an operation waiting for its time-out although its condition is true.
//
// Between trying and watching: Ready says no, then the condition comes true and Check finds nobody under the
// key, then the operation is put there, and no further Check comes. So Watch tries once more after the
// operation stands under all its keys. A change before that second try is seen by it; a change after it calls a
// Check that finds the operation. The first try is only there because most operations need no watching.
//
// Between two Checks: the first is inside Ready and has read the old state; the second one's change is new,
// but Ready is serialized, and if the second simply skipped an operation that is being tried, its change would go
// unseen. (Kafka had this one, KAFKA-6653, when it replaced a lock by a try-lock to get rid of deadlocks.) Here the
// second leaves a note, "try again", and goes on; the first reads the note before it leaves and asks Ready
// once more. So Check never waits for another Check, and there is no lock that could close a circle.
//
// # Rules for callers
//
// Call Check, Force and Watch without holding a lock that Ready or Complete of any operation may want: they run
// there and then, on the caller's goroutine, and so do the operations of others under the same key.
// Complete must not block; it also runs on the timing wheel's goroutine.
//
// # What is left behind
//
// An operation under many keys is freed by one of them and stays listed under the others. Taking it out of
// every list at once would make the answer of a fetch of a thousand partitions pay for a thousand locks. So a
// list drops its finished operations when it is checked next, and when the finished ones are as many as half of
// all the listed, a reaper sweeps the lists. It is woken by that count and sleeps otherwise.
package purgatory
