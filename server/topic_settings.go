package server

import (
	"maps"
	"sync"

	"github.com/sirupsen/logrus"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/server/config"
	"ottla/server/replica"
)

// topicSettings knows what each topic has set for itself (/config/topics), and works out what its logs and
// its partitions obey: a topic's own settings over the broker's.
type topicSettings struct {
	live   *config.Live
	logger logrus.FieldLogger
	// read asks ZooKeeper for a topic that is not known yet: the settings of a new topic come with no notice.
	read func(topic string) (map[string]string, error)

	mu        sync.RWMutex
	overrides map[string]map[string]string // by topic
}

func newTopicSettings(live *config.Live, overrides map[string]map[string]string, read func(string) (map[string]string, error), log logrus.FieldLogger) *topicSettings {
	s := &topicSettings{live: live, read: read, logger: log, overrides: make(map[string]map[string]string)}
	maps.Copy(s.overrides, overrides)
	return s
}

// set notes a topic's own settings.
func (s *topicSettings) set(topic string, overrides map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overrides[topic] = overrides
}

// named are the topics that are known to have settings of their own.
func (s *topicSettings) named() (topics []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for topic, overrides := range s.overrides {
		if len(overrides) > 0 {
			topics = append(topics, topic)
		}
	}
	return topics
}

// forget drops what is known of a topic. One of the same name that is made later has settings of its own.
func (s *topicSettings) forget(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.overrides, topic)
}

func (s *topicSettings) of(topic string) config.Topic {
	s.mu.RLock()
	overrides, known := s.overrides[topic]
	s.mu.RUnlock()
	if !known {
		read, err := s.read(topic)
		if err != nil {
			// Not remembered, so that the next who asks tries again.
			s.logger.Errorf("Topic %s: its settings could not be read, the broker's defaults count until they can: %v", topic, err)
		} else {
			s.set(topic, read)
		}
		overrides = read
	}
	return s.live.Current().Topic(overrides)
}

func (s *topicSettings) log(topic string) logdir.Config { return logConfig(s.of(topic)) }

func (s *topicSettings) replication(topic string) replica.TopicConfig {
	return replica.TopicConfig{MinInsyncReplicas: int(s.of(topic).MinInsyncReplicas)}
}

// cleanerOptions is how the logs are compacted.
func cleanerOptions(c *config.Config) logdir.CleanerOptions {
	o := logdir.CleanerOptions{DedupeBufferSize: c.CleanerDedupeBuffer, LoadFactor: c.CleanerLoadFactor,
		BufferSize: int(c.CleanerBuffer), BytesPerSecond: c.CleanerBytesPerSecond, Backoff: c.CleanerBackoff}
	if c.CleanerEnable {
		o.Threads = int(c.CleanerThreads)
	}
	return o
}

// logConfig is a topic's settings as far as its logs obey them.
func logConfig(t config.Topic) logdir.Config {
	c := logdir.Config{
		SegmentBytes:       int(t.SegmentBytes),
		SegmentAge:         t.SegmentAge,
		SegmentJitter:      t.SegmentJitter,
		IndexBytes:         int(t.IndexBytes),
		IndexIntervalBytes: int(t.IndexIntervalBytes),
		Preallocate:        t.Preallocate,
		RetentionAge:       t.RetentionAge,
		RetentionBytes:     t.RetentionBytes,
		FileDeleteDelay:    t.FileDeleteDelay,
		Compact:            t.Compact,
		Delete:             t.Delete,
		MinCompactionLag:   t.MinCompactionLag,
		MaxCompactionLag:   t.MaxCompactionLag,
		DeleteRetention:    t.DeleteRetention,
		MinCleanableRatio:  t.MinCleanableRatio,
		MaxMessageBytes:    int(t.MaxMessageBytes),
		CompressionType:    t.CompressionType,
		GzipLevel:          int(t.CompressionGzipLevel),
		Lz4Level:           int(t.CompressionLz4Level),
		ZstdLevel:          int(t.CompressionZstdLevel),
		MessageFormat:      t.MessageFormat,
		DownConversionOff:  !t.MessageDownconversion,
		TimestampType:      batch.CreateTime,
		TimestampBeforeMax: t.TimestampBeforeMax,
		TimestampAfterMax:  t.TimestampAfterMax,
		FlushMessages:      t.FlushMessages,
		FlushAge:           t.FlushAge,
	}
	if t.TimestampType == "LogAppendTime" {
		c.TimestampType = batch.LogAppendTime
	}
	return c
}
