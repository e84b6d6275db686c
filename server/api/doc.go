// Package api answers the requests of Kafka's protocol: one file an API key.
//
// A request comes from server/network as a frame with its header read. The table of versions.go names
// its handler. Most requests are small and rare: their frame is walked once by a compact table of the
// protocol's schemas (guard.go), so that no count in it can cost more than its length, and then kmsg
// decodes it. Produce and Fetch are neither: they decode and answer by hand, on views of the frame and
// ranges of the log's files, and nothing in them is allocated per record.
//
// Handlers hold no state of the cluster. They ask the parts in Options, translate errors to codes by the
// one table of errors.go, and answer once, at once or later from another goroutine. Where Kafka 3.9.1
// answers in a surprising way, the handler does so too and says it.
//
// What a caller must respect: a frame's bytes belong to the connection until the answer, so a handler
// that keeps some copies them, and nothing here blocks for longer than the deed itself, since a
// connection has one request in work at a time.
package api
