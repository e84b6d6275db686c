package api

import "github.com/twmb/franz-go/pkg/kmsg"

// What other brokers ask of the controller. One that is not the controller says so itself.

func (a *API) controlledShutdown(c *call, req *kmsg.ControlledShutdownRequest) {
	a.Controller.ControlledShutdown(req, replyWith[*kmsg.ControlledShutdownResponse](c))
}

func (a *API) alterPartition(c *call, req *kmsg.AlterPartitionRequest) {
	a.Controller.AlterPartition(req, replyWith[*kmsg.AlterPartitionResponse](c))
}

func (a *API) allocateProducerIDs(c *call, req *kmsg.AllocateProducerIDsRequest) {
	a.Controller.AllocateProducerIDs(req, replyWith[*kmsg.AllocateProducerIDsResponse](c))
}
