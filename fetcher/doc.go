// Package fetcher copies the records of the partitions that this broker follows from their leaders.
//
// A Manager has a few fetchers for each leader (num.replica.fetchers), and each partition belongs to one of them. A
// fetcher is one goroutine and one connection. It asks for records of all its partitions in one request, appends what
// comes, and asks again from where the logs end now; that request is also how the leader learns how far the follower has come.
//
//	            Fetch (offset, epoch of the record before, log start)
//	follower  -------------------------------------------------------->  leader
//	          <--------------------------------------------------------
//	            records, high watermark, log start | where the logs part | an error
//
// # Where two logs part
//
// A follower may have records that its leader never had: it led once, or copied from a leader that died. Every batch carries the epoch
// of the reign in which it was written, so the logs agree up to an offset if they agree on the epoch of the record before it. The
// follower names that epoch in each fetch, and where the leader disagrees it tells the largest epoch of its own that is not
// above, and where that ended. The follower cuts its log to the end of that epoch in either log, whichever is smaller, and asks again:
//
//	leader    | epoch 1          | epoch 3
//	follower  | epoch 1 | epoch 2    |            asks at the end, last epoch 2; hears "epoch 1, its end"
//	follower  | epoch 1 |                         cut where its own epoch 1 ended, copies on from there
//
// With an older inter.broker.protocol.version the leader cannot say that in a fetch. Then the follower asks OffsetsForLeaderEpoch
// before its first fetch of a reign. In no case does it cut at its own high watermark while it knows the epochs: the watermark
// comes to a follower one fetch late, so records above it may be committed (KIP-101, KIP-279, KIP-320).
//
// # Sessions
//
// A leader remembers what a fetcher asked for (KIP-227): the first fetch names every partition, those after it only the ones whose
// position has changed, and the answer leaves out partitions with nothing new. When either side loses count the fetcher begins a new session.
//
// # Throttles
//
// A partition that is throttled (KIP-73) and not in sync is left out of the fetches for as long as the quota is used up; the leader
// hears that it is forgotten, and later that it is there again.
//
// # When something is wrong
//
// A partition in trouble rests for a while and comes back, and never holds up the others of its fetcher. One whose reign is over, or
// whose disk has failed, is set aside until the controller decides about it anew. Snapshot tells which are in trouble, why and since when.
//
// # Locks
//
// Manager.mu comes before fetcher.mu. Neither is held during a round trip or while a Replica works, but for Manager.mu while
// somebody waits for the removal of a partition: a Replica must not call the Manager. A Throttle is asked with fetcher.mu held.
package fetcher
