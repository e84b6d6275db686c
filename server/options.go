package server

import (
	"context"
	"net"

	"github.com/sirupsen/logrus"

	"ottla/logdir/disk"
)

// Option changes what a Broker is built from.
type Option func(*Broker)

// WithLogger has the broker log as log does: its output, format and level. Without it, it logs to standard
// error.
func WithLogger(log *logrus.Logger) Option { return func(b *Broker) { b.log = log } }

// WithVersion is what the broker says of itself at its start.
func WithVersion(version string) Option { return func(b *Broker) { b.version = version } }

// WithDisk keeps the logs on another file system than the machine's.
func WithDisk(fs disk.FS) Option { return func(b *Broker) { b.disk = fs } }

// WithListen makes the broker's listeners, so that a test can stand between a broker and its clients.
func WithListen(listen func(network, address string) (net.Listener, error)) Option {
	return func(b *Broker) { b.listen = listen }
}

// WithDial makes the broker's connections to other brokers and to ZooKeeper.
func WithDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(b *Broker) { b.dial = dial }
}
