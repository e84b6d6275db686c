package api

import "github.com/twmb/franz-go/pkg/kmsg"

// listPartitionReassignments is the controller's to answer.
func (a *API) listPartitionReassignments(c *call, req *kmsg.ListPartitionReassignmentsRequest) {
	a.Controller.ListPartitionReassignments(req, func(resp *kmsg.ListPartitionReassignmentsResponse) { c.reply(resp) })
}
