package network

import (
	"context"
	"io"
	"time"
)

// Handler answers requests. The broker has one for all its connections.
type Handler interface {
	// HeaderVersion tells how the header of a request is coded: 1, 2 with tagged fields, or 0 without a
	// client id. If ok is false, the request is unknown and its connection is closed with Kafka's log line.
	// It must know a header for every version of ApiVersions, which is answered even when unsupported.
	HeaderVersion(key, version int16) (header int16, ok bool)

	// Handle is called on the connection's goroutine and may return before the request is answered. It must
	// lead to exactly one call of Answer, NoAnswer or Close, from any goroutine. The context ends with the
	// connection.
	Handle(ctx context.Context, r *Request)
}

// Request is one frame, its header decoded.
type Request struct {
	APIKey        int16
	APIVersion    int16
	CorrelationID int32
	ClientID      *string // nil where the client sent null

	// Body is what follows the header. It is a view into a buffer of the connection, which the handler may
	// write to, and is valid until Release, Pipeline, Answer, NoAnswer or Close, whichever comes first.
	Body []byte

	Size     int       // of the whole frame in bytes, without its length field
	Session  *Session  // of the connection
	Received time.Time // when the frame was complete

	conn *conn
	// Guarded by conn.mu.
	state    requestState
	released bool // nobody looks at the frame any more
	finished bool // the outcome stands
	outcome  outcome
	throttle time.Duration
	// converting and temporary are what Converted was told.
	converting time.Duration
	temporary  int
}

// outcome is what became of a request.
type outcome struct {
	kind   outcomeKind
	answer Answer
	err    error // of Close
}

type outcomeKind int8

const (
	answered outcomeKind = iota
	unanswered
	closing
)

// requestState says who has to learn of a request's outcome.
type requestState int8

const (
	inWork    requestState = iota // the connection's goroutine is in Handle, or waits
	pipelined                     // Pipeline was called: the next frame need not wait
	queued                        // behind the answers of earlier requests, for the writing goroutine
	abandoned                     // the connection is gone: only Answer.Done is left to call
)

// Answer is what goes back to the client, behind the length and the correlation id.
type Answer struct {
	// Head begins after the correlation id: the rest of the response header and the first bytes of the body.
	Head  []byte
	Parts []Part // what follows Head, in order
	// Done, if set, is called once, when nothing of the answer is needed any more: it was sent, or it was
	// dropped because the connection has ended. It may run on any goroutine and must not block.
	Done func()
}

// Part is one piece of an answer: either Bytes, or Length bytes of File from Position on.
type Part struct {
	Bytes    []byte
	File     File
	Position int64
	Length   int
}

// File is a file that an answer can be sent from. Fd may answer ^uintptr(0) if there is no descriptor for
// sendfile(2), in which case ReadAt serves.
type File interface {
	io.ReaderAt
	Fd() uintptr
}

// size returns the length of the answer in bytes, without length field and correlation id.
func (a *Answer) size() int {
	n := len(a.Head)
	for i := range a.Parts {
		n += a.Parts[i].size()
	}
	return n
}

func (p *Part) size() int {
	if p.File != nil {
		return p.Length
	}
	return len(p.Bytes)
}

// Answer sends a to the client, after the answers of all earlier requests.
func (r *Request) Answer(a Answer) { r.finish(outcome{kind: answered, answer: a}) }

// NoAnswer ends a request that gets none, as a produce with acks=0.
func (r *Request) NoAnswer() { r.finish(outcome{kind: unanswered}) }

// Close ends the connection after the answers of all earlier requests. A non-nil err is logged.
func (r *Request) Close(err error) { r.finish(outcome{kind: closing, err: err}) }

// Throttle makes the connection wait for d after this request's answer before it reads on, so that a client
// which does not obey the throttle time it was told is slowed all the same. Call it before Answer.
func (r *Request) Throttle(d time.Duration) {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	r.throttle = max(r.throttle, d)
}

// Converted tells the metrics how long it took to make other records of those that came, or are stored, and how many bytes of memory.
// Call it before Answer, or from the answer's Done.
func (r *Request) Converted(took time.Duration, temporary int) {
	r.converting += took
	r.temporary += temporary
}

// Pipeline says that the next request may be handled before this one is answered, if it is a Produce. A
// produce calls it, from any goroutine, when every one of its partitions has been appended or refused; a
// produce that still waits for the verification of its transaction or for a quota must not, since the
// sequence numbers behind it would overtake. It releases Body.
func (r *Request) Pipeline() {
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	r.released, r.Body = true, nil // with the lock: somebody else may be answering it already
	if r.state == inWork && !r.finished {
		r.state = pipelined
		c.wakeReader()
	}
}

// Release says that Body is no longer needed. A request that may wait long, as a fetch, calls it so that its
// connection does not hold a buffer meanwhile.
func (r *Request) Release() {
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	r.released, r.Body = true, nil
	c.wakeReader()
}

// finish notes the outcome and wakes whoever has to act on it.
func (r *Request) finish(o outcome) {
	c := r.conn
	c.mu.Lock()
	if r.finished {
		c.mu.Unlock()
		panic("network: a request was answered twice")
	}
	r.finished, r.released, r.outcome, r.Body = true, true, o, nil
	if r.throttle > 0 {
		if until := time.Now().Add(r.throttle); until.After(c.mu.mutedUntil) {
			c.mu.mutedUntil = until
		}
	}
	state := r.state
	switch state {
	case inWork, pipelined:
		c.wakeReader()
	case queued:
		c.wakeWriter()
	}
	c.mu.Unlock()
	if state == abandoned {
		o.drop()
	}
}

// drop lets go of an answer that will not be sent.
func (o outcome) drop() {
	if o.answer.Done != nil {
		o.answer.Done()
	}
}
