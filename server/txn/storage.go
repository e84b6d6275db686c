package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/statetopic"
	"ottla/zkcoord/cluster"
)

// Storage is the topic __transaction_state as the coordinator needs it.
//
// An error that is, or wraps, a *kerr.Error tells Kafka's code of the failure; anything else counts as
// UnknownServerError.
type Storage interface {
	// Append writes one batch with base offset 0 to a partition, with acks=all and within the timeout, if this broker
	// has led it without a break since that epoch. It calls done once, maybe before it returns. The batch belongs to Append
	// until then. No lock is held.
	Append(partition, epoch int32, batch []byte, timeout time.Duration, done func(error))
	statetopic.Log
}

// Leaders are the brokers that lead partitions.
type Leaders interface {
	// Leader is who leads a partition, cluster.NoBroker if nobody that lives does. exists is false for a partition that
	// was deleted.
	Leader(tp cluster.TopicPartition) (leader cluster.BrokerID, exists bool)
	// WriteMarkers sends markers to a broker and calls done once, from any goroutine, maybe before it returns: with the
	// answer, or an error if there is none.
	WriteMarkers(to cluster.BrokerID, req *kmsg.WriteTxnMarkersRequest, done func(*kmsg.WriteTxnMarkersResponse, error))
}
