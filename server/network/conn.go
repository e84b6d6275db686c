package network

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// produceKey is the API key of Produce, the only request that may follow one that is not answered yet.
const produceKey = 0

// Answers wait for one write while produces behind theirs, read with them, are handled; with five frames of
// 16 KiB in flight that saves a third of the processor time of both ends. These bound it: so many bytes, and
// so long, but for the handling of one request.
const (
	maxGathered  = 32 << 10
	maxGathering = 500 * time.Microsecond
)

// conn is one connection. Its goroutine runs serve; a second one, write, lives only while the answers to
// pipelined requests are outstanding.
type conn struct {
	server  *Server
	nc      net.Conn
	session *Session
	in      frameReader
	out     sender // of the goroutine that writes: the writer while it lives, else that of serve
	header  headerParser
	ctx     context.Context
	cancel  context.CancelFunc
	stats   *listenerMetrics
	charged int // bytes taken from the server's budget for the frame in work

	gathering time.Time // when the request came whose answer waits longest for flush; zero if none does

	readerWake chan struct{} // one token: the request that serve waits for has changed, or the queue is empty
	writerWake chan struct{} // one token: a request in the queue was finished
	writers    sync.WaitGroup

	// For the sweeper, which must not disturb: when a byte moved last (Unix nanoseconds), whether a request
	// is in work, so that silence is ours and not the client's, and whether an answer is being written.
	moved   atomic.Int64
	working atomic.Bool
	writing atomic.Bool

	mu struct {
		sync.Mutex
		queue   []*Request // pipelined requests and those behind them, oldest first
		writing bool       // the writing goroutine lives; from here on it alone touches out
		failed  error      // it could not write, or a request closed the connection
		// mutedUntil is when the next request may be handled, after one that was throttled.
		mutedUntil time.Time
	}
}

var errClosedByRequest = errors.New("closed by a request")

func (c *conn) wakeReader() {
	select {
	case c.readerWake <- struct{}{}:
	default:
	}
}

func (c *conn) wakeWriter() {
	select {
	case c.writerWake <- struct{}{}:
	default:
	}
}

// serve reads frames and sees each to its answer until the connection ends.
func (c *conn) serve() {
	defer c.end()
	c.server.options.Connected(c.session)
	for {
		frame, err := c.readFrame()
		if err != nil {
			c.endOfFrames(err)
			return
		}
		err = c.handleFrame(frame)
		c.discharge()
		if err != nil {
			return
		}
	}
}

// readFrame returns the next frame, without its length, as a view into the buffer.
func (c *conn) readFrame() ([]byte, error) {
	for {
		size, err := c.in.size()
		if err != nil {
			return nil, err
		}
		if size >= 0 {
			if err := c.charge(size); err != nil {
				return nil, err
			}
			if frame := c.in.take(size); frame != nil {
				return frame, nil
			}
		}
		if err := c.flush(); err != nil {
			return nil, err
		}
		if err := c.in.fill(); err != nil {
			return nil, err
		}
	}
}

// charge takes the bytes of a frame from the server's budget, and waits while that is exhausted. Like
// Kafka's memory pool the budget gives as long as anything is left, so that the largest frame passes and
// connections that each hold half of their frame cannot wait for each other.
func (c *conn) charge(size int) error {
	if c.server.isControl(c.session.Listener) {
		return nil
	}
	if c.charged > 0 || c.server.budget.tryAcquire(size) {
		c.charged = size
		return nil
	}
	if err := c.flush(); err != nil {
		return err
	}
	c.working.Store(true)
	defer c.working.Store(false)
	if err := c.server.budget.acquire(c.ctx, size); err != nil {
		return err
	}
	c.charged = size
	return nil
}

// discharge gives back what charge took.
func (c *conn) discharge() {
	c.server.budget.release(c.charged)
	c.charged = 0
}

