// Package server is the broker: it builds every part, joins them, starts them in order and closes them in
// reverse.
//
// The start list in broker.go is the broker's table of contents; each entry says why it stands where it
// does. The rest of the package is what joins parts that do not know each other: settings of topics and
// brokers from ZooKeeper to the logs (topic_settings.go, dynamic_config.go), a leader's wish for another ISR
// to the controller (isr_changes.go), the group coordinator to the partitions of __consumer_offsets
// (offsets_topic.go), the registration to each new ZooKeeper session (registration.go).
//
// A Broker is a value. It has no globals, so that ten of them run in one process, and nothing that it
// started outlives Close.
package server
