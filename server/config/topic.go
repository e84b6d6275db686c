package config

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Topic is one topic's settings: its own over the broker's defaults. Tags and durations as in Config.
type Topic struct {
	SegmentBytes       int32         `key:"segment.bytes"`
	SegmentAge         time.Duration `key:"segment.ms"`
	SegmentJitter      time.Duration `key:"segment.jitter.ms"`
	IndexBytes         int32         `key:"segment.index.bytes"`
	IndexIntervalBytes int32         `key:"index.interval.bytes"`
	// RetentionAge and RetentionBytes are without limit when negative.
	RetentionAge   time.Duration `key:"retention.ms"`
	RetentionBytes int64         `key:"retention.bytes"`
	// Delete and Compact are the cleanup.policy.
	Delete, Compact bool

	MaxMessageBytes int32 `key:"max.message.bytes"`
	// CompressionType is producer, uncompressed, gzip, snappy, lz4 or zstd.
	CompressionType      string `key:"compression.type"`
	CompressionGzipLevel int32  `key:"compression.gzip.level"`
	CompressionLz4Level  int32  `key:"compression.lz4.level"`
	CompressionZstdLevel int32  `key:"compression.zstd.level"`
	// MessageFormat is the magic of stored records: 2, unless message.format.version counts (Protocol.OldRecordFormats).
	MessageFormat int8
	// TimestampType is CreateTime or LogAppendTime.
	TimestampType      string        `key:"message.timestamp.type"`
	TimestampBeforeMax time.Duration // message.timestamp.before.max.ms, or the older difference
	TimestampAfterMax  time.Duration // message.timestamp.after.max.ms, or the older difference

	FlushMessages   int64         `key:"flush.messages"`
	FlushAge        time.Duration `key:"flush.ms"`
	FileDeleteDelay time.Duration `key:"file.delete.delay.ms"`
	Preallocate     bool          `key:"preallocate"`

	MinCleanableRatio float64       `key:"min.cleanable.dirty.ratio"`
	MinCompactionLag  time.Duration `key:"min.compaction.lag.ms"`
	MaxCompactionLag  time.Duration `key:"max.compaction.lag.ms"`
	DeleteRetention   time.Duration `key:"delete.retention.ms"`

	MinInsyncReplicas         int32    `key:"min.insync.replicas"`
	UncleanLeaderElection     bool     `key:"unclean.leader.election.enable"`
	MessageDownconversion     bool     `key:"message.downconversion.enable"`
	LeaderThrottledReplicas   []string `key:"leader.replication.throttled.replicas"`
	FollowerThrottledReplicas []string `key:"follower.replication.throttled.replicas"`
}

// Topic is the settings of a topic that has these of its own. A value that cannot be read, which only
// somebody writing to ZooKeeper by hand can leave there, does not count: the default does.
func (c *Config) Topic(overrides map[string]string) Topic {
	values := c.topicValues(overrides)
	var t Topic
	fill(&t, values)
	t.Compact = cleansBy(values["cleanup.policy"], "compact")
	t.Delete = cleansBy(values["cleanup.policy"], "delete")
	t.MessageFormat = c.messageFormat(text(values["message.format.version"]))
	t.TimestampBeforeMax = timestampMax(values, "message.timestamp.before.max.ms")
	t.TimestampAfterMax = timestampMax(values, "message.timestamp.after.max.ms")
	return t
}

// messageFormat is the magic that records of a release have.
func (c *Config) messageFormat(release string) int8 {
	p, ok := parseProtocol(release)
	switch {
	case !ok || !c.Protocol.OldRecordFormats():
		return 2
	case p < 1000: // 0.10.0
		return 0
	case p < 1100: // 0.11.0
		return 1
	default:
		return 2
	}
}

func cleansBy(policy Value, word string) bool {
	list, _ := policy.([]string)
	return slices.Contains(list, word)
}

// timestampMax is a limit in one direction or, while that has its default, the older one in both.
func timestampMax(values map[string]Value, name string) time.Duration {
	const older = "message.timestamp.difference.max.ms"
	if k, _ := TopicKeyOf(name); text(values[name]) == *k.Default {
		name = older
	}
	ms, _ := values[name].(int64)
	return duration(name, ms)
}

func (c *Config) topicValues(overrides map[string]string) map[string]Value {
	values := make(map[string]Value, len(tables().topic))
	for _, k := range tables().topic {
		if s, ok := overrides[k.Name]; ok {
			if v, err := k.parse(s); err == nil {
				values[k.Name] = v
				continue
			}
		}
		values[k.Name], _ = parseType(k.Type, c.topicDefaults[k.Name])
	}
	return values
}

// setTopicDefaults works out what each topic setting is without an override. Most are one broker
// setting; some are decided by the first of several that is set.
func (c *Config) setTopicDefaults() {
	c.topicDefaults = make(map[string]string, len(tables().topic))
	for _, k := range tables().topic {
		c.topicDefaults[k.Name] = *k.Default
		if k.Name == "message.format.version" && !c.Protocol.OldRecordFormats() {
			continue // the broker's setting is ignored
		}
		for _, name := range brokerSynonyms(k.BrokerName) {
			if v := c.settings.values[name]; v != nil {
				c.topicDefaults[k.Name] = c.inMilliseconds(name)
				break
			}
		}
	}
	// The limits of timestamps: on the broker, too, the older setting stands in for the newer two.
	for _, direction := range []string{"before", "after"} {
		k, _ := TopicKeyOf("message.timestamp." + direction + ".max.ms")
		if c.topicDefaults[k.Name] == *k.Default {
			c.topicDefaults[k.Name] = c.topicDefaults["message.timestamp.difference.max.ms"]
		}
	}
}

// inMilliseconds is a setting's value, in milliseconds if it counts hours or minutes. Kept for ever,
// whatever the unit, is -1.
func (c *Config) inMilliseconds(name string) string {
	n, ok := c.settings.number(name)
	if !ok || unit(name) == time.Millisecond && name != "log.retention.ms" {
		return text(c.settings.values[name])
	}
	if n < 0 {
		return "-1"
	}
	return text(n * unit(name).Milliseconds())
}

// CheckTopic holds a topic setting to the table. The errors' texts are Kafka's; an unknown name is an
// *UnknownKeyError, a wrong value a *ValueError.
func CheckTopic(name, value string) error {
	k, ok := TopicKeyOf(name)
	if !ok {
		return &UnknownKeyError{"topic", name}
	}
	_, err := k.parse(value)
	return err
}

// CheckTopicConfigs is CheckTopic for all settings of a topic, and holds them to each other and to the
// broker's defaults.
func (c *Config) CheckTopicConfigs(overrides map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if _, ok := TopicKeyOf(name); !ok {
			return &UnknownKeyError{"topic", name}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if err := CheckTopic(name, overrides[name]); err != nil {
			return err
		}
	}
	values := c.topicValues(overrides)
	low, _ := values["min.compaction.lag.ms"].(int64)
	high, _ := values["max.compaction.lag.ms"].(int64)
	if low > high {
		return &ConflictError{fmt.Sprintf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", low, high)}
	}
	if remote, _ := values["remote.storage.enable"].(bool); remote {
		return &TieredStorageError{}
	}
	return nil
}

// CheckBroker holds a broker setting to the table. Unlike a topic's, an unknown name is allowed, as in
// Kafka, where it may belong to a plugin.
func CheckBroker(name, value string) error {
	k, ok := BrokerKey(name)
	if !ok {
		if k, ok = runtimeKey(name); !ok {
			return nil
		}
	}
	_, err := k.parse(value)
	return err
}
