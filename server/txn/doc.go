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
// producer's next transaction (KAFKA-17754), as in Kafka 3.9; TestTransactionalRequestsAtTheEdges in package integration shows
// both, of Kafka and of us. KIP-890's second part closes that by raising the epoch at each end.
//
// We do not offer it, since it could not be switched off in time. It is the decision that raises the epoch: markers carry the
// new one, so that logs refuse what is late, and the producer learns it from the answer to EndTxn. One that has not heard the
// answer asks again under the epoch before, and only a coordinator that knows the KIP tells it from a zombie: by the epochs,
// which are one apart. Kafka 3.9.1 answers PRODUCER_FENCED, which is fatal, to a producer whose transaction has just been
// committed. Nothing that we write could make it do otherwise: a record of version 0 has no room for a word about that, and
// of version 1 it skips the tagged fields. With the last epoch of a producer id the answer names the next id, and of that Kafka
// would know nothing at all.
//
// When a Kafka broker registers, such answers are on their way, and producers ask anew whether they may count on the KIP only
// when they end a transaction. The broker may lead a partition of __transaction_state as soon as it has caught up. Nor is there a
// proper place to tell producers: they look at the finalized features, which are kept in /feature, and a Kafka 3.9.1 that
// finds one there which it does not know will not start.
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
