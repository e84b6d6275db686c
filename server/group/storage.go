package group

import "ottla/server/statetopic"

// Storage is the topic __consumer_offsets as the coordinator needs it.
//
// An error that is, or wraps, a *kerr.Error tells Kafka's code of the failure (NotLeaderForPartition,
// NotEnoughReplicas, MessageTooLarge, RequestTimedOut, KafkaStorageError, UnknownTopicOrPartition ...); anything
// else counts as UnknownServerError.
type Storage interface {
	// Append writes one batch with base offset 0 to a partition that this broker leads, with
	// offsets.commit.required.acks and within offsets.commit.timeout.ms. It calls done once, maybe before it returns,
	// with the offset the batch got. The batch belongs to Append until then. No lock is held.
	Append(partition int32, batch []byte, done func(baseOffset int64, err error))
	// AppendVerified is Append for a batch of a transaction, which is refused (InvalidTxnState) if the guard that the
	// verification of the transaction gave does not hold any more.
	AppendVerified(partition int32, guard uint64, batch []byte, done func(baseOffset int64, err error))
	statetopic.Log
}
