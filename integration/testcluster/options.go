package testcluster

import (
	"strconv"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// Option changes how a Cluster is started.
type Option func(*options)

type options struct {
	settings  map[string]string         // of every broker
	ofBroker  map[int]map[string]string // by broker id; they win over settings
	racks     []string
	zookeeper string
	log       *logrus.Logger // nil for the test's log
}

func newOptions(opts []Option) *options {
	o := &options{settings: map[string]string{}, ofBroker: map[int]map[string]string{}}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// WithSetting gives every broker a setting of server.properties.
func WithSetting(key, value string) Option {
	return func(o *options) { o.settings[key] = value }
}

// WithBrokerSetting gives one broker, 1 for the first, a setting of server.properties. It wins over WithSetting.
func WithBrokerSetting(broker int, key, value string) Option {
	return func(o *options) {
		if o.ofBroker[broker] == nil {
			o.ofBroker[broker] = map[string]string{}
		}
		o.ofBroker[broker][key] = value
	}
}

// WithRacks puts the brokers into racks (broker.rack), the first broker into the first, and again from the
// first when there are more brokers than racks.
func WithRacks(racks ...string) Option {
	return func(o *options) { o.racks = racks }
}

// WithSessionTimeout is how long ZooKeeper waits for a silent broker before it takes the broker for dead
// (zookeeper.session.timeout.ms): so long after Kill, Pause or Cut another broker leads. Three seconds without
// it. A ZooKeeper of your own grants what lies within its bounds.
func WithSessionTimeout(d time.Duration) Option {
	return WithSetting("zookeeper.session.timeout.ms", strconv.FormatInt(max(d.Milliseconds(), 1), 10))
}

// WithZooKeeper coordinates the brokers through a ZooKeeper that is already there, host:port with or without
// a chroot. Without it the cluster has one of its own.
func WithZooKeeper(connect string) Option {
	return func(o *options) { o.zookeeper = connect }
}

// WithLogger sends what the brokers log somewhere else than to the test's log.
func WithLogger(log *logrus.Logger) Option {
	return func(o *options) { o.log = log }
}

// logger is for the part of the cluster that goes by this name.
func (o *options) logger(t testing.TB, name string) *logrus.Logger {
	if o.log != nil {
		return o.log
	}
	return testLogger(t, name)
}
