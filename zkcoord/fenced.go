package zkcoord

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Reign is a controller's term: the epoch that its requests carry, and the version of /controller_epoch
// that its writes check.
type Reign struct {
	Epoch   int32
	Version int32
}

// A multi of ours stays well below what a server takes, and short enough that others get their turn.
const (
	maxBatchOps   = 500
	maxBatchBytes = 512 << 10
)

// groupResult is what became of operations that stand or fall together. err is nil when they stand.
type groupResult struct {
	versions []int32 // the nodes' versions, as far as the server tells or they follow from the write
	failed   op
	err      error
}

// fenced carries out groups of operations as the controller of reign: each group entirely or not at all,
// many to a multi, in no particular order among each other.
//
// Invariant ControllerFenced: every multi begins with a check of /controller_epoch, so a controller that
// was replaced while it slept changes nothing. Only a failure of that check means that somebody else
// reigns. Any other failing operation takes just its own group out, and the rest goes again: one bad
// znode must not hold up a fail-over of thousands. TestFencedWrites breaks without either half.
func (c *Client) fenced(ctx context.Context, reign Reign, groups [][]op) ([]groupResult, error) {
	results := make([]groupResult, len(groups))
	batches := intoBatches(groups)
	err := c.parallel(ctx, len(batches), func(ctx context.Context, i int) error {
		return c.fencedBatch(ctx, reign, groups, batches[i], results)
	})
	return results, err
}

// intoBatches cuts the groups, by index, into lists that fit a multi each.
func intoBatches(groups [][]op) [][]int {
	var batches [][]int
	var batch []int
	ops, size := 0, 0
	for i, group := range groups {
		groupSize := 0
		for _, o := range group {
			groupSize += o.size()
		}
		if len(batch) > 0 && (ops+len(group) > maxBatchOps || size+groupSize > maxBatchBytes) {
			batches = append(batches, batch)
			batch, ops, size = nil, 0, 0
		}
		batch = append(batch, i)
		ops += len(group)
		size += groupSize
	}
	if len(batch) > 0 {
		batches = append(batches, batch)
	}
	return batches
}

func (c *Client) fencedBatch(ctx context.Context, reign Reign, groups [][]op, batch []int, results []groupResult) error {
	for len(batch) > 0 {
		ops := []op{checkOp(controllerEpochPath, reign.Version)}
		var owner []int // of each operation but the first: its place in batch
		for place, i := range batch {
			for _, o := range groups[i] {
				ops = append(ops, o)
				owner = append(owner, place)
			}
		}
		done, err := c.multi(ctx, ops...)
		var refused *multiError
		switch {
		case err == nil:
			next := 1
			for _, i := range batch {
				results[i] = stood(groups[i], done[next:next+len(groups[i])])
				next += len(groups[i])
			}
			return nil
		case !errors.As(err, &refused):
			return err
		case refused.failed == 0:
			return fmt.Errorf("%w: %w", ErrControllerMoved, err)
		case refused.attempt > 0:
			// The answer to an earlier try was lost, and it may have succeeded: see what stands.
			if batch, err = c.whatIsMissing(ctx, groups, batch, owner[refused.failed-1], refused, results); err != nil {
				return err
			}
		default:
			place := owner[refused.failed-1]
			results[batch[place]] = groupResult{failed: refused.op, err: refused.err}
			batch = append(batch[:place:place], batch[place+1:]...)
		}
	}
	return nil
}

// stood turns the server's answers into versions.
func stood(group []op, done []opResult) groupResult {
	r := groupResult{versions: make([]int32, len(group))}
	for k, o := range group {
		if o.kind == opSet {
			r.versions[k] = done[k].stat.Version
		}
	}
	return r
}

// whatIsMissing reads back every group of a batch whose fate is unknown. Those that stand are done; the
// one that was refused, if it does not stand, has failed; the others are to be sent again.
func (c *Client) whatIsMissing(ctx context.Context, groups [][]op, batch []int, refusedPlace int, refused *multiError, results []groupResult) ([]int, error) {
	var missing []int
	for place, i := range batch {
		result, stands, err := c.readBack(ctx, groups[i])
		switch {
		case err != nil:
			return nil, err
		case stands:
			results[i] = result
		case place == refusedPlace:
			results[i] = groupResult{failed: refused.op, err: refused.err}
		default:
			missing = append(missing, i)
		}
	}
	return missing, nil
}

// readBack reports whether a group's operations have left their mark.
func (c *Client) readBack(ctx context.Context, group []op) (result groupResult, stands bool, err error) {
	result.versions = make([]int32, len(group))
	for k, o := range group {
		n, err := c.read(ctx, o.path)
		gone := errors.Is(err, ErrNoNode)
		if err != nil && !gone {
			return result, false, err
		}
		result.versions[k] = n.stat.Version
		switch {
		case o.kind == opDelete && gone:
		case o.kind == opCreate && !gone && bytes.Equal(n.data, o.data):
		case o.kind == opSet && !gone && bytes.Equal(n.data, o.data) && (o.version == anyVersion || n.stat.Version == o.version+1):
		default:
			return result, false, nil
		}
	}
	return result, true, nil
}
