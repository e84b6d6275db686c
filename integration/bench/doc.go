// Bench runs Ottla and Apache Kafka 3.9.1 under the same load in one run, and a bare Go loop that does only
// the system calls such a load needs, and prints medians, ratios and which targets are met:
//
//	go run ./integration/bench
//	go run ./integration/bench -scenarios produce16,consume -rounds 7 -seconds 5
//
// Each of the three is a process of its own, Ottla built from this module, Kafka with the flags of a usual
// small broker; each broker has an Apache ZooKeeper of its own. All write to the same file system (-dir).
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
// What makes the numbers honest: a warm-up comes first and lasts until Kafka's JIT has nothing more to gain;
// the three take turns for some rounds, each beginning once, and the median counts; the load's batches are
// encoded once and its answers are looked at by hand, so that what is measured is the broker; and before
// anything is written, free memory is filled with clean pages of a file, since on a virtual machine the first
// touch of memory costs more than any broker. CPU is that of the broker's process alone.
//
// A target is a ratio to Kafka in the same run. Where the bare loop misses it, too, nine tenths of the bare
// loop's throughput at 1.15 times its CPU take its place.
package main
