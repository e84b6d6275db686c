package zkcoord

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"ottla/zkcoord/cluster"
)

// ErrBrokerIDTaken says that another live broker has our number.
var ErrBrokerIDTaken = errors.New("the broker id is taken")

// Registration is what a broker says when it joins.
type Registration struct {
	BrokerInfo
	// PreviousSession is the session id that this data directory recorded the last time, 0 without one. A
	// registration of that session is our own, left over from a crash, and is replaced at once. The caller
	// holds the directory's lock, so nobody else can be alive under that id.
	PreviousSession int64
	// Patience is how long to wait for a stranger's registration to expire; 0 takes a session's timeout and
	// a half, at most 40 s.
	Patience time.Duration
}

// RegisterBroker makes the broker one of the live ones and returns its epoch: the czxid of its ephemeral
// node, which tells this life of the broker from its earlier ones. It creates the node empty and sets its
// data in the same multi, since only the answer to a set carries a Stat.
//
// Where the number is taken by a session that is not known to be our own, it waits until that session
// would have expired, and then fails with ErrBrokerIDTaken.
func (c *Client) RegisterBroker(ctx context.Context, r Registration) (epoch int64, err error) {
	c = c.Within(c.Generation()) // what begins in one session must not end in another
	path := brokerPath(r.ID)
	gone := make(chan struct{}, 1)
	watch := c.watches.add(path, watchNode, func() {
		select {
		case gone <- struct{}{}:
		default:
		}
	})
	defer watch.Stop()
	if r.Patience <= 0 {
		r.Patience = c.patience()
	}
	deadline := time.Now().Add(r.Patience)
	for {
		epoch, err := c.createBroker(ctx, r.BrokerInfo)
		if err == nil {
			return epoch, c.registerTwin(ctx, r.ID, epoch)
		}
		if !errors.Is(err, ErrNodeExists) {
			return 0, err
		}
		n, err := c.get(ctx, path)
		switch owner := n.stat.EphemeralOwner; {
		case errors.Is(err, ErrNoNode):
			continue
		case err != nil:
			return 0, err
		case owner == c.SessionID():
			// Our own first try, whose answer was lost.
			return n.stat.Czxid, c.registerTwin(ctx, r.ID, n.stat.Czxid)
		case owner == r.PreviousSession && owner != 0:
			c.options.Log.Infof("Broker %d: replacing the registration that session 0x%x of this data directory left behind", r.ID, owner)
			if err := c.removeStale(ctx, r.ID, owner, n.stat.Version); err != nil {
				return 0, err
			}
			continue
		case !time.Now().Before(deadline):
			return 0, fmt.Errorf("%w: %s belongs to session 0x%x: %s", ErrBrokerIDTaken, path, owner, n.data)
		default:
			c.options.Log.Warnf("Broker %d: %s still belongs to session 0x%x; waiting up to %v for it to expire",
				r.ID, path, owner, time.Until(deadline).Round(time.Second))
		}
		if err := waitFor(ctx, gone, min(5*time.Second, time.Until(deadline))); err != nil {
			return 0, err
		}
	}
}

// patience is how long a stranger's registration may take to expire: its session timeout, which we take
// to be ours, and what the server needs to notice.
func (c *Client) patience() time.Duration {
	return min(c.SessionTimeout()+c.SessionTimeout()/2+2*time.Second, 40*time.Second)
}

func waitFor(ctx context.Context, event <-chan struct{}, atMost time.Duration) error {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-event:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) createBroker(ctx context.Context, b BrokerInfo) (epoch int64, err error) {
	path := brokerPath(b.ID)
	done, err := c.multi(ctx, createOp(path, nil, ephemeral), setOp(path, encodeBroker(b), 0))
	if err != nil {
		return 0, fmt.Errorf("register broker %d: %w", b.ID, err)
	}
	return done[1].stat.Czxid, nil
}

// removeStale removes what a dead life of this broker has left: its registration and, in the same multi,
// its claim to be the controller, so that nobody sees a controller that is no broker.
func (c *Client) removeStale(ctx context.Context, id cluster.BrokerID, owner int64, version int32) error {
	ops := []op{deleteOp(brokerPath(id), version)}
	n, err := c.read(ctx, controllerPath)
	if err != nil && !errors.Is(err, ErrNoNode) {
		return err
	}
	if err == nil && n.stat.EphemeralOwner == owner {
		ops = append(ops, deleteOp(controllerPath, n.stat.Version))
	}
	if _, err := c.multi(ctx, ops...); err != nil && !errors.Is(err, ErrNoNode) && !errors.Is(err, ErrBadVersion) {
		return err
	}
	return nil
}

