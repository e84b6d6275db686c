// Package peer sends requests to other brokers: the controller's LeaderAndIsr, a leader's AlterPartition, a
// follower's Fetch.
//
// A Client keeps one connection to each broker and one request in flight on it. That is a promise, not a
// limit: UpdateMetadata is applied by its receiver without an epoch that could tell old from new, so the
// order in which a caller sends must be the order in which the broker works. Callers that must not wait
// for one another have a Client each, as the controller and the fetchers do in Apache Kafka.
//
// Nothing is sent twice. When a connection fails, nobody knows whether the request was carried out; the
// error goes to the caller, who knows whether repeating does harm, and the next request dials anew.
//
// The version of most requests follows from inter.broker.protocol.version and is set by the caller, without asking, as
// between Kafka brokers. What a broker asks of the controller, and a leader of a transaction's coordinator, goes in the newest
// version that both know (RoundTripNegotiated): in a cluster that is being rolled the other side may be an older binary,
// whatever protocol is set here.
package peer
