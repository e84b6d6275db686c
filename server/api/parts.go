package api

import (
	"context"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// Options are the broker's parts that the handlers call, and the settings that they obey.
type Options struct {
	// ID is this broker's number, ClusterID the cluster's.
	ID        cluster.BrokerID
	ClusterID string

	// BrokerEpoch is the czxid of /brokers/ids/ID as of the last registration, -1 before it.
	BrokerEpoch func() int64

	Controller Controller

	// FetchSessions is how many incremental fetch sessions are kept (max.incremental.fetch.session.cache.slots).
	FetchSessions int

	Log logrus.FieldLogger
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
