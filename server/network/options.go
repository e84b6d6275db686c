package network

import (
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

// Listener is one address that the broker listens on.
type Listener struct {
	Name     string // as in listeners=NAME://host:port, upper case
	Protocol string // PLAINTEXT; others are not served yet
	Host     string // empty for all addresses
	Port     int    // 0 for a free one
}

// Limits bounds the connections. They may change while the server runs.
type Limits struct {
	// MaxConnections of all listeners together (max.connections); 0 means no limit, a negative number none at all. At the limit new
	// connections wait, but those of Options.ProtectedListener and ControlListener: for them the connection of another listener
	// that was silent longest is closed.
	MaxConnections int
	// MaxConnectionsPerIP (max.connections.per.ip); likewise. Connections above it are closed at once.
	MaxConnectionsPerIP int
	// PerIP has the exceptions (max.connections.per.ip.overrides), by address; here 0 means none at all.
	PerIP map[string]int
}

// Options says how a Server is to work. What is zero has its default.
type Options struct {
	Listeners []Listener
	// Listen makes a listener; by default a TCP socket. Sendfile is used where its connections give their
	// socket away (syscall.Conn), so that a test may pass listeners in memory.
	Listen func(network, address string) (net.Listener, error)

	MaxRequestBytes int           // of one frame (socket.request.max.bytes); 100 MiB
	QueuedMaxBytes  int64         // of all frames in work (queued.max.request.bytes); 0 or less means no limit
	MaxPipelined    int           // answers outstanding on a connection; 128
	IdleTimeout     time.Duration // without a byte moved (connections.max.idle.ms); 10 minutes, negative for never
	SendBuffer      int           // bytes of a socket's send buffer; 0 or less leaves it to the operating system
	ReceiveBuffer   int           // likewise
	Backlog         int           // connections that may wait to be accepted (socket.listen.backlog.size); 0 for as many as the system allows
	Limits          Limits
	// ProtectedListener may exceed Limits.MaxConnections: the inter-broker listener's name, if it has one of its own.
	ProtectedListener string
	// ControlListener is the one on which the controller comes, if it has one of its own. It may exceed Limits.MaxConnections as well,
	// and its frames do not count in QueuedMaxBytes: no load of clients holds up the controller (KIP-291).
	ControlListener string

	// Connected, if not nil, is called for each connection before its first request. It must not wait.
	Connected func(*Session)

	// APIName names an API key for log lines and metrics, as METADATA; empty if it does not know the key.
	APIName func(key int16) string

	Log     logrus.FieldLogger
	Metrics prometheus.Registerer // nil for none
}

func (o Options) withDefaults() Options {
	if o.MaxRequestBytes <= 0 {
		o.MaxRequestBytes = 100 << 20
	}
	if o.MaxPipelined <= 0 {
		o.MaxPipelined = 128
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 10 * time.Minute
	}
	if o.Connected == nil {
		o.Connected = func(*Session) {}
	}
	if o.APIName == nil {
		o.APIName = func(int16) string { return "" }
	}
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetLevel(logrus.PanicLevel)
		o.Log = quiet
	}
	if o.Listen == nil {
		o.Listen = func(network, address string) (net.Listener, error) {
			return listenTCP(network, address, o.ReceiveBuffer, o.Backlog)
		}
	}
	return o
}
