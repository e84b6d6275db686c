// Package cluster holds the nouns that every other package shares: brokers, endpoints, topics,
// partitions, and who leads them.
//
// It holds types only and imports nothing of Ottla, so the log and the purgatory can speak of a
// TopicPartition without learning that ZooKeeper exists.
package cluster
