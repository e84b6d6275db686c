// Bench runs Ottla and Apache Kafka 3.9.1 under the same load in one run, and a bare Go loop that does only
// the system calls such a load needs, and prints medians, ratios and which targets are met:
//
//	go run ./integration/bench
//	go run ./integration/bench -scenarios cluster
//	go run ./integration/bench -scenarios produce16,consume -rounds 7 -seconds 5
//
// Scenarios come in groups, each a quarter of an hour on two cores, and names of either can be given. All processes
// are of their own, Ottla built from this module, Kafka with the flags of a usual small broker, on Apache ZooKeeper.
// All write to the same file system (-dir), of which the largest scenario needs ten GiB.
//
// The group broker, which runs by default, has one broker of each kind, with a ZooKeeper each, and the bare loop:
//
//   - start: from exec to the first Metadata answer, ZooKeeper being up; for Ottla with its embedded
//     ZooKeeper, too.
//   - memory: VmRSS ten seconds after the start, and VmHWM at the end of everything else.
//   - produce16: acks=1, one connection, five requests in flight, 100-byte records in batches of 16 KiB, one
//     partition a request, the six partitions of a topic in turn.
//   - produce64: batches of 64 KiB, three partitions a request.
//   - consume: from the page cache, 1 MiB of each of the six partitions a fetch, one fetch in flight; the
//     client only walks the headers of the batches.
//   - latency: one record from the produce to the fetch that waits for it, one after another.
//   - tools: Kafka's own ProducerPerformance and ConsumerPerformance, for reading beside the rest.
//
// The group cluster has three brokers of each kind; both use one ZooKeeper, as in the groups after it:
//
//   - replicate: acks=all to six partitions with three replicas, 16 KiB a request, over one connection, to the
//     partitions that one broker leads, and over six, one for each partition. CPU is that of all three brokers.
//   - topics: creation of 1,000 partitions with three replicas, until all brokers know all leaders, all replicas are
//     in sync and have their directories; deletion, until the directories are gone.
//   - failover1000, failover3000: kill -9 of a broker that leads so many partitions and is the controller. The clock
//     runs from the end of its session until each partition has taken a record with acks=all. Beside it the controlled
//     shutdown of a broker that leads all, and the memory of brokers with 3,000 idle partitions after ten seconds.
//   - testcluster: testcluster.Start(t, 3) until the first record that all three have; Ottla alone.
//
// The group log has one broker of each kind:
//
//   - recovery: start after kill -9 with 2 GiB over 200 partitions, none below a recovery point, until all are led.
//   - cleanstart: start with 5,000 partitions after a clean stop, until all are led; the stop beside it.
//   - cleaner: compaction of 384 MiB of records of which one in eight stays, with one cleaner thread.
//   - flush: single records of 64 producers to six partitions with flush.messages=1.
//   - cold: fetches of 1 MiB from the middle of a log of 2 GiB that is not in the page cache.
//
// The group transactions has three brokers of each kind:
//
//   - transactions1, transactions16: so many producers, whose transactions have a hundred records in one batch to one
//     of six partitions with three replicas. AddPartitionsToTxn is asked again every half millisecond while the
//     transaction before it is being completed, since what clients wait there would hide how long brokers take.
//
// What makes the numbers honest: a warm-up comes first and lasts until Kafka's JIT has nothing more to gain;
// the contenders take turns for some rounds, each beginning once, and the median counts (of three rounds
// without a warm-up where a turn takes Kafka tens of seconds); the load's batches are
// encoded once and its answers are looked at by hand, so that what is measured is the broker; and before
// anything is written, free memory is filled with clean pages of a file, since on a virtual machine the first
// touch of memory costs more than any broker. CPU is that of the broker's process alone.
//
// A target is a ratio to Kafka in the same run. Where the bare loop misses it, too, nine tenths of the bare
// loop's throughput at 1.15 times its CPU take its place.
package main
