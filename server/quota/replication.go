package quota

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ottla/zkcoord/cluster"
)

// Unlimited is the rate of who has none.
const Unlimited int64 = math.MaxInt64

// How long somebody is told to wait who is above the rate: long enough to be worth it, and short enough to hear of a new one.
const (
	leastDelay = 10 * time.Millisecond
	mostDelay  = time.Second
)

// Replication bounds the bytes per second that one broker sends as a leader, or copies as a follower, of the replicas that
// their topics name (KIP-73) [ReplicationQuotaManager]. Whoever is in sync is never held back, since it would leave the ISR; but
// what it copies counts.
type Replication struct {
	broker cluster.BrokerID
	// any says that there are throttled replicas and a bound, so that everybody else pays one load.
	any atomic.Bool
	mu  struct {
		sync.Mutex
		bound  int64
		topics map[string]replicas
		rate   rate
	}
}

// replicas are those of a topic on this broker.
type replicas struct {
	all        bool
	partitions []int32
}

// NewReplication bounds nothing yet. samples and window are replication.quota.window.num and .size.seconds.
func NewReplication(broker cluster.BrokerID, samples int, window time.Duration) *Replication {
	q := &Replication{broker: broker}
	q.mu.bound, q.mu.topics, q.mu.rate = Unlimited, make(map[string]replicas), newRate(samples, window)
	return q
}

// SetBound changes the rate, in bytes per second.
func (q *Replication) SetBound(bytesPerSecond int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.bound = bytesPerSecond
	q.changedLocked()
}

// SetTopic changes which replicas of a topic are throttled: partition:broker each, "*" for all, none for none. What is neither
// is passed over.
func (q *Replication) SetTopic(topic string, list []string) {
	r := replicas{all: len(list) == 1 && list[0] == "*"}
	for _, pair := range list {
		partition, broker, ok := strings.Cut(pair, ":")
		n, err := strconv.ParseInt(partition, 10, 32)
		if ok && err == nil && broker == q.broker.String() {
			r.partitions = append(r.partitions, int32(n))
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if delete(q.mu.topics, topic); r.all || len(r.partitions) > 0 {
		q.mu.topics[topic] = r
	}
	q.changedLocked()
}

func (q *Replication) changedLocked() { q.any.Store(len(q.mu.topics) > 0 && q.mu.bound != Unlimited) }

// Throttled reports whether this broker's replica of a partition is.
func (q *Replication) Throttled(tp cluster.TopicPartition) bool {
	if !q.any.Load() {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.mu.topics[tp.Topic]
	return r.all || slices.Contains(r.partitions, tp.Partition)
}

// Record counts bytes of throttled replicas.
func (q *Replication) Record(bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.rate.record(int64(bytes), time.Now())
}

// Delay is how long a throttled replica that is not in sync has to wait, 0 if it need not.
func (q *Replication) Delay() time.Duration {
	if !q.any.Load() {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes, in := q.mu.rate.measure(time.Now())
	// Until then, the same bytes are no more than the bound allows. When samples are dropped it may be sooner.
	takes := float64(bytes) / float64(q.mu.bound)
	if missing := takes - in.Seconds(); bytes > 0 && missing > 0 {
		return max(leastDelay, time.Duration(min(missing, mostDelay.Seconds())*float64(time.Second)))
	}
	return 0
}

// Rate is what goes at present, in bytes per second.
func (q *Replication) Rate() float64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes, in := q.mu.rate.measure(time.Now())
	return float64(bytes) / in.Seconds()
}
