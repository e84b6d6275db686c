package zkcoord

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"ottla/zkcoord/cluster"
)

// StateResult is a partition's state, or why it could not be read or written.
type StateResult struct {
	cluster.LeaderAndISR
	Err error
}

// States reads many partitions' states at once. One that is absent or malformed has its own error.
func (c *Client) States(ctx context.Context, tps []cluster.TopicPartition) (map[cluster.TopicPartition]StateResult, error) {
	results := make([]StateResult, len(tps))
	err := c.parallel(ctx, len(tps), func(ctx context.Context, i int) error {
		n, err := c.get(ctx, statePath(tps[i]))
		if err == nil {
			results[i].LeaderAndISR, err = decodeState(tps[i], n.data, n.stat.Version)
		}
		results[i].Err = err
		return unlessOwn(err)
	})
	if err != nil {
		return nil, err
	}
	m := make(map[cluster.TopicPartition]StateResult, len(tps))
	for i, tp := range tps {
		m[tp] = results[i]
	}
	return m, nil
}

// WriteStates writes partitions' states as the controller of reign, each conditional on its
// PartitionEpoch. The results hold the states as they stand now.
func (c *Client) WriteStates(ctx context.Context, reign Reign, states map[cluster.TopicPartition]cluster.LeaderAndISR) (map[cluster.TopicPartition]StateResult, error) {
	tps := sortedPartitions(states)
	groups := make([][]op, len(tps))
	for i, tp := range tps {
		s := states[tp]
		s.ControllerEpoch = reign.Epoch
		groups[i] = []op{setOp(statePath(tp), encodeState(s), s.PartitionEpoch)}
	}
	done, err := c.fenced(ctx, reign, groups)
	if err != nil {
		return nil, err
	}
	results := make(map[cluster.TopicPartition]StateResult, len(tps))
	for i, tp := range tps {
		r := StateResult{LeaderAndISR: states[tp], Err: done[i].err}
		r.ControllerEpoch = reign.Epoch
		if r.Err == nil {
			r.PartitionEpoch = done[i].versions[0]
		}
		results[tp] = r
	}
	return results, nil
}

// WriteStateAsLeader writes a partition's state as its leader does in clusters whose protocol is older than 2.7-IV2: fenced
// by the partition epoch alone, which it returns anew. ErrBadVersion: somebody else has written it, or it is gone.
//
// A state that stands there exactly as we want it is an earlier attempt of ours, whose answer was lost: a controller's
// write would have raised the leader epoch [ReplicationUtils.checkLeaderAndIsrZkData].
func (c *Client) WriteStateAsLeader(ctx context.Context, tp cluster.TopicPartition, want cluster.LeaderAndISR) (partitionEpoch int32, err error) {
	path, data := statePath(tp), encodeState(want)
	partitionEpoch, err = c.set(ctx, path, data, want.PartitionEpoch)
	switch {
	case errors.Is(err, ErrNoNode):
		return 0, fmt.Errorf("%w: %w", ErrBadVersion, err)
	case !errors.Is(err, ErrBadVersion):
		return partitionEpoch, err
	}
	n, readErr := c.read(ctx, path)
	if readErr == nil && bytes.Equal(n.data, data) {
		return n.stat.Version, nil
	}
	return 0, err
}

// CreateStates writes the first states of partitions, and the nodes above them. ErrNodeExists: the
// partition has a state already.
func (c *Client) CreateStates(ctx context.Context, reign Reign, states map[cluster.TopicPartition]cluster.LeaderAndISR) (map[cluster.TopicPartition]StateResult, error) {
	tps := sortedPartitions(states)
	if err := c.createParents(ctx, reign, tps); err != nil {
		return nil, err
	}
	results := make(map[cluster.TopicPartition]StateResult, len(tps))
	// A controller that died in between may have left the partition's node without a state: those go
	// again with the state alone.
	for withNode := true; len(tps) > 0; withNode = false {
		groups := make([][]op, len(tps))
		for i, tp := range tps {
			s := states[tp]
			s.ControllerEpoch = reign.Epoch
			if withNode {
				groups[i] = append(groups[i], createOp(partitionPath(tp), nil, persistent))
			}
			groups[i] = append(groups[i], createOp(statePath(tp), encodeState(s), persistent))
		}
		done, err := c.fenced(ctx, reign, groups)
		if err != nil {
			return nil, err
		}
		var again []cluster.TopicPartition
		for i, tp := range tps {
			if withNode && errors.Is(done[i].err, ErrNodeExists) && done[i].failed.path == partitionPath(tp) {
				again = append(again, tp)
				continue
			}
			r := StateResult{LeaderAndISR: states[tp], Err: done[i].err}
			r.ControllerEpoch, r.PartitionEpoch = reign.Epoch, 0
			results[tp] = r
		}
		tps = again
	}
	return results, nil
}

// createParents makes /brokers/topics/T/partitions for every topic.
func (c *Client) createParents(ctx context.Context, reign Reign, tps []cluster.TopicPartition) error {
	var groups [][]op
	last := ""
	for _, tp := range tps {
		if tp.Topic != last {
			groups = append(groups, []op{createOp(partitionsPath(tp.Topic), nil, persistent)})
			last = tp.Topic
		}
	}
	// A topic that is gone fails again below, with its partitions.
	_, err := c.fenced(ctx, reign, groups)
	return err
}
