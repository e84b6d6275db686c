// Package logdir keeps the logs of partitions on disk, in Apache Kafka's own files: a directory moves
// between the two brokers either way.
package logdir
