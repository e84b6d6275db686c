// Package zkserver is a small ZooKeeper: one node, the same wire protocol, for tests and for a first try.
//
// Start gives a server that go-zookeeper/zk, ZooKeeper's command line and Apache Kafka cannot tell from a
// standalone ZooKeeper 3.8, but for what is listed at the end. It is not for production: there is no ensemble.
//
// # One lock
//
// ZooKeeper orders everything: writes by zxid, the answers of a connection by its requests, and an event before
// any answer that could show the new state. Here one mutex gives that order. A connection's reader takes it,
// applies a request to the database, queues events and the answer, and lets go; a writer goroutine for each
// connection sends what has been queued. Nothing waits for disk or network with the lock held.
//
// Every write becomes a transaction: checked in ZooKeeper's order, since that decides which error a client sees,
// and turned into changes in which all is decided (the sequential name, the identities in the ACL). Changes are
// what database applies, what a multi takes back when it fails, and what the log replays.
//
// # What is on disk
//
// A data directory holds a lock file, snapshots and logs. Snapshot n is the whole state before the first record
// of log n; all later logs follow without a gap. Each life of a server begins a new log, as does each snapshot,
// and a snapshot that is in place makes older files superfluous. Integers are big-endian; strings, buffers and
// vectors carry a length of 4 bytes, -1 for null. Checksums are CRC-32C.
//
//	log.0000000007
//	+---------------+-----------+----------+-------+
//	| "OTTLAZKL"  8 | version 4 | number 8 | crc 4 |                    header, synced before the first group
//	+---------------+-----------+----------+-------+------------------+
//	| magic 4 | length 4 | position 8 | crc 4 | head crc 4 | records.. |  a group: what one sync brought to disk
//	+---------+----------+------------+-------+------------+----------+
//	| ...
//
//	record:   zxid 8, ms since 1970 8, vector of changes
//	change:   kind 1, then
//	  1 create         path, data, acl, owner 8
//	  2 delete         path
//	  3 set data       path, data
//	  4 set ACL        path, acl
//	  5 open session   id 8, time-out in ms 4
//	  6 close session  id 8; deletes what the session owns
//	acl:      vector of permissions 4, scheme, id
//
//	snapshot.0000000007
//	+---------------+-----------+----------+--------+----------------+--------+---------+-------+-------+
//	| "OTTLAZKS"  8 | version 4 | number 8 | zxid 8 | last session 8 | secret | sessions| nodes | crc 4 |
//	+---------------+-----------+----------+--------+----------------+--------+---------+-------+-------+
//	session:  id 8, time-out in ms 4
//	node:     path, data, acl, czxid 8, mzxid 8, pzxid 8, ctime 8, mtime 8, version 4, aversion 4, creates 4, owner 8
//
// An answer leaves only when the log is on disk up to the moment at which it was made. That holds for reads
// too: they may show somebody else's write that is not synced yet. Writes that come while the disk is busy share
// the next sync.
//
// A group is synced before the next is written, so a broken group with no whole one behind it was never
// acknowledged and is cut, while one before a whole group means that the file was damaged: then Start fails and
// nothing is touched. A failed write or sync stops the server; it is never tried again and believed.
//
// # What a caller must respect
//
// A life begins at a zxid above all that earlier lives can have given out, also without a data directory: a client
// that has seen a higher zxid than the server's is turned away for ever. After a restart every session has
// its full time-out again, as it has after the process stood still. Without a data directory sessions are unknown after a restart, and clients are told
// that theirs has expired.
//
// # Where it differs from ZooKeeper 3.8
//
// Sessions end exactly when their time is over, not at the next tick. Quotas are stored but not counted. SASL,
// TLS, reconfiguration, read-only mode and the admin server do not exist; nodes with a time to live do if
// Options.ExtendedTypes is set. A multiRead of more than 16 MiB ends the connection, as does a client that leaves
// 64 MiB of notifications unread.
package zkserver
