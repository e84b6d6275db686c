package controller

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// Config is the settings that the controller obeys; they may change while it runs.
type Config struct {
	// UncleanElection is unclean.leader.election.enable for topics that do not say.
	UncleanElection bool
	// DisableTopicDeletion is delete.topic.enable=false: requests to delete are thrown away.
	DisableTopicDeletion bool
	// AutoRebalance moves leaders back to the preferred replicas every RebalanceInterval
	// (auto.leader.rebalance.enable, leader.imbalance.check.interval.seconds) on brokers where more than
	// ImbalancePercent of them are elsewhere (leader.imbalance.per.broker.percentage).
	AutoRebalance     bool
	RebalanceInterval time.Duration
	ImbalancePercent  int
}

// Options are what a Controller works with.
type Options struct {
	// ID is this broker. It is registered in ZooKeeper before Start.
	ID cluster.BrokerID
	ZK *zkcoord.Client
	// Register registers this broker anew in each session that follows the first. It is called before the
	// broker stands for election again, and tried again until it succeeds. Nil: nothing to register.
	Register func(ctx context.Context) error
	Peer     Peer
	// Listener is the name of the listener on which brokers reach each other.
	Listener string
	// ControlListener is the one on which the controller reaches them, if it is another one.
	ControlListener string
	// Protocol is what to speak to brokers. Its zero value stands for NewestProtocol.
	Protocol Protocol
	// Config returns the settings of the moment. Nil: the defaults of DefaultConfig.
	Config  func() Config
	Log     logrus.FieldLogger
	Metrics prometheus.Registerer
}

// DefaultConfig is Kafka's.
func DefaultConfig() Config {
	return Config{AutoRebalance: true, RebalanceInterval: 5 * time.Minute, ImbalancePercent: 10}
}

// Controller is this broker's part in the election, and, when it wins, the cluster's controller.
type Controller struct {
	options Options
	log     logrus.FieldLogger
	queue   *queue
	metrics *metrics
	done    chan struct{}
	closing sync.Once
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	wg      sync.WaitGroup

	// What other goroutines may see.
	active  atomic.Bool
	session struct { // ends what an event still does in a session that is lost
		sync.Mutex
		ctx  context.Context
		lost context.CancelFunc
	}
	seenEpoch  atomic.Int32
	generation atomic.Int64

	// What belongs to the goroutine.
	zk        *zkcoord.Client // bound to the session
	reign     zkcoord.Reign
	state     *state // nil unless active
	pending   *batch
	watches   []*zkcoord.Watch
	election  *zkcoord.Watch // of /controller
	rebalance *time.Timer
	// topicWatches are of topics that are not known yet, or cannot be read.
	topicWatches map[string]*zkcoord.Watch
	// toolsRequest is what is left of the legacy reassignment znode.
	toolsRequest map[cluster.TopicPartition][]cluster.BrokerID
	waiters      []*broadcastWaiter
	eventCtx     context.Context // bounds the ZooKeeper calls of one event
	news         news            // of one event
}

// Start lets the broker stand for election. It owns goroutines until Close.
func Start(o Options) *Controller {
	if o.Config == nil {
		o.Config = DefaultConfig
	}
	if o.ControlListener == "" {
		o.ControlListener = o.Listener
	}
	if o.Protocol == (Protocol{}) {
		o.Protocol = NewestProtocol()
	}
	if o.Log == nil {
		o.Log = logrus.StandardLogger()
	}
	c := &Controller{options: o, log: o.Log, queue: newQueue(), done: make(chan struct{}), pending: newBatch()}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.eventCtx = c.ctx
	c.session.ctx, c.session.lost = context.WithCancel(c.ctx)
	c.metrics = newMetrics(c, o.Metrics)
	c.generation.Store(o.ZK.Generation())
	o.ZK.OnSession(zkcoord.SessionHandler{Lost: c.sessionLost, Renewed: c.sessionRenewed})
	generation := c.generation.Load()
	c.queue.put(event{name: "Startup", anyway: true, generation: generation, run: func() error {
		c.zk = o.ZK.Within(generation)
		c.election = c.zk.WatchController(func() {
			c.queue.put(event{name: "ControllerChange", anyway: true, run: c.controllerChanged})
		})
		return c.stand()
	}})
	c.wg.Go(c.run)
	return c
}

