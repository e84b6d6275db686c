package txn

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/server/statetopic"
)

// Options are the parts a Coordinator is built from.
type Options struct {
	Storage Storage
	Leaders Leaders
	Config  Config
	// Partitions is the number of partitions of __transaction_state: of the existing topic, else
	// transaction.state.log.num.partitions.
	Partitions func() int32
	// ProducerIDs hands out ids that no producer of the cluster has.
	ProducerIDs *ProducerIDs
	Log         logrus.FieldLogger
	Metrics     prometheus.Registerer // or nil
}

// Coordinator coordinates the transactions whose partitions of __transaction_state this broker leads.
type Coordinator struct {
	storage     Storage
	config      Config
	partitions  func() int32
	producerIDs *ProducerIDs
	log         logrus.FieldLogger
	markers     *markers
	metrics     *metrics

	ctx   context.Context
	stop  context.CancelFunc
	work  statetopic.Background
	owned *statetopic.Reigns[*transaction]
}

// New returns a Coordinator that owns no partition yet. It owns three goroutines, for time-outs, for expiry and for markers
// that have to be sent again, and one a partition while that is loaded, until Close.
func New(o Options) *Coordinator {
	c := &Coordinator{storage: o.Storage, config: o.Config, partitions: o.Partitions, producerIDs: o.ProducerIDs, log: o.Log}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.owned = statetopic.NewReigns[*transaction]()
	c.markers = newMarkers(c, o.Leaders)
	c.metrics = newMetrics(c, o.Metrics)
	c.work.Run(func() { every(c.ctx, c.config.TimeoutCheckInterval, c.abortTimedOut) })
	c.work.Run(func() { every(c.ctx, c.config.ExpiryCheckInterval, c.expire) })
	c.work.Run(c.markers.retry)
	return c
}

// Close ends the goroutines. Requests that wait for a record are answered by whoever writes it. Transactions stay in
// the log as they are.
func (c *Coordinator) Close() {
	c.owned.Close()
	c.stop()
	c.work.Close()
	c.metrics.unregister()
}

// PartitionFor is the partition of __transaction_state that a transactional id belongs to; its leader coordinates it.
func (c *Coordinator) PartitionFor(id string) int32 {
	return statetopic.PartitionOf(id, max(1, c.partitions()))
}

// find returns a transactional id, nil if nobody has initialized it, or the code that answers while this broker cannot
// tell.
func (c *Coordinator) find(id string) (*transaction, int16) {
	return c.owned.Find(c.PartitionFor(id), id)
}

// known is find for requests of a producer, which must be known.
func (c *Coordinator) known(id string) (*transaction, int16) {
	if !validID(id) {
		return nil, kerr.InvalidRequest.Code
	}
	t, code := c.find(id)
	if code == 0 && t == nil {
		code = kerr.InvalidProducerIDMapping.Code
	}
	return t, code
}

// validID: a record has room for it.
func validID(id string) bool { return id != "" && len(id) <= math.MaxInt16 }

// fencedBefore is the code for a fenced producer in versions of a request that did not know PRODUCER_FENCED yet.
func fencedBefore(old bool, code int16) int16 {
	if old && code == kerr.ProducerFenced.Code {
		return kerr.InvalidProducerEpoch.Code
	}
	return code
}

func nowMillis() int64 { return time.Now().UnixMilli() }
