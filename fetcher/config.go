package fetcher

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"ottla/zkcoord/cluster"
)

// Config is what a fetcher obeys. It is asked before each fetch. Zero values stand for Kafka's defaults.
type Config struct {
	// Fetchers is how many fetchers copy from one leader (num.replica.fetchers, 1). A change counts from
	// Manager.Resize on.
	Fetchers int
	// MinBytes is how many bytes the leader waits for (replica.fetch.min.bytes, 1), and MaxWait how long
	// (replica.fetch.wait.max.ms, 500 ms).
	MinBytes int32
	MaxWait  time.Duration
	// MaxBytes bounds the bytes of one partition in an answer (replica.fetch.max.bytes, 1 MiB), ResponseMaxBytes those
	// of all (replica.fetch.response.max.bytes, 10 MiB). A single batch may be larger than either.
	MaxBytes         int32
	ResponseMaxBytes int32
	// Backoff is how long a partition, or a leader, that fails again and again rests between attempts
	// (replica.fetch.backoff.ms, 1 s).
	Backoff time.Duration
}

func (c Config) withDefaults() Config {
	if c.Fetchers <= 0 {
		c.Fetchers = 1
	}
	if c.MinBytes <= 0 {
		c.MinBytes = 1
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 1 << 20
	}
	if c.ResponseMaxBytes <= 0 {
		c.ResponseMaxBytes = 10 << 20
	}
	if c.MaxWait <= 0 {
		c.MaxWait = 500 * time.Millisecond
	}
	if c.Backoff <= 0 {
		c.Backoff = time.Second
	}
	return c
}

// Versions are the versions of the requests to a leader; they follow from inter.broker.protocol.version.
type Versions struct {
	Fetch, ListOffsets, OffsetForLeaderEpoch int16
}

// The versions of 3.9, and the bounds within which this package can write and read a Fetch.
const (
	newestFetch, oldestFetch = 17, 11
	newestListOffsets        = 9
	newestOffsetForEpoch     = 4
	// byID is the first version of Fetch that names topics by their ids, divergingSince the first one whose answer tells where two logs
	// part, and taggedSince the first one in which the sender stands in a tagged field.
	byID, byIDBefore, divergingSince, taggedSince = 13, 12, 12, 15
)

func (v Versions) withDefaults() Versions {
	if v.Fetch == 0 {
		v.Fetch = newestFetch
	}
	if v.ListOffsets == 0 {
		v.ListOffsets = newestListOffsets
	}
	if v.OffsetForLeaderEpoch == 0 {
		v.OffsetForLeaderEpoch = newestOffsetForEpoch
	}
	v.Fetch = min(max(v.Fetch, oldestFetch), newestFetch)
	return v
}

// Options are the parts that a Manager works with.
type Options struct {
	ID cluster.BrokerID
	// BrokerEpoch is the epoch of this broker's registration, -1 without one. The leader passes it on to the controller.
	BrokerEpoch func() int64
	// Connect returns a connection for a fetcher. It does not dial yet.
	Connect func(leader cluster.BrokerID, fetcher int) Leader
	// Config may be nil for the defaults.
	Config   func() Config
	Versions Versions
	// Throttle bounds what is copied of partitions that are not in sync. Nil bounds nothing.
	Throttle Throttle
	Log      logrus.FieldLogger
	// Metrics may be nil.
	Metrics prometheus.Registerer
}
