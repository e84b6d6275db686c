// Package integration holds what clients see: whole brokers, real clients (sarama, franz-go, kcat, Apache
// Kafka's own tools), and Apache Kafka 3.9.1 as the judge.
//
// It has tests only. Those that need Java and Maven, or kcat, say so and skip where these are missing, unless
// OTTLA_REQUIRE_APACHE=1 makes that a failure.
package integration
