package zkcoord

import (
	"context"
	"errors"
	"fmt"
	"math"

	"ottla/zkcoord/cluster"
)

// ProducerIDBlock is how many producer ids a block has.
const ProducerIDBlock = 1000

// NextProducerIDs takes the next block of producer ids for a broker.
func (c *Client) NextProducerIDs(ctx context.Context, broker cluster.BrokerID) (ProducerIDs, error) {
	for {
		n, err := c.read(ctx, producerIDsPath)
		if errors.Is(err, ErrNoNode) {
			if err := c.ensure(ctx, producerIDsPath, nil); err != nil {
				return ProducerIDs{}, err
			}
			continue
		}
		if err != nil {
			return ProducerIDs{}, err
		}
		first := int64(0)
		if len(n.data) > 0 {
			last, err := decodeProducerIDs(n.data)
			if err != nil {
				return ProducerIDs{}, err
			}
			if last.Last > math.MaxInt64-ProducerIDBlock {
				return ProducerIDs{}, fmt.Errorf("producer ids are used up: the last block ends at %d", last.Last)
			}
			first = last.Last + 1
		}
		block := ProducerIDs{Broker: broker, First: first, Last: first + ProducerIDBlock - 1}
		_, err = c.set(ctx, producerIDsPath, encodeProducerIDs(block), n.stat.Version)
		if errors.Is(err, ErrBadVersion) {
			continue // another broker was faster
		}
		return block, err
	}
}