// Close resigns, without telling ZooKeeper: the session that ends next does. Requests that wait are
// answered NOT_CONTROLLER.
func (c *Controller) Close() {
	c.closing.Do(func() {
		close(c.done)
		c.stop()
		c.queue.close()
	})
	c.wg.Wait()
}

// Active reports whether this broker is the controller.
func (c *Controller) Active() bool { return c.active.Load() }

// Epoch is the controller epoch that this broker has won or, as the controller, reigns under; 0 if never.
func (c *Controller) Epoch() int32 { return c.seenEpoch.Load() }

// sessionLost runs on the ZooKeeper client's goroutine and returns when the controller has resigned, so
// that no new session begins while an old controller still acts.
func (c *Controller) sessionLost() {
	c.session.Lock()
	c.session.lost()
	c.session.Unlock()
	resigned := make(chan struct{})
	done := func() { close(resigned) }
	c.queue.preempt(event{name: "Expire", anyway: true, drop: done, run: func() error {
		defer done()
		c.resign("its ZooKeeper session expired")
		return nil
	}})
	<-resigned
}

func (c *Controller) sessionRenewed(generation int64) {
	c.session.Lock()
	c.session.ctx, c.session.lost = context.WithCancel(c.ctx)
	c.session.Unlock()
	c.queue.put(event{name: "RegisterBrokerAndReelect", anyway: true, run: func() error {
		c.generation.Store(generation)
		c.zk = c.options.ZK.Within(generation)
		return c.registerAndStand()
	}})
}

func (c *Controller) registerAndStand() error {
	if c.options.Register != nil {
		if err := c.options.Register(c.eventCtx); err != nil {
			if errors.Is(err, zkcoord.ErrSessionExpired) || errors.Is(err, context.Canceled) {
				return nil // the next session begins anew
			}
			c.log.Errorf("Registering broker %d in the new ZooKeeper session, trying again: %v", c.options.ID, err)
			c.later(time.Second, event{name: "RegisterBrokerAndReelect", anyway: true, generation: c.generation.Load(), run: c.registerAndStand})
			return nil
		}
	}
	return c.stand()
}

// later queues an event after a while.
func (c *Controller) later(d time.Duration, e event) {
	c.wg.Go(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			c.queue.put(e)
		case <-c.done:
			if e.drop != nil {
				e.drop()
			}
		}
	})
}

// run handles events until Close.
func (c *Controller) run() {
	defer func() {
		c.resign("this broker is stopping")
		c.election.Stop()
		c.metrics.unregister()
	}()
	for {
		e, ok := c.queue.take()
		if !ok {
			return
		}
		c.handle(e)
	}
}

