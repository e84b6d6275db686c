package statetopic

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// AppendCode is what a failed append, or nil, means to a client that knows nothing of the topic: whether it should try again
// here, or look for the coordinator anew. An error that is, or wraps, a *kerr.Error tells Kafka's code of the failure; anything
// else counts as UnknownServerError.
func AppendCode(err error) int16 {
	var known *kerr.Error
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &known):
		return kerr.UnknownServerError.Code
	}
	switch known.Code {
	case kerr.UnknownTopicOrPartition.Code, kerr.NotEnoughReplicas.Code, kerr.NotEnoughReplicasAfterAppend.Code:
		return kerr.CoordinatorNotAvailable.Code
	case kerr.NotLeaderForPartition.Code, kerr.KafkaStorageError.Code:
		return kerr.NotCoordinator.Code
	}
	return known.Code
}
