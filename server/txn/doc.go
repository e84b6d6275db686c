// Package txn coordinates transactions: for each transactional id whose partition of __transaction_state this broker
// leads, it knows the producer, the partitions its transaction has touched, and how far the end of it has come
// [TransactionCoordinator, TransactionStateManager, TransactionMarkerChannelManager].
//
// # The idea
//
// A transaction is two-phase commit with a log in the middle. The decision is one record, PrepareCommit or PrepareAbort,
// in __transaction_state: once it is safe, nothing can turn it. What follows can be done by anybody, any number of times:
// a marker into every partition, and a Complete record when all of them are there. A coordinator that finds a Prepare
// record while loading goes on from there.
//
//	            InitProducerId                 AddPartitions, AddOffsets           EndTxn
//	(unknown) ------------------> Empty -------------------------> Ongoing --------------------.
//	                                ^                                ^  |                       |
//	                 InitProducerId |     AddPartitions, AddOffsets  |  | timeout, or another   v
//	                                |                                |  | InitProducerId     PrepareCommit
//	                          CompleteCommit, CompleteAbort ---------'  | (epoch + 1)        PrepareAbort
//	                                ^                                   `-------------------->  |
//	                                `-----------------------------------------------------------'
//	                                                all markers are written
//
// Each arrow is a record: the new state is prepared, written with acks=all, and only then takes effect. Meanwhile the
// transaction has a pending state, and whoever comes gets CONCURRENT_TRANSACTIONS and tries again. Sending the markers is
// part of the arrow to Complete, so it is pending for as long as that takes.
//
// # Epochs
//
// A producer id belongs to one transactional id, its epoch to one life of the producer. InitProducerId raises the epoch,
// and with it shuts out all earlier lives. One that comes while a transaction is open first aborts that, under an epoch
// that nobody is ever told: the fence. So the epoch goes up by two. A producer may ask for a higher epoch itself by
// naming its present one (KIP-360); if the answer is lost, it may ask again with the one before. When the epochs of an id are used
// up, the transactional id gets another producer id.
//
// # What is left open
//
// Within one epoch transactions have no names, so an EndTxn or a Produce that was delayed in the network may land in the
// producer's next transaction (KAFKA-17754), as in Kafka 3.9. KIP-890's second part closes that by raising the epoch at each
// end. We do not offer it: the producer would learn its next epoch from the answer to EndTxn, and until the markers are
// written that epoch has no place in a record that Kafka 3.9.1 reads (version 0; the newer one keeps it in tagged fields). If a
// Kafka broker took over the coordinator just then, it would fence a producer that has done nothing wrong, and switching the feature off
// when such a broker registers comes too late for the transactions that are open.
//
// # What callers respect
//
// Every request method calls its reply once, from any goroutine, perhaps before it returns, with no lock held.
//
// # Record formats
//
// All fields are big-endian, strings have an int16 length.
//
//	key    int16 version 0, string transactionalId
//	value  int16 version 0, int64 producerId, int16 producerEpoch, int32 timeout ms, int8 state,
//	       int32 count (-1 in state Empty): {string topic, int32 count: int32 partition ...} ...,
//	       int64 last update ms, int64 start ms (-1 without a transaction)
//	       or null: the transactional id has expired
//
// Version 1 of the value is flexible (KIP-482); it is read and never written.
package txn
