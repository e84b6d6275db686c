package group

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/purgatory"
	"ottla/server/statetopic"
)

// Options are the parts a Coordinator is built from.
type Options struct {
	Storage Storage
	Timer   *purgatory.Timer
	Config  Config
	// Partitions is the number of partitions of __consumer_offsets: of the existing topic, else
	// offsets.topic.num.partitions.
	Partitions func() int32
	Log        logrus.FieldLogger
	Metrics    prometheus.Registerer // or nil
}

// Client is who sent a request.
type Client struct {
	ID string // client.id; a null one counts as ""
	// Host is the client's address as Java prints it, /127.0.0.1: it is stored and shown like that.
	Host string
}

// Coordinator coordinates the groups whose partitions this broker leads.
//
// Every request method calls its reply exactly once, on any goroutine, maybe before it returns, and with no
// lock held. Requests may be kept by the caller after the reply, but not changed before.
type Coordinator struct {
	storage    Storage
	config     Config
	partitions func() int32
	log        logrus.FieldLogger
	rebalances *purgatory.Purgatory[rebalanceKey]
	heartbeats *purgatory.Purgatory[memberKey]
	metrics    *metrics

	ctx  context.Context
	stop context.CancelFunc
	work statetopic.Background
	// owned is asked with no Group's lock held.
	owned *statetopic.Reigns[*Group]
}

// New returns a Coordinator that owns no partition yet. It owns one goroutine, which expires offsets, and one a
// partition while that is loaded, until Close.
func New(o Options) *Coordinator {
	c := &Coordinator{storage: o.Storage, config: o.Config, partitions: o.Partitions, log: o.Log,
		rebalances: purgatory.New[rebalanceKey]("Rebalance", o.Timer, o.Metrics),
		heartbeats: purgatory.New[memberKey]("Heartbeat", o.Timer, o.Metrics),
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.owned = statetopic.NewReigns[*Group]()
	c.metrics = newMetrics(c, o.Metrics)
	c.work.Run(c.expireRegularly)
	return c
}

// Close answers what waits with COORDINATOR_NOT_AVAILABLE and ends the goroutines. Groups stay in the log.
func (c *Coordinator) Close() {
	c.stop()
	for _, g := range c.owned.Close() {
		g.unload(kerr.CoordinatorNotAvailable.Code)
	}
	c.work.Close()
	c.rebalances.Close()
	c.heartbeats.Close()
	c.metrics.unregister()
}

// PartitionFor is the partition of __consumer_offsets that a group belongs to; its leader coordinates the group.
func (c *Coordinator) PartitionFor(group string) int32 {
	return statetopic.PartitionOf(group, max(1, c.partitions()))
}

// emptyID tells whether an API takes the empty group id. Those that manage members do not; offsets of "" are
// kept for clients of long ago, and so is the way to see and delete them.
type emptyID bool

const (
	allowEmptyID  emptyID = true
	refuseEmptyID emptyID = false
)

// check returns the code that answers a request for a group this broker cannot serve now, or 0.
func (c *Coordinator) check(group string, empty emptyID) int16 {
	if group == "" && !empty || len(group) > math.MaxInt16 {
		return kerr.InvalidGroupID.Code
	}
	_, code := c.owned.Find(c.PartitionFor(group), group)
	return code
}

// get finds a group, or nil.
func (c *Coordinator) get(group string) *Group {
	g, _ := c.owned.Find(c.PartitionFor(group), group)
	return g
}

// create finds a group or makes an empty one. It is nil if the partition went away meanwhile.
func (c *Coordinator) create(group string) *Group {
	g, _ := c.owned.Add(c.PartitionFor(group), group, func(r *statetopic.Reign[*Group]) *Group { return newGroup(c, group, r.Partition) })
	return g
}

func nowMillis() int64 { return time.Now().UnixMilli() }

func millis(d time.Duration) int64 { return int64(d / time.Millisecond) }
