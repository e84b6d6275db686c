package api

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/server/config"
	"ottla/server/group"
	"ottla/server/metadata"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// Options are the broker's parts that the handlers call, and the settings that they obey.
type Options struct {
	// ID is this broker's number, ClusterID the cluster's.
	ID        cluster.BrokerID
	ClusterID string

	Config       *config.Live
	Metadata     *metadata.Cache
	Replicas     Replicas
	Groups       Groups
	Transactions Transactions
	// VerifyTransaction asks the coordinator of a transaction, here or elsewhere, whether partitions belong to it.
	VerifyTransaction VerifyTransaction
	Controller        Controller
	Offsets           OffsetStore
	// FeatureEpoch is the epoch of the finalized features, -1 where there can be none. Nil: 0, that of a new cluster.
	FeatureEpoch func() int64

	AdminParts

	Log logrus.FieldLogger
}

// Replicas are the partitions that this broker hosts: server/replica's Manager.
type Replicas interface {
	// Append writes each entry's records as the partition's leader and fills in its result. appended, if not
	// nil, is called once when no entry's records are needed any more; done once, after it, perhaps before
	// Append returns.
	Append(acks int16, timeout time.Duration, origin logdir.Origin, version int16, entries []replica.AppendEntry,
		appended func(), done func([]replica.AppendEntry))
	// Fetch reads each partition, waits until there is enough, and calls done once. Who gets the results
	// releases their data.
	Fetch(p replica.FetchParams, parts []replica.FetchPartition, done func([]replica.FetchPartition))
	// ListOffset answers for one partition of ListOffsets, ListOffsetsV0 for one of its version 0.
	ListOffset(tp cluster.TopicPartition, currentLeaderEpoch int32, timestamp int64, isolation int8, replica cluster.BrokerID) (
		offset, foundTimestamp int64, epoch int32, err error)
	ListOffsetsV0(tp cluster.TopicPartition, timestamp int64, limit int, replica cluster.BrokerID) ([]int64, error)
	EpochEndOffset(tp cluster.TopicPartition, currentLeaderEpoch, epoch int32) (foundEpoch int32, end int64, err error)
	// DeleteRecords calls done once, when all live replicas have deleted or the time is over.
	DeleteRecords(timeout time.Duration, deletions []replica.RecordDeletion, done func([]replica.RecordDeletion))
	// AlterLogDir begins to move a partition's log to another directory of this broker.
	AlterLogDir(tp cluster.TopicPartition, dir string) error
	// Partition finds a partition that this broker hosts.
	Partition(tp cluster.TopicPartition) (*replica.Partition, error)
	DescribeProducers(tp cluster.TopicPartition) ([]logdir.ProducerState, error)
	// The controller's requests. onLeadership is called before LeaderAndISR returns.
	LeaderAndISR(req *kmsg.LeaderAndISRRequest, onLeadership func(leads, follows []replica.Leadership)) *kmsg.LeaderAndISRResponse
	StopReplica(req *kmsg.StopReplicaRequest) *kmsg.StopReplicaResponse
	UpdateMetadata(req *kmsg.UpdateMetadataRequest) *kmsg.UpdateMetadataResponse
}

// Groups is the group coordinator. A reply is called exactly once, from any goroutine.
type Groups interface {
	JoinGroup(client group.Client, req *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse))
	SyncGroup(req *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse))
	Heartbeat(req *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse))
	LeaveGroup(req *kmsg.LeaveGroupRequest, reply func(*kmsg.LeaveGroupResponse))
	OffsetCommit(req *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse))
	OffsetFetch(req *kmsg.OffsetFetchRequest, reply func(*kmsg.OffsetFetchResponse))
	OffsetDelete(req *kmsg.OffsetDeleteRequest, reply func(*kmsg.OffsetDeleteResponse))
	DescribeGroups(req *kmsg.DescribeGroupsRequest, reply func(*kmsg.DescribeGroupsResponse))
	ListGroups(req *kmsg.ListGroupsRequest, reply func(*kmsg.ListGroupsResponse))
	DeleteGroups(req *kmsg.DeleteGroupsRequest, reply func(*kmsg.DeleteGroupsResponse))
	TxnOffsetCommit(req *kmsg.TxnOffsetCommitRequest, verify group.Verify, reply func(*kmsg.TxnOffsetCommitResponse))
	// TransactionEnded tells that a marker was written to a partition of __consumer_offsets.
	TransactionEnded(producerID int64, partition int32, commit bool)
	// PartitionFor is the partition of __consumer_offsets whose leader coordinates the group.
	PartitionFor(group string) int32
	// Elect takes a partition's groups over, Resign gives them up, those of one leader epoch or of any.
	Elect(partition, epoch int32)
	Resign(partition int32, epoch *int32)
}

// OffsetStore is where version 0 of OffsetCommit and OffsetFetch keep offsets: ZooKeeper.
type OffsetStore interface {
	ConsumerOffset(ctx context.Context, group string, tp cluster.TopicPartition) (offset int64, found bool, err error)
	SetConsumerOffset(ctx context.Context, group string, tp cluster.TopicPartition, offset int64) error
}

// Controller is this broker's controller, which may or may not be the active one. Where it is not, it
// answers NOT_CONTROLLER itself. A reply is called exactly once, from any goroutine.
type Controller interface {
	// Active reports whether this broker is the controller.
	Active() bool
	// Epoch is the controller epoch that this broker has seen last.
	Epoch() int32
	AlterPartition(req *kmsg.AlterPartitionRequest, reply func(*kmsg.AlterPartitionResponse))
	ControlledShutdown(req *kmsg.ControlledShutdownRequest, reply func(*kmsg.ControlledShutdownResponse))
	ElectLeaders(req *kmsg.ElectLeadersRequest, reply func(*kmsg.ElectLeadersResponse))
	AlterPartitionAssignments(req *kmsg.AlterPartitionAssignmentsRequest, reply func(*kmsg.AlterPartitionAssignmentsResponse))
	ListPartitionReassignments(req *kmsg.ListPartitionReassignmentsRequest, reply func(*kmsg.ListPartitionReassignmentsResponse))
	AllocateProducerIDs(req *kmsg.AllocateProducerIDsRequest, reply func(*kmsg.AllocateProducerIDsResponse))
	UpdateFeatures(req *kmsg.UpdateFeaturesRequest, reply func(*kmsg.UpdateFeaturesResponse))
	// WaitForBroadcast returns when every live broker has been told of the topics, or ctx ends.
	WaitForBroadcast(ctx context.Context, topics []string)
}
