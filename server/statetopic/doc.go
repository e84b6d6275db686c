// Package statetopic holds what the two coordinators have in common. Each keeps its state in a compacted topic, groups in
// __consumer_offsets and transactions in __transaction_state, and coordinates what belongs to the partitions that this broker leads.
//
// The one idea: the topic is the state, and memory is a copy of it. A coordinator that comes to lead a partition reads it from
// its start to its end (Replay); of each key the last record counts. What it does later it writes first and believes after. So
// whoever leads next finds all that anybody was ever told.
//
// The time in which this broker leads a partition is a Reign. It begins with an election and is served from when it is
// loaded until somebody else is elected; Reigns knows them all, and that news of them may come late.
//
// Records follow Kafka's schemas: fields without names, in an order that the version at the front of each key and value
// fixes. A Reader takes them off one by one. All fields are big-endian; a string has an int16 length and a list an int32
// count, -1 for null; in flexible versions (KIP-482), which are read and never written, lengths are varints, one more than the length, and
// tagged fields follow.
//
// A key belongs to the partition that PartitionOf names, which is how clients find their coordinator.
package statetopic
