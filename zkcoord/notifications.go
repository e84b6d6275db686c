package zkcoord

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ottla/zkcoord/cluster"
)

// notification is a sequential node that tells of something: its name, and what it says.
type notification struct {
	name string
	node
}

// notifications reads the children of path that begin with prefix, in the order in which they were made.
func (c *Client) notifications(ctx context.Context, path, prefix string) ([]notification, error) {
	names, err := c.children(ctx, path)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	slices.Sort(names) // ten digits each
	found := make([]notification, len(names))
	err = c.parallel(ctx, len(names), func(ctx context.Context, i int) error {
		n, err := c.read(ctx, path+"/"+names[i])
		if errors.Is(err, ErrNoNode) {
			return nil
		}
		found[i] = notification{names[i], n}
		return err
	})
	return slices.DeleteFunc(found, func(n notification) bool { return n.name == "" }), err
}

// ISRChanges are the partitions whose leaders wrote their state themselves, and the notifications that
// said so, for ForgetISRChanges. A malformed one is logged, and forgotten like the others.
func (c *Client) ISRChanges(ctx context.Context) (tps []cluster.TopicPartition, names []string, err error) {
	found, err := c.notifications(ctx, isrChangesPath, isrChangePrefix)
	for _, n := range found {
		names = append(names, n.name)
		changed, err := decodePartitions(isrChangesPath+"/"+n.name, n.data)
		if err != nil {
			c.options.Log.Error(err)
		}
		tps = append(tps, changed...)
	}
	return tps, names, err
}

// NotifyISRChanges tells the controller that this leader wrote these partitions' states itself, as leaders
// of clusters older than 2.7 do.
func (c *Client) NotifyISRChanges(ctx context.Context, tps []cluster.TopicPartition) error {
	_, err := c.create(ctx, isrChangesPath+"/"+isrChangePrefix, encodePartitions(tps), persistent|sequential)
	return err
}

// ForgetISRChanges removes notifications that have been dealt with.
func (c *Client) ForgetISRChanges(ctx context.Context, reign Reign, names []string) error {
	return c.forget(ctx, reign, isrChangesPath, names)
}

// LogDirEvents are the brokers that lost a log directory, and the notifications that said so.
func (c *Client) LogDirEvents(ctx context.Context) (brokers []cluster.BrokerID, names []string, err error) {
	found, err := c.notifications(ctx, logDirEventsPath, logDirEventPrefix)
	for _, n := range found {
		names = append(names, n.name)
		id, err := decodeLogDirEvent(logDirEventsPath+"/"+n.name, n.data)
		if err != nil {
			c.options.Log.Error(err)
			continue
		}
		brokers = append(brokers, id)
	}
	return brokers, names, err
}

// NotifyLogDirFailure tells the controller that a log directory of the broker failed.
func (c *Client) NotifyLogDirFailure(ctx context.Context, id cluster.BrokerID) error {
	_, err := c.create(ctx, logDirEventsPath+"/"+logDirEventPrefix, encodeLogDirEvent(id), persistent|sequential)
	return err
}

// ForgetLogDirEvents removes notifications that have been dealt with.
func (c *Client) ForgetLogDirEvents(ctx context.Context, reign Reign, names []string) error {
	return c.forget(ctx, reign, logDirEventsPath, names)
}

func (c *Client) forget(ctx context.Context, reign Reign, path string, names []string) error {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = path + "/" + name
	}
	return c.removeFenced(ctx, reign, paths)
}

// PreferredElection is what a tool wrote to ask for an election of preferred leaders; none is empty.
func (c *Client) PreferredElection(ctx context.Context) ([]cluster.TopicPartition, error) {
	n, err := c.get(ctx, preferredPath)
	if errors.Is(err, ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodePartitions(preferredPath, n.data)
}

// ForgetPreferredElection removes the request when it has been served.
func (c *Client) ForgetPreferredElection(ctx context.Context, reign Reign) error {
	return c.removeFenced(ctx, reign, []string{preferredPath})
}

// Reassignment is what a tool wrote to move replicas: the target of each partition; none is empty.
func (c *Client) Reassignment(ctx context.Context) (map[cluster.TopicPartition][]cluster.BrokerID, error) {
	n, err := c.get(ctx, reassignPath)
	if errors.Is(err, ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeReassignment(n.data)
}

// WriteReassignment keeps what is left to be done of a tool's request, or removes it when that is nothing.
func (c *Client) WriteReassignment(ctx context.Context, reign Reign, left map[cluster.TopicPartition][]cluster.BrokerID) error {
	if len(left) == 0 {
		return c.removeFenced(ctx, reign, []string{reassignPath})
	}
	done, err := c.fenced(ctx, reign, [][]op{{setOp(reassignPath, encodeReassignment(left), anyVersion)}})
	if err == nil && done[0].err != nil && !errors.Is(done[0].err, ErrNoNode) {
		err = fmt.Errorf("set %s: %w", reassignPath, done[0].err)
	}
	return err
}
