package zkcoord

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ottla/zkcoord/cluster"
)

// Topics are the names of all topics, sorted.
func (c *Client) Topics(ctx context.Context) ([]string, error) {
	names, err := c.children(ctx, topicsPath)
	slices.Sort(names)
	return names, err
}

// Topic is a topic's assignment; ErrNoNode without such a topic.
func (c *Client) Topic(ctx context.Context, topic string) (TopicAssignment, error) {
	n, err := c.get(ctx, topicPath(topic))
	if err != nil {
		return TopicAssignment{}, err
	}
	a, err := decodeTopic(topic, n.data)
	a.Version = n.stat.Version
	return a, err
}

// AssignmentResult is a topic's assignment, or why it could not be read.
type AssignmentResult struct {
	TopicAssignment
	Err error
}

// Assignments reads many topics at once. A topic that is gone or malformed has its own error.
func (c *Client) Assignments(ctx context.Context, topics []string) (map[string]AssignmentResult, error) {
	results := make([]AssignmentResult, len(topics))
	err := c.parallel(ctx, len(topics), func(ctx context.Context, i int) error {
		a, err := c.Topic(ctx, topics[i])
		results[i] = AssignmentResult{a, err}
		return unlessOwn(err)
	})
	if err != nil {
		return nil, err
	}
	m := make(map[string]AssignmentResult, len(topics))
	for i, topic := range topics {
		m[topic] = results[i]
	}
	return m, nil
}

// unlessOwn drops the errors that concern one znode only.
func unlessOwn(err error) error {
	if errors.Is(err, ErrNoNode) || errors.Is(err, ErrMalformed) {
		return nil
	}
	return err
}

// NewTopicID makes up a topic id, as Kafka does: random, and not starting with a dash.
func NewTopicID() cluster.TopicID {
	for {
		var id cluster.TopicID
		rand.Read(id[:])
		if !strings.HasPrefix(id.String(), "-") {
			return id
		}
	}
}

// CreateTopic writes a new topic: its settings first, so that whoever sees the topic sees them, too. The
// controller does the rest. Any broker may do this; it is not fenced. ErrNodeExists: it is there already.
func (c *Client) CreateTopic(ctx context.Context, topic string, replicas [][]cluster.BrokerID, config map[string]string, id cluster.TopicID) error {
	a := TopicAssignment{ID: id, Partitions: make(map[int32]ReplicaAssignment, len(replicas))}
	for p, r := range replicas {
		a.Partitions[int32(p)] = ReplicaAssignment{Replicas: r}
	}
	data := encodeTopic(a)
	if len(data) > maxRequestBytes {
		return fmt.Errorf("create topic %s with %d partitions: %w", topic, len(replicas), ErrTooLarge)
	}
	switch _, err := c.read(ctx, topicPath(topic)); {
	case err == nil:
		return fmt.Errorf("create topic %s: %w", topic, ErrNodeExists)
	case !errors.Is(err, ErrNoNode):
		return err
	}
	if err := c.writeConfig(ctx, TopicConfig, topic, config); err != nil {
		return err
	}
	_, err := c.create(ctx, topicPath(topic), data, persistent)
	return err
}

// AddPartitions writes a topic's larger assignment; it fails with ErrBadVersion when the topic has
// changed since a was read. The controller does the rest.
func (c *Client) AddPartitions(ctx context.Context, topic string, a TopicAssignment) error {
	_, err := c.set(ctx, topicPath(topic), encodeTopic(a), a.Version)
	return err
}

// WriteAssignments writes topics' assignments as the controller of reign, conditional on their versions.
// The results hold each topic's new version.
func (c *Client) WriteAssignments(ctx context.Context, reign Reign, topics map[string]TopicAssignment) (map[string]AssignmentResult, error) {
	names := slices.Sorted(maps.Keys(topics))
	groups := make([][]op, len(names))
	for i, name := range names {
		groups[i] = []op{setOp(topicPath(name), encodeTopic(topics[name]), topics[name].Version)}
	}
	done, err := c.fenced(ctx, reign, groups)
	if err != nil {
		return nil, err
	}
	results := make(map[string]AssignmentResult, len(names))
	for i, name := range names {
		r := AssignmentResult{TopicAssignment: topics[name], Err: done[i].err}
		if r.Err == nil {
			r.Version = done[i].versions[0]
		}
		results[name] = r
	}
	return results, nil
}

// RequestDeletion asks the controller to delete a topic. ErrNodeExists: it has been asked before.
func (c *Client) RequestDeletion(ctx context.Context, topic string) error {
	_, err := c.create(ctx, deleteTopicPath(topic), nil, persistent)
	return err
}

// Deletions are the topics that are to be deleted, sorted.
func (c *Client) Deletions(ctx context.Context) ([]string, error) {
	names, err := c.children(ctx, deleteTopicsPath)
	slices.Sort(names)
	return names, err
}

// ForgetDeletions removes requests to delete topics that do not exist.
func (c *Client) ForgetDeletions(ctx context.Context, reign Reign, topics []string) error {
	var paths []string
	for _, topic := range topics {
		paths = append(paths, deleteTopicPath(topic))
	}
	return c.removeFenced(ctx, reign, paths)
}

// DeleteTopic removes a topic's nodes when all its replicas are gone: states, partitions, the topic, its
// settings, and at last the request. A controller that dies in between leaves the request to the next.
func (c *Client) DeleteTopic(ctx context.Context, reign Reign, topic string) error {
	partitions, err := c.children(ctx, partitionsPath(topic))
	if err != nil && !errors.Is(err, ErrNoNode) {
		return err
	}
	slices.Sort(partitions)
	var states, nodes []string
	for _, p := range partitions {
		node := partitionsPath(topic) + "/" + p
		states, nodes = append(states, node+"/state"), append(nodes, node)
	}
	for _, paths := range [][]string{
		states, nodes, {partitionsPath(topic)}, {topicPath(topic)}, {configNode(TopicConfig, topic)}, {deleteTopicPath(topic)},
	} {
		if err := c.removeFenced(ctx, reign, paths); err != nil {
			return fmt.Errorf("delete topic %s: %w", topic, err)
		}
	}
	return nil
}

// removeFenced deletes nodes as the controller of reign; one that is gone already is fine.
func (c *Client) removeFenced(ctx context.Context, reign Reign, paths []string) error {
	groups := make([][]op, len(paths))
	for i, path := range paths {
		groups[i] = []op{deleteOp(path, anyVersion)}
	}
	done, err := c.fenced(ctx, reign, groups)
	if err != nil {
		return err
	}
	for i, r := range done {
		if r.err != nil && !errors.Is(r.err, ErrNoNode) {
			return fmt.Errorf("delete %s: %w", paths[i], r.err)
		}
	}
	return nil
}
