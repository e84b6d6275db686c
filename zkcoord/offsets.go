package zkcoord

import (
	"context"
	"errors"

	"ottla/zkcoord/cluster"
)

// ConsumerOffset is what OffsetCommit v0 has stored, or found=false.
func (c *Client) ConsumerOffset(ctx context.Context, group string, tp cluster.TopicPartition) (offset int64, found bool, err error) {
	path := consumerOffsetPath(group, tp)
	n, err := c.read(ctx, path)
	if errors.Is(err, ErrNoNode) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	offset, err = decodeNumber(path, n.data, 64)
	return offset, err == nil, err
}

// SetConsumerOffset stores an offset, as OffsetCommit v0 does.
func (c *Client) SetConsumerOffset(ctx context.Context, group string, tp cluster.TopicPartition, offset int64) error {
	path, data := consumerOffsetPath(group, tp), encodeNumber(offset)
	for {
		_, err := c.set(ctx, path, data, anyVersion)
		if !errors.Is(err, ErrNoNode) {
			return err
		}
		// The node is created with the data; if another was faster, set it after all.
		if err := c.ensure(ctx, path[:lastSlash(path)], nil); err != nil {
			return err
		}
		_, err = c.create(ctx, path, data, persistent)
		if !errors.Is(err, ErrNodeExists) {
			return err
		}
	}
}