// handle runs one event, unless it is of another session or this broker is not the controller.
func (c *Controller) handle(e event) {
	stale := e.generation != 0 && e.generation != c.generation.Load()
	if stale || !e.anyway && (c.state == nil || !c.awaitLease()) {
		if e.drop != nil {
			e.drop()
		}
		return
	}
	c.session.Lock()
	session := c.session.ctx
	c.session.Unlock()
	ctx, cancel := context.WithTimeout(session, c.patience())
	defer cancel()
	c.eventCtx = ctx
	started := time.Now()
	err := e.run()
	c.tellNews()
	if err == nil && c.state != nil {
		c.checkWaiters()
		if c.queue.len() == 0 { // in a burst of events it is enough to count after the last
			c.metrics.note(c.state)
		}
	}
	c.metrics.observe(e.name, time.Since(started))
	switch {
	case err == nil:
		return
	case errors.Is(err, zkcoord.ErrControllerMoved):
		c.resign("another broker was elected")
		if err := c.stand(); err != nil {
			c.log.Error(err)
		}
	case errors.Is(err, zkcoord.ErrSessionExpired), errors.Is(err, zkcoord.ErrClosed), session.Err() != nil:
		// Expire or Close comes next.
	case errors.Is(err, context.DeadlineExceeded) && c.state != nil:
		// Half of something is done, and nobody knows which half: begin anew from what ZooKeeper has.
		c.log.Errorf("Controller: %s did not end within %v: %v", e.name, c.patience(), err)
		c.startOver()
	default:
		c.log.Errorf("Controller: %s: %v", e.name, err)
		if c.state == nil {
			c.later(time.Second, event{name: "Reelect", anyway: true, generation: c.generation.Load(), run: c.controllerChanged})
		}
	}
	if e.drop != nil {
		e.drop()
	}
}

// patience bounds the ZooKeeper calls of one event: two session timeouts, since an outage shorter than
// that is common and one that is longer means that nothing can be decided anyway.
func (c *Controller) patience() time.Duration {
	return max(2*c.options.ZK.SessionTimeout(), 10*time.Second)
}

// awaitLease waits until the session is confirmed: a process that was frozen must not act on what it
// believed before. False when the session is over.
func (c *Controller) awaitLease() bool {
	for !c.zk.LeaseHolds() {
		if c.options.ZK.Generation() != c.generation.Load() {
			return false
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-timer.C:
		case <-c.done:
			timer.Stop()
			return false
		}
		if c.queue.startsWith("Expire") {
			return false
		}
	}
	return true
}

// put queues an event of the controller's own session.
func (c *Controller) put(name string, run func() error, drop func()) {
	c.queue.put(event{name: name, generation: c.generation.Load(), run: run, drop: drop})
}

// watch keeps an interest in ZooKeeper until the resignation.
func (c *Controller) watch(w *zkcoord.Watch) { c.watches = append(c.watches, w) }

// changed is a watch function that queues an event.
func (c *Controller) changed(name string, run func() error) func() {
	generation := c.generation.Load()
	return func() { c.queue.put(event{name: name, generation: generation, run: run}) }
}

// controllerChanged looks who is the controller now.
func (c *Controller) controllerChanged() error {
	if c.zk == nil {
		return nil
	}
	id, err := c.zk.Controller(c.eventCtx)
	if err != nil {
		return err
	}
	if c.state != nil && id != c.options.ID {
		c.resign("/controller is gone, or another broker's")
	}
	if id == cluster.NoBroker || id == c.options.ID {
		return c.stand()
	}
	return nil
}

// stand stands for election, and takes over if it wins.
func (c *Controller) stand() error {
	if c.state != nil {
		return nil
	}
	id, err := c.zk.Controller(c.eventCtx)
	if err != nil {
		return err
	}
	if id == c.options.ID {
		dropped, err := c.zk.DropClaim(c.eventCtx)
		if dropped {
			c.log.Warn("Controller: an election of ours that we never heard of is given up")
		}
		return err // the watch on /controller tells what comes of it
	}
	if id != cluster.NoBroker {
		c.log.Debugf("Broker %d is the controller", id)
		return nil
	}
	reign, err := c.zk.ElectController(c.eventCtx, c.options.ID)
	if errors.Is(err, zkcoord.ErrLost) {
		return nil // the watch on /controller tells when there is another chance
	}
	if err != nil {
		return err
	}
	c.reign = reign
	c.seenEpoch.Store(reign.Epoch)
	started := time.Now()
	err = c.takeOver()
	switch {
	case errors.Is(err, zkcoord.ErrControllerMoved), errors.Is(err, zkcoord.ErrSessionExpired), errors.Is(err, zkcoord.ErrClosed), errors.Is(err, context.Canceled):
		// Nothing is wrong: one reign was over before it had begun, and the next one begins from what ZooKeeper has.
		c.log.Infof("Broker %d was elected as controller, epoch %d, and the reign ended before it had taken over: %v", c.options.ID, reign.Epoch, err)
		c.resign("it could not take over")
		return nil
	case err != nil:
		c.log.Errorf("Taking over as controller, epoch %d: %v", reign.Epoch, err)
		c.startOver()
		return nil
	}
	c.log.Infof("Broker %d is the controller, epoch %d: %d brokers, %d topics, taken over in %v",
		c.options.ID, reign.Epoch, len(c.state.brokers), len(c.state.topics), time.Since(started).Round(time.Millisecond))
	return nil
}