// handleFrame sees the request of a frame to its answer, or to the queue if it is pipelined.
func (c *conn) handleFrame(frame []byte) error {
	now := time.Now()
	c.moved.Store(now.UnixNano())
	c.stats.received(sizeLength + len(frame))
	r, err := c.header.parse(frame)
	if err != nil {
		c.drain()
		c.server.failures.badRequest(c.session, err)
		return err
	}
	r.Session, r.Received, r.Size, r.conn = c.session, now, len(frame), c
	if !c.gathering.IsZero() && now.Sub(c.gathering) > maxGathering {
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.working.Store(true)
	defer c.working.Store(false)
	if err := c.waitForTurn(r); err != nil {
		return err
	}
	c.server.handler.Handle(c.ctx, r)
	return c.settle(r)
}

// waitForTurn holds a request back until it may be handled: a Produce until few enough answers are
// outstanding, any other until none is, and both until the connection is no longer muted.
func (c *conn) waitForTurn(r *Request) error {
	room := c.server.options.MaxPipelined
	if r.APIKey != produceKey {
		room = 1
	}
	c.mu.Lock()
	for len(c.mu.queue) >= room && c.mu.failed == nil {
		c.mu.Unlock()
		if err := c.pause(); err != nil {
			return err
		}
		c.mu.Lock()
	}
	muted, failed := c.mu.mutedUntil, c.mu.failed
	c.mu.Unlock()
	if failed != nil || muted.IsZero() {
		return failed
	}
	return c.waitUntil(muted)
}

// waitUntil keeps the connection from going on before t.
func (c *conn) waitUntil(t time.Time) error {
	if err := c.flush(); err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// pause waits for a token of readerWake. Answers gathered so far leave first.
func (c *conn) pause() error {
	if err := c.flush(); err != nil {
		return err
	}
	select {
	case <-c.readerWake:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// settle waits for the outcome of a request that has been handled, and carries it out; or leaves it to the
// writing goroutine, if the request is pipelined or others before it are outstanding.
func (c *conn) settle(r *Request) error {
	c.mu.Lock()
	for !r.finished && r.state == inWork {
		released := r.released
		c.mu.Unlock()
		if released {
			c.discharge()
			c.in.rest()
		}
		if err := c.pause(); err != nil {
			c.abandon(r)
			return err
		}
		c.mu.Lock()
	}
	if r.finished && len(c.mu.queue) == 0 {
		c.mu.Unlock()
		return c.carryOut(r)
	}
	defer c.mu.Unlock()
	r.state = queued
	c.mu.queue = append(c.mu.queue, r)
	if c.mu.writing {
		c.wakeWriter()
	} else {
		c.mu.writing = true
		c.writers.Go(c.write)
	}
	return nil
}

// carryOut sends the answer of a request that serve itself settles. The answer may stay in the sender's
// buffer while the next produce is already there.
func (c *conn) carryOut(r *Request) error {
	if c.gathering.IsZero() {
		c.gathering = r.Received
	}
	if err := c.deliver(r); err != nil {
		c.broken(err)
		return err
	}
	if c.out.gathered() >= maxGathered || !c.in.hasProduce() {
		return c.flush()
	}
	return nil
}

// deliver puts a request's answer into the sender. It returns an error if the connection has to end.
func (c *conn) deliver(r *Request) error {
	switch o := &r.outcome; o.kind {
	case answered:
		err := c.out.answer(r.CorrelationID, &o.answer)
		o.drop()
		if err == nil {
			c.stats.answered(r)
		}
		return err
	case closing:
		if o.err != nil {
			c.server.failures.badRequest(c.session, o.err)
		}
		if err := c.out.flush(); err != nil {
			return err
		}
		return errClosedByRequest
	}
	return nil
}

// flush writes what serve has gathered. While the writing goroutine lives there is nothing to do, since it
// flushes by itself.
func (c *conn) flush() error {
	c.gathering = time.Time{}
	c.mu.Lock()
	writing, failed := c.mu.writing, c.mu.failed
	c.mu.Unlock()
	if failed != nil || writing {
		return failed
	}
	if err := c.out.flush(); err != nil {
		c.broken(err)
		return err
	}
	return nil
}

// write sends the answers of the queue in order until it is empty. It ends with its first error, closing the
// connection so that serve ends too.
func (c *conn) write() {
	for {
		c.mu.Lock()
		ready := 0
		for ready < len(c.mu.queue) && c.mu.queue[ready].finished {
			ready++
		}
		finished := c.mu.queue[:ready:ready]
		c.mu.Unlock()

		err := c.deliverAll(finished)
		c.mu.Lock()
		// Removed only now: serve must not write an answer of its own while these are not sent.
		left := copy(c.mu.queue, c.mu.queue[ready:])
		clear(c.mu.queue[left:])
		c.mu.queue = c.mu.queue[:left]
		if err != nil {
			c.mu.failed = err
		}
		done := err != nil || len(c.mu.queue) == 0
		if done {
			c.mu.writing = false
		}
		c.wakeReader() // it may wait for room, or for an empty queue
		c.mu.Unlock()
		if err != nil {
			c.broken(err)
			_ = c.nc.Close()
		}
		if done {
			return
		}
		select {
		case <-c.writerWake:
		case <-c.ctx.Done():
			return
		}
	}
}

// deliverAll sends the answers of finished requests and leaves nothing gathered.
func (c *conn) deliverAll(finished []*Request) error {
	for i, r := range finished {
		if err := c.deliver(r); err != nil {
			for _, late := range finished[i+1:] {
				late.outcome.drop()
			}
			return err
		}
	}
	return c.out.flush()
}

// drain waits until every outstanding answer is sent, or cannot be.
func (c *conn) drain() {
	c.mu.Lock()
	for len(c.mu.queue) > 0 && c.mu.failed == nil {
		c.mu.Unlock()
		if c.pause() != nil {
			return
		}
		c.mu.Lock()
	}
	c.mu.Unlock()
	_ = c.flush()
}

// endOfFrames sees outstanding answers off after the last frame and logs why it was the last.
func (c *conn) endOfFrames(err error) {
	c.drain()
	if size, ok := errors.AsType[sizeError](err); ok {
		c.server.failures.badSize(c.session, size)
		return
	}
	c.broken(err)
}

// broken notes why the connection ends where the client is not to blame.
func (c *conn) broken(err error) {
	if c.ctx.Err() == nil && err != errClosedByRequest {
		c.server.failures.broken(c.session, err)
	}
}

// abandon leaves a request to whoever answers it later, in vain.
func (c *conn) abandon(r *Request) {
	c.mu.Lock()
	finished := r.finished
	r.state = abandoned
	if !r.released {
		c.in.forget() // the handler may still look at the frame: its buffer must not be used again
	}
	c.mu.Unlock()
	if finished {
		r.outcome.drop()
	}
}

// end closes the connection and lets go of all it holds.
func (c *conn) end() {
	c.cancel()
	_ = c.nc.Close()
	c.writers.Wait()
	c.mu.Lock()
	left := c.mu.queue
	c.mu.queue = nil
	c.mu.Unlock()
	for _, r := range left {
		c.abandon(r)
	}
	c.in.close()
	c.out.close()
	c.server.remove(c)
}
