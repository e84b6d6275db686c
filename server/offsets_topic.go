package server

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir"
	"ottla/server/api"
	"ottla/server/config"
	"ottla/server/replica"
)

// groupsTopic is the topic that keeps offsets and groups.
const groupsTopic = "__consumer_offsets"

// offsetsTopic is __consumer_offsets as the group coordinator needs it: group.Storage on the partitions that
// this broker leads.
type offsetsTopic struct {
	*topicStore
	config *config.Config
}

// Append writes a batch and calls done when as many replicas have it as offsets.commit.required.acks says.
func (t *offsetsTopic) Append(partition int32, batch []byte, done func(baseOffset int64, err error)) {
	t.AppendVerified(partition, uint64(logdir.NoGuard), batch, done)
}

// AppendVerified is Append for a batch of a transaction, which goes in only while its guard holds.
func (t *offsetsTopic) AppendVerified(partition int32, guard uint64, batch []byte, done func(baseOffset int64, err error)) {
	entries := []replica.AppendEntry{{TopicPartition: t.partition(partition), Records: batch, Guard: logdir.Guard(guard)}}
	t.replicas.Append(t.config.OffsetsCommitRequiredAcks, t.config.OffsetsCommitTimeout, logdir.OriginCoordinator, batchVersion, entries, nil,
		func(entries []replica.AppendEntry) {
			e := entries[0]
			done(e.Result.FirstOffset, onTheWire(e.Err))
		})
}

// onTheWire joins Kafka's code to an error, by which the coordinator tells them apart.
func onTheWire(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", kerr.ErrorForCode(api.Code(err)), err)
}