// startOver gives the office back, so that the next controller, perhaps this one, begins from ZooKeeper.
func (c *Controller) startOver() {
	reign := c.reign
	c.resign("it has to begin anew")
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	if err := c.zk.Abdicate(ctx, reign); err != nil {
		c.log.Warnf("Controller: %v", err)
	}
	c.later(time.Second, event{name: "Reelect", anyway: true, generation: c.generation.Load(), run: c.controllerChanged})
}

// resign forgets everything that only a controller knows. It calls nobody.
func (c *Controller) resign(why string) {
	for _, w := range c.watches {
		w.Stop()
	}
	c.watches = nil
	if c.rebalance != nil {
		c.rebalance.Stop()
		c.rebalance = nil
	}
	if c.state == nil {
		return
	}
	c.log.Infof("Broker %d is no longer the controller of epoch %d: %s", c.options.ID, c.reign.Epoch, why)
	for _, t := range c.state.topics {
		t.watch.Stop()
	}
	for _, b := range c.state.brokers {
		b.watch.Stop()
		b.channel.close()
	}
	for _, w := range c.topicWatches {
		w.Stop()
	}
	c.state, c.topicWatches, c.toolsRequest = nil, nil, nil
	c.pending = newBatch()
	c.active.Store(false)
	c.metrics.forget()
	c.checkWaiters()
}

// flush sends what the steps so far have to tell the brokers.
func (c *Controller) flush() {
	b := c.pending
	c.pending = newBatch()
	from := sender{c.options.ID, c.reign.Epoch, c.options.Listener, c.options.Protocol}
	for _, id := range c.state.brokerIDs() {
		broker := c.state.brokers[id]
		for _, req := range b.requests(c.state, from, id) {
			broker.channel.send(outgoing{req, c.answerOf(broker.Broker, req)})
		}
	}
}

// answerOf is what to do with the answer to a request: nothing on the channel's goroutine.
func (c *Controller) answerOf(b cluster.Broker, req kmsg.Request) func(kmsg.Response) {
	generation, reign := c.generation.Load(), c.reign
	later := func(name string, run func() error) {
		c.queue.put(event{name: name, generation: generation, run: func() error {
			if live := c.state.brokers[b.ID]; reign != c.reign || live == nil || live.Epoch != b.Epoch {
				return nil // of another reign, or of a life that is over
			}
			return run()
		}})
	}
	return func(resp kmsg.Response) {
		switch resp := resp.(type) {
		case *kmsg.LeaderAndISRResponse:
			later("LeaderAndIsrResponseReceived", func() error { return c.leaderAndISRAnswered(b.ID, resp) })
		case *kmsg.StopReplicaResponse:
			stop := req.(stopReplica)
			later("StopReplicaResponseReceived", func() error { return c.stopReplicaAnswered(b.ID, stop.StopReplicaRequest, resp) })
		case *kmsg.UpdateMetadataResponse:
			if resp.ErrorCode != 0 {
				c.log.Warnf("Broker %d answered UpdateMetadata with error %d", b.ID, resp.ErrorCode)
			}
		}
	}
}
