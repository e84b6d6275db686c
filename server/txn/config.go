package txn

import "time"

// Config is what the coordinator obeys of the broker's settings.
type Config struct {
	MaxTimeout           time.Duration // transaction.max.timeout.ms
	TimeoutCheckInterval time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	IDExpiration         time.Duration // transactional.id.expiration.ms
	ExpiryCheckInterval  time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms
	LoadBufferBytes      int           // transaction.state.log.load.buffer.size
	MarkerRetryBackoff   time.Duration // between tries to write markers; no setting of Kafka's
}

// DefaultConfig is Apache Kafka 3.9's.
func DefaultConfig() Config {
	return Config{
		MaxTimeout:           15 * time.Minute,
		TimeoutCheckInterval: 10 * time.Second,
		IDExpiration:         7 * 24 * time.Hour,
		ExpiryCheckInterval:  time.Hour,
		LoadBufferBytes:      5 << 20,
		MarkerRetryBackoff:   100 * time.Millisecond,
	}
}
