// Package metadata is what this broker knows of the cluster: the live brokers, the topics, and who leads
// each partition.
//
// It learns all of it from the controller's UpdateMetadata requests and asks nobody. A request names all
// live brokers, but only the partitions that changed; so each one makes a new Snapshot out of the last.
//
// A Snapshot never changes. Readers take it with one atomic load and may keep it as long as they like: a
// Metadata answer over twenty thousand partitions sees one state of the cluster and holds up nobody.
// What it shares with the next Snapshot is never written to, and its readers must not write to it either.
//
// UpdateMetadata carries no epoch that is checked per partition: the last one that arrives is right. The
// controller therefore keeps one queue for each broker, and server/replica refuses older controllers
// before a request comes here.
package metadata
