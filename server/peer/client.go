package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

var (
	// ErrClosed says that the Client was closed.
	ErrClosed = errors.New("peer client closed")
	// ErrProtocol says that the endpoint wants TLS or SASL, which this Client does not speak.
	ErrProtocol = errors.New("security protocol not supported between brokers")
	// ErrAnswer says that what came back is no answer to what was sent.
	ErrAnswer = errors.New("not an answer to the request")
)

// Options say how a Client behaves. The zero value of each field stands for its default.
type Options struct {
	// ClientID goes into every request's header: the broker's id, or broker-1-fetcher-0.
	ClientID string
	// Dial makes a connection. The default is a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout bounds a request from its turn to its answer, dialing included. The default is 30 s.
	Timeout time.Duration
	// SetupTimeout bounds the making of a connection within that, so that a machine that is off does not hold a request for all
	// of Timeout: twice as long after each attempt that failed, up to SetupTimeoutMax, and a fifth more or less at random (KIP-601).
	// The defaults are 10 s and 30 s.
	SetupTimeout, SetupTimeoutMax time.Duration
	// MaxIdle is how long a connection may rest and still be used. It lies below the ten minutes after which
	// a broker closes it (connections.max.idle.ms), so that a request does not run into a closing door. The default is 9 min.
	MaxIdle time.Duration
	// MaxAnswerBytes bounds an answer. The default is 100 MiB.
	MaxAnswerBytes int32
	// Log gets a line when a broker cannot be reached, and when it can again.
	Log logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.SetupTimeout <= 0 {
		o.SetupTimeout = 10 * time.Second
	}
	if o.SetupTimeoutMax <= 0 {
		o.SetupTimeoutMax = 30 * time.Second
	}
	if o.MaxIdle <= 0 {
		o.MaxIdle = 9 * time.Minute
	}
	if o.MaxAnswerBytes <= 0 {
		o.MaxAnswerBytes = 100 << 20
	}
	return o
}

// Client holds a connection to each broker it has spoken to. It owns no goroutine.
type Client struct {
	options Options
	// ctx ends with Close and takes every request in flight with it.
	ctx  context.Context
	stop context.CancelFunc

	mu struct {
		sync.Mutex
		links map[cluster.Endpoint]*link
	}
}

// New returns a Client that has not dialed anybody yet.
func New(o Options) *Client {
	c := &Client{options: o.withDefaults()}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.mu.links = make(map[cluster.Endpoint]*link)
	return c
}

// RoundTrip sends the request in its version and returns the answer. Requests to one endpoint go out in the
// order of the calls, each after the answer to the one before. The answer holds views into a buffer of its own, or of
// the request's if that has a method AnswerBuffer(size int) []byte.
func (c *Client) RoundTrip(ctx context.Context, to cluster.Endpoint, req kmsg.Request) (kmsg.Response, error) {
	return c.send(ctx, to, req, nil)
}

// send is RoundTrip, with something to do on the connection before, or nil.
func (c *Client) send(ctx context.Context, to cluster.Endpoint, req kmsg.Request, prepare func(context.Context, *link) error) (kmsg.Response, error) {
	l, err := c.link(to)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(ErrClosed) })()

	resp, err := l.roundTrip(ctx, req, prepare)
	if err != nil {
		return nil, fmt.Errorf("%s to %s: %w", kmsg.NameForKey(req.Key()), to.Address(), reason(ctx, err))
	}
	return resp, nil
}

// reason is the cause that ended the context, where that is what broke the connection.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (c *Client) link(to cluster.Endpoint) (*link, error) {
	if to.Protocol != "" && to.Protocol != "PLAINTEXT" {
		return nil, fmt.Errorf("%s to %s: %w", to.Protocol, to.Address(), ErrProtocol)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	l, ok := c.mu.links[to]
	if !ok {
		l = newLink(to, &c.options)
		c.mu.links[to] = l
	}
	return l, nil
}

// Forget closes the connection to a broker that is gone, once the request in flight has its answer or its error.
func (c *Client) Forget(to cluster.Endpoint) {
	c.mu.Lock()
	l, ok := c.mu.links[to]
	delete(c.mu.links, to)
	c.mu.Unlock()
	if ok {
		l.retire()
	}
}

// Close ends the requests in flight with ErrClosed and closes every connection.
func (c *Client) Close() {
	c.stop()
	c.mu.Lock()
	links := c.mu.links
	c.mu.links = nil
	c.mu.Unlock()
	for _, l := range links {
		l.retire()
	}
}