// registerTwin marks broker id, in the life that epoch names, as one of Ottla's. Whoever holds
// /brokers/ids/N owns the twin, so a stranger's is a leftover.
func (c *Client) registerTwin(ctx context.Context, id cluster.BrokerID, epoch int64) error {
	path := twinPath(id)
	for {
		_, err := c.create(ctx, path, encodeTwin(epoch), ephemeral)
		if errors.Is(err, ErrNoNode) {
			if err := c.ensure(ctx, twinsPath, nil); err != nil {
				return err
			}
			continue
		}
		if !errors.Is(err, ErrNodeExists) {
			return err
		}
		if err := c.remove(ctx, path, anyVersion); err != nil && !errors.Is(err, ErrNoNode) {
			return err
		}
	}
}

// UnregisterBroker removes this broker's own nodes while the session goes on.
func (c *Client) UnregisterBroker(ctx context.Context, id cluster.BrokerID) error {
	for _, path := range []string{brokerPath(id), twinPath(id)} {
		if err := c.remove(ctx, path, anyVersion); err != nil && !errors.Is(err, ErrNoNode) {
			return err
		}
	}
	return nil
}

// Brokers are the live brokers with their epochs, by number. One whose node cannot be read is reported
// once, and left out.
func (c *Client) Brokers(ctx context.Context) (map[cluster.BrokerID]cluster.Broker, error) {
	ids, err := c.brokerIDs(ctx, brokerIDsPath)
	if err != nil {
		return nil, err
	}
	found := make([]*cluster.Broker, len(ids))
	err = c.parallel(ctx, len(ids), func(ctx context.Context, i int) error {
		b, err := c.Broker(ctx, ids[i])
		switch {
		case err == nil:
			found[i] = &b
		case errors.Is(err, ErrMalformed):
			c.options.Log.Errorf("Broker %d counts as dead: %v", ids[i], err)
		case !errors.Is(err, ErrNoNode):
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	brokers := make(map[cluster.BrokerID]cluster.Broker, len(found))
	for _, b := range found {
		if b != nil {
			brokers[b.ID] = *b
		}
	}
	return brokers, nil
}

// Broker is one live broker with its epoch.
func (c *Client) Broker(ctx context.Context, id cluster.BrokerID) (cluster.Broker, error) {
	n, err := c.get(ctx, brokerPath(id))
	if err != nil {
		return cluster.Broker{}, err
	}
	b, err := decodeBroker(id, n.data)
	b.Epoch = n.stat.Czxid
	return b.Broker, err
}

// KafkaBrokers are the live brokers that are not Ottla's: those without a twin of their epoch. What would
// disturb a mixed cluster is off while there are any.
func (c *Client) KafkaBrokers(ctx context.Context) ([]cluster.BrokerID, error) {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	var others []cluster.BrokerID
	for id, b := range brokers {
		n, err := c.read(ctx, twinPath(id))
		if err != nil && !errors.Is(err, ErrNoNode) {
			return nil, err
		}
		if epoch, malformed := decodeTwin(twinPath(id), n.data); err != nil || malformed != nil || epoch != b.Epoch {
			others = append(others, id)
		}
	}
	slices.Sort(others)
	return others, nil
}

// brokerIDs are the children of path that are numbers, sorted.
func (c *Client) brokerIDs(ctx context.Context, path string) ([]cluster.BrokerID, error) {
	names, err := c.children(ctx, path)
	if err != nil {
		return nil, err
	}
	var ids []cluster.BrokerID
	for _, name := range names {
		if n, err := strconv.ParseInt(name, 10, 32); err == nil && n >= 0 {
			ids = append(ids, cluster.BrokerID(n))
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// NextBrokerID makes up a number for a broker whose broker.id is -1: above reservedMax
// (reserved.broker.max.id), and never the same twice, since it comes from a znode's version.
func (c *Client) NextBrokerID(ctx context.Context, reservedMax int32) (cluster.BrokerID, error) {
	if err := c.ensure(ctx, brokerSequencePath, nil); err != nil {
		return cluster.NoBroker, err
	}
	version, err := c.set(ctx, brokerSequencePath, nil, anyVersion)
	if err != nil {
		return cluster.NoBroker, err
	}
	return cluster.BrokerID(reservedMax + version), nil
}
