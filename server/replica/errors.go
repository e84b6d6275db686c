package replica

import (
	"errors"

	"ottla/logdir"
)

// What a request about a partition may be answered, beside the errors of package logdir. server/api knows
// the code of each on the wire.
var (
	// ErrUnknownPartition: neither this broker nor the cluster, as far as it knows, has it
	// (UNKNOWN_TOPIC_OR_PARTITION).
	ErrUnknownPartition = errors.New("unknown topic or partition")
	// ErrNotLeader: another broker leads it, or this one is no replica of it (NOT_LEADER_OR_FOLLOWER).
	ErrNotLeader = errors.New("not the leader or a follower")
	// ErrReplicaNotAvailable: this broker has no log of the partition yet (REPLICA_NOT_AVAILABLE).
	ErrReplicaNotAvailable = errors.New("this broker has no replica of the partition yet")
	// ErrFencedLeaderEpoch: the sender speaks of an earlier reign (FENCED_LEADER_EPOCH).
	ErrFencedLeaderEpoch = errors.New("leader epoch is older than ours")
	// ErrUnknownLeaderEpoch: the sender speaks of a reign of which we have not heard (UNKNOWN_LEADER_EPOCH).
	ErrUnknownLeaderEpoch = errors.New("leader epoch is newer than ours")
	// ErrInvalidTopic: clients do not write to the topics of the coordinators (INVALID_TOPIC_EXCEPTION).
	ErrInvalidTopic = errors.New("topic is reserved for the broker's own records")
	// ErrInvalidRequiredAcks: acks is neither -1, 0 nor 1 (INVALID_REQUIRED_ACKS).
	ErrInvalidRequiredAcks = errors.New("required acks must be -1, 0 or 1")
	// ErrNotEnoughReplicas: the ISR is smaller than min.insync.replicas, nothing was appended
	// (NOT_ENOUGH_REPLICAS).
	ErrNotEnoughReplicas = errors.New("fewer replicas in sync than min.insync.replicas")
	// ErrNotEnoughReplicasAfterAppend: the ISR became too small while the records waited
	// (NOT_ENOUGH_REPLICAS_AFTER_APPEND).
	ErrNotEnoughReplicasAfterAppend = errors.New("appended, then fewer replicas in sync than min.insync.replicas")
	// ErrTimeout: the time of the request was over first (REQUEST_TIMED_OUT).
	ErrTimeout = errors.New("request timed out")
	// ErrOffsetNotAvailable: a new leader does not know the high watermark yet (OFFSET_NOT_AVAILABLE, KIP-207).
	ErrOffsetNotAvailable = errors.New("the leader's high watermark lags behind the start of its epoch")
	// ErrUnsupportedTimestamp: a special timestamp that nobody has defined (UNSUPPORTED_VERSION).
	ErrUnsupportedTimestamp = errors.New("unsupported timestamp")
	// ErrStorage: the disk under the partition failed (KAFKA_STORAGE_ERROR). It is the log's own.
	ErrStorage = logdir.ErrStorage
)
