// Package logdir keeps the logs of partitions on disk, in Apache Kafka's own files: a directory moves
// between the two brokers either way, and Kafka's tools read it.
//
// A Log is a row of segments, and a segment is a file of record batches (package batch) with two sparse
// indexes. The last segment is active: it alone is written. Everything else that a log keeps can be
// built anew from its batches; it is kept so that a start need not.
//
// A Manager opens the log directories (log.dirs), one after an unclean shutdown by checking what lies past
// the recovery point, and owns all background work. A Log owns no goroutine and, while nobody uses it,
// no descriptor that others need.
//
// # What a caller must respect
//
// AppendAsLeader may write into the records it is given; afterwards the caller has them back. Data from
// Read holds files open until Release. SetHighWatermark is the replica's business: the log only keeps
// it from going back. Errors are the sentinels of errors.go; a disk that failed once makes all of its
// directory's logs answer ErrStorage, for good.
//
// # The log directory
//
//	meta.properties                   whose it is: broker.id, cluster.id, version=0
//	.lock                             held while a broker runs
//	.kafka_cleanshutdown              written last by a clean shutdown, removed first by a start
//	recovery-point-offset-checkpoint  per log: below it, all is synced
//	cleaner-offset-checkpoint         of logs that were compacted: below it they are clean
//	log-start-offset-checkpoint       of logs whose start DeleteRecords has raised
//	replication-offset-checkpoint     high watermarks
//	orders-0/                         a log
//	orders-0.<32 hex>-delete/         a log on its way out
//	orders-0.<32 hex>-future/         a copy of a log in another directory, which is moving here
//
// Checkpoints are text: a version line 0, a count, then "topic partition offset" lines. Each is written
// beside its place, synced and renamed into it.
//
// # A log
//
//	partition.metadata                "version: 0\ntopic_id: <22 characters>"
//	leader-epoch-checkpoint           0, a count, "epoch start-offset" lines that ascend
//	00000000000000000000.log          batches; the name is the first offset the segment may hold
//	00000000000000000000.index        offset index
//	00000000000000000000.timeindex    time index
//	00000000000000000000.txnindex     aborted transactions that ended here; only if there are any
//	00000000000000000042.snapshot     producers as all batches below offset 42 left them
//	moving-to                         the directory whose copy is about to take this log's place; ours alone
//	*.deleted                         on its way out
//	*.cleaned, *.swap                 compaction's work in progress, and its finished work
//
// Entries of the offset index are 8 bytes: int32 the last offset of a batch, less the segment's base; int32
// the position at which that batch starts. One is made for a batch before which more than
// index.interval.bytes were appended since the last. To find an offset, take the last entry that is not
// above it and walk the headers from there.
//
// Entries of the time index are 12 bytes: int64 the largest timestamp so far, int32 the last offset, less
// the base, of the first batch that has it. They come along with those of the offset index, and one more
// when the segment is closed; none repeats the timestamp before it.
//
// Both files of the active segment have the length segment.index.bytes says, a hole, since Kafka maps them;
// closing trims them to their entries. Ours are never mapped: a store into a hole on a full disk would
// kill the process. Entries wait in memory, a block of them at a time, and are written with the block.
//
// Entries of the transaction index are 34 bytes: int16 version 0; int64 producer id, first offset, offset
// of the marker, last stable offset once it had ended.
//
// A snapshot is int16 version 1, uint32 CRC-32C of the rest, int32 count, and 46 bytes for each producer:
// int64 id, int16 epoch, int32 last sequence, int64 last offset, int32 last offset - first offset of that
// batch, int64 timestamp, int32 coordinator epoch, int64 first offset of the open transaction; -1 for
// what there is not.
//
// # What is durable when
//
// With the default settings the page cache is trusted, as in Kafka: replication is what protects a
// record. A roll syncs the closed segment in the background. Flush, flush.messages and flush.ms sync
// the active one, and who waits for the disk shares one sync with all who came meanwhile. With
// flush.messages=1 the log end that others see moves only when it is synced, and so does the high
// watermark and what a follower reports.
//
// The recovery point in the checkpoint file promises that all below it is on the disk: records, names,
// leader epochs, and the indexes of closed segments. What breaks that promise, a truncation below it or
// a new log under an old name, writes the file first (checkpoints.go). A start believes what lies below:
// if that makes no sense the partition is quarantined, and untouched, since cutting there would drop
// what was acknowledged. Past it, it checks every batch and cuts at the first that is not whole.
//
// An index is never more than a hint: what one of its entries says is held against the batch that it names. One that does not
// fit its segment is passed over, with one line, at the cost of a walk through the batches (scan.go, confirm_time.go).
//
// # A disk without space
//
// A write that finds no space is cut back to the last whole batch, and the log is as it was: ErrDiskFull. Deleting goes on, since it
// needs no space. Who hosts the log decides whether the directory shall go offline (FailDir). Below storage.min.free.bytes clients'
// records are refused before it comes to that, ErrLowSpace; see space.go. A start goes without the indexes for which there is no space
// (unindexed.go); a partition that cannot be loaded without any comes back by itself once there is some (quarantine.go). Any other error of the disk, and a failed
// sync whatever its error, takes the directory offline until the next start.
//
// # Compaction
//
// A log with cleanup.policy=compact keeps the newest record of each key, at the offset it has. Its dirty part
// are the segments not cleaned yet (cleaner-offset-checkpoint), without the active one, what is not
// committed, or undecided, and what is younger than min.compaction.lag.ms. Once that is a large enough
// share, a cleaner notes the newest offset of each key in there, in memory of a fixed size (offset_map.go),
// and writes all segments up to its end anew, small ones together (cleaning.go has the rules, which are those
// of Kafka's cleaner; swap.go how the new files take the place of the old). A record goes only for the sake
// of one that is synced.
//
// Who reads keeps the segments it began with. Who cuts, deletes or moves files has a cleaning give up
// (exclusion.go). What a cleaner cannot read makes that one partition uncleanable, with one line and a
// metric, until it is truncated or loaded again.
//
// # Several directories
//
// A log is made in the directory with the fewest. A Move takes it to another one while it serves: move.go has how
// it is copied, move_swap.go how the copy takes its place.
//
// # Who may do what at once
//
// Appends, rolls, truncation and deletion hold Log.mu, as does the moment in which a cleaned segment is
// published. Readers hold no lock: segments are an immutable slice behind an atomic pointer; the log end, with the position it has in its file, the high watermark
// and the first unstable offset are atomic pointers to immutable marks. An append publishes the end last,
// so what a reader finds below it is complete.
package logdir
