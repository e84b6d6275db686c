// Package network owns sockets and frames; it knows nothing of topics.
//
// A frame is a length and that many bytes. A request is a frame that begins with a header:
//
//	size int32 | api key int16 | api version int16 | correlation id int32 | client id string, nullable | (v2: tags) | body
//
// and an answer is a frame that begins with the correlation id of its request:
//
//	size int32 | correlation id int32 | Answer.Head | Answer.Parts ...
//
// One goroutine serves one connection: it reads a frame into a pooled buffer, calls the Handler, waits for
// the answer, writes it, and reads on. So one request of a connection is in work at a time and answers keep
// the order of the requests, as clients of Apache Kafka expect. A handler that answers before it returns
// costs no change of goroutine at all, and the answers to frames that came in one read leave in one write.
//
// There is one exception. A produce that waits for followers (acks=all) says Request.Pipeline once its
// records are in the log; then the next frame may be handled too, if it is a Produce. Only as long as such
// answers are outstanding a second goroutine of the connection writes them, still in order.
//
// Memory is bounded. An idle connection holds no buffer. A large frame's buffer grows only as its bytes
// arrive. Options.QueuedMaxBytes bounds the frames in work for all connections together, MaxPipelined the
// answers outstanding on one. A client that does not read its answers is not read from; one that moves no
// byte for Options.IdleTimeout is closed. No deadline is set on a socket for that: a sweeper looks at
// every connection now and then, which costs nothing per request.
//
// An answer is a list of bytes and file ranges. Large ranges of a plain TCP connection leave by sendfile(2)
// with explicit offsets, never touching this process's memory; small ones are read into the same buffer as
// the bytes around them, since one write is then cheaper. A file that turns out shorter than its range
// closes the connection, because the length has already been promised.
//
// Bytes that are no request close their connection, with one line in the log per second and cause.
package network
