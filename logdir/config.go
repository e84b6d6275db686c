package logdir

import (
	"math"
	"time"

	"ottla/logdir/batch"
)

// Config is one topic's settings as far as its logs obey them. Names in comments are Kafka's topic
// settings. Times of zero or less than zero mean what they mean there.
type Config struct {
	SegmentBytes       int           // segment.bytes
	SegmentAge         time.Duration // segment.ms
	SegmentJitter      time.Duration // segment.jitter.ms: up to this much less, by chance
	IndexBytes         int           // segment.index.bytes
	IndexIntervalBytes int           // index.interval.bytes
	Preallocate        bool          // preallocate

	RetentionAge    time.Duration // retention.ms; negative keeps for ever
	RetentionBytes  int64         // retention.bytes; negative keeps all
	FileDeleteDelay time.Duration // file.delete.delay.ms
	Compact         bool          // cleanup.policy has compact
	Delete          bool          // cleanup.policy has delete

	MinCompactionLag  time.Duration // min.compaction.lag.ms
	MaxCompactionLag  time.Duration // max.compaction.lag.ms
	DeleteRetention   time.Duration // delete.retention.ms
	MinCleanableRatio float64       // min.cleanable.dirty.ratio

	MaxMessageBytes int // max.message.bytes, of a batch as it is stored
	// CompressionType is compression.type: producer, uncompressed, gzip, snappy, lz4, zstd.
	CompressionType                string
	GzipLevel, Lz4Level, ZstdLevel int // compression.*.level; zero is the default
	// MessageFormat is the magic of what is stored: 2, but for message.format.version below 0.11 in a cluster whose
	// inter.broker.protocol.version is below 3.0.
	MessageFormat int8
	// DownConversionOff refuses consumers that know no format as new as this: message.downconversion.enable=false.
	DownConversionOff  bool
	TimestampType      batch.TimestampType
	TimestampBeforeMax time.Duration // message.timestamp.before.max.ms
	TimestampAfterMax  time.Duration // message.timestamp.after.max.ms
	FlushMessages      int64         // flush.messages
	FlushAge           time.Duration // flush.ms
}

// Forever is how settings say that something never happens: Kafka's Long.MAX_VALUE milliseconds do not
// fit a Duration.
const Forever = time.Duration(math.MaxInt64)

// DefaultConfig is what Kafka 3.9 does with a topic that sets nothing.
func DefaultConfig() Config {
	return Config{
		SegmentBytes:       1 << 30,
		SegmentAge:         7 * 24 * time.Hour,
		IndexBytes:         10 << 20,
		IndexIntervalBytes: 4096,
		RetentionAge:       7 * 24 * time.Hour,
		RetentionBytes:     -1,
		FileDeleteDelay:    time.Minute,
		Delete:             true,
		MaxCompactionLag:   Forever,
		DeleteRetention:    24 * time.Hour,
		MinCleanableRatio:  0.5,
		MaxMessageBytes:    1048588,
		CompressionType:    "producer",
		MessageFormat:      2,
		TimestampType:      batch.CreateTime,
		TimestampBeforeMax: Forever,
		TimestampAfterMax:  Forever,
		FlushMessages:      math.MaxInt64,
		FlushAge:           Forever,
	}
}

// segmentAge is after how long a segment is closed: what max.compaction.lag.ms promises to compact may not
// stay in the active one.
func (c *Config) segmentAge() time.Duration {
	if c.Compact && c.MaxCompactionLag > 0 {
		return min(c.SegmentAge, c.MaxCompactionLag)
	}
	return c.SegmentAge
}

// target is how the topic wants its batches compressed; keep leaves them as the producer sent them.
func (c *Config) target() (t batch.Compression, keep bool) {
	if c.CompressionType == "" || c.CompressionType == "producer" {
		return t, true
	}
	codec, err := batch.ParseCodec(c.CompressionType)
	if err != nil {
		return t, true // server/config has refused it before it could come here
	}
	t.Codec = codec
	switch codec {
	case batch.Gzip:
		t.Level = c.GzipLevel
	case batch.Lz4:
		t.Level = c.Lz4Level
	case batch.Zstd:
		t.Level = c.ZstdLevel
	}
	return t, false
}

// millis is d in ms; Forever stays out of every clock's reach.
func millis(d time.Duration) int64 {
	if d == Forever {
		return math.MaxInt64
	}
	return d.Milliseconds()
}
