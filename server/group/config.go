package group

import (
	"time"

	"ottla/logdir/batch"
)

// Config is what the coordinator obeys of the broker's settings.
type Config struct {
	MinSessionTimeout     time.Duration // group.min.session.timeout.ms
	MaxSessionTimeout     time.Duration // group.max.session.timeout.ms
	InitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms
	MaxSize               int           // group.max.size

	OffsetMetadataMax       int           // offset.metadata.max.bytes; it counts UTF-16 units, as Kafka does
	OffsetsRetention        time.Duration // offsets.retention.minutes
	RetentionCheckInterval  time.Duration // offsets.retention.check.interval.ms
	LoadBufferBytes         int           // offsets.load.buffer.size
	Compression             batch.Codec   // offsets.topic.compression.codec
	OffsetValue, GroupValue int16         // versions to write, by inter.broker.protocol.version
}

// DefaultConfig is Apache Kafka 3.9's.
func DefaultConfig() Config {
	return Config{
		MinSessionTimeout:      6 * time.Second,
		MaxSessionTimeout:      30 * time.Minute,
		InitialRebalanceDelay:  3 * time.Second,
		MaxSize:                1<<31 - 1,
		OffsetMetadataMax:      4096,
		OffsetsRetention:       7 * 24 * time.Hour,
		RetentionCheckInterval: 10 * time.Minute,
		LoadBufferBytes:        5 << 20,
		Compression:            batch.None,
		OffsetValue:            OffsetValueVersion,
		GroupValue:             GroupValueVersion,
	}
}
