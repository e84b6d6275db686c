package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// link is the one connection to one broker, which may be down.
type link struct {
	to        cluster.Endpoint
	options   *Options
	formatter *kmsg.RequestFormatter

	// turn holds a token while a request is under way. Waiting senders of a channel are served in their order.
	turn chan struct{}

	// What follows belongs to the holder of the turn.
	conn        net.Conn
	reader      *bufio.Reader
	lastUsed    time.Time
	correlation int32
	out         []byte
	versions    servedVersions // by the broker at the other end of this connection
	failures    int            // attempts to connect that failed, one after another; the first was logged

	retired struct {
		sync.Mutex
		yes bool
	}
}

func newLink(to cluster.Endpoint, o *Options) *link {
	return &link{
		to: to, options: o, turn: make(chan struct{}, 1),
		formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID(o.ClientID)),
	}
}

// roundTrip does what is to be prepared, if anything, and then exchanges the request for its answer, both in one turn.
func (l *link) roundTrip(ctx context.Context, req kmsg.Request, prepare func(context.Context, *link) error) (kmsg.Response, error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer l.yield()

	ctx, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	if prepare != nil {
		if err := prepare(ctx, l); err != nil {
			l.disconnect()
			return nil, err
		}
	}
	resp, err := l.exchange(ctx, req)
	if err != nil {
		// What was still to come on this connection would be taken for the answer to the next request.
		l.disconnect()
		return nil, err
	}
	l.lastUsed = time.Now()
	return resp, nil
}

// yield gives the turn to the next, unless the broker was forgotten in the meantime.
func (l *link) yield() {
	l.retired.Lock()
	defer l.retired.Unlock()
	if l.retired.yes {
		l.disconnect()
	}
	<-l.turn
}

// retire closes the connection now if it rests, or else when the holder of the turn is through.
func (l *link) retire() {
	l.retired.Lock()
	defer l.retired.Unlock()
	l.retired.yes = true
	select {
	case l.turn <- struct{}{}:
		l.disconnect()
		<-l.turn
	default:
	}
}

func (l *link) connect(ctx context.Context) error {
	if l.conn != nil && time.Since(l.lastUsed) > l.options.MaxIdle {
		l.disconnect()
	}
	if l.conn != nil {
		return nil
	}
	dialing, cancel := context.WithTimeout(ctx, l.setupTimeout())
	defer cancel()
	conn, err := l.options.Dial(dialing, "tcp", l.to.Address())
	l.noteConnect(err)
	if err != nil {
		return err
	}
	l.conn, l.reader = conn, bufio.NewReaderSize(conn, 16<<10)
	return nil
}

// setupTimeout is how long the next attempt to connect may take.
func (l *link) setupTimeout() time.Duration {
	timeout := l.options.SetupTimeout
	for range l.failures {
		if timeout >= l.options.SetupTimeoutMax {
			break
		}
		timeout *= 2
	}
	// So that brokers which have lost the same one do not all come at the same moment.
	timeout = min(timeout, l.options.SetupTimeoutMax)
	return min(timeout*4/5+rand.N(timeout*2/5+1), l.options.SetupTimeoutMax)
}

// noteConnect logs the first failure and the first success after it, not the hundred attempts in between.
func (l *link) noteConnect(err error) {
	wasDown := l.failures > 0
	if err != nil {
		l.failures++
	} else {
		l.failures = 0
	}
	switch down := err != nil; {
	case l.options.Log == nil || down == wasDown:
	case down:
		l.options.Log.Warnf("%s: cannot connect: %v", l.to.Address(), err)
	default:
		l.options.Log.Infof("%s: connected again", l.to.Address())
	}
}

func (l *link) disconnect() {
	if l.conn != nil {
		_ = l.conn.Close() // nothing is buffered in it that could still be lost
		l.conn, l.reader, l.versions = nil, nil, nil
	}
}

// exchange writes the request and reads its answer. The end of the context ends both.
func (l *link) exchange(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	conn := l.conn
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = conn.SetDeadline(time.Unix(1, 0)) // fails only when the connection is closed already
	})
	defer func() {
		if !stop() {
			<-interrupted // or its deadline would hit the next request
		}
	}()

	l.correlation++
	l.out = l.formatter.AppendRequest(l.out[:0], req, l.correlation)
	if _, err := conn.Write(l.out); err != nil {
		return nil, err
	}
	if cap(l.out) > 1<<20 { // a LeaderAndIsr of a whole cluster need not be remembered
		l.out = nil
	}
	body, err := l.readAnswer(req)
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return resp, nil
}

// answerBuffer is where the bytes of an answer go: into memory of its own, or, where the request has a place for
// them that it uses again, as a follower's fetch does, into that.
func answerBuffer(req kmsg.Request, size int) []byte {
	if r, ok := req.(interface{ AnswerBuffer(size int) []byte }); ok {
		return r.AnswerBuffer(size)
	}
	return make([]byte, size)
}

// readAnswer reads one frame and returns its body: size, correlation id, and in flexible versions tags stand before it.
func (l *link) readAnswer(req kmsg.Request) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(l.reader, head[:]); err != nil {
		return nil, err
	}
	size, correlation := int32(binary.BigEndian.Uint32(head[:4])), int32(binary.BigEndian.Uint32(head[4:]))
	if size < 4 || size > l.options.MaxAnswerBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrAnswer, size)
	}
	if correlation != l.correlation {
		return nil, fmt.Errorf("%w: correlation id %d, sent %d", ErrAnswer, correlation, l.correlation)
	}
	body := answerBuffer(req, int(size-4))
	if _, err := io.ReadFull(l.reader, body); err != nil {
		return nil, err
	}
	if req.IsFlexible() && req.Key() != apiVersions { // which is answered without tags, so that any client can read it
		r := kbin.Reader{Src: body}
		kmsg.SkipTags(&r)
		if err := r.Complete(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		body = r.Src
	}
	return body, nil
}
