package api

import "github.com/twmb/franz-go/pkg/kmsg"

// alterPartitionReassignments is the controller's to answer: it begins the move and does not wait for its end.
func (a *API) alterPartitionReassignments(c *call, req *kmsg.AlterPartitionAssignmentsRequest) {
	a.Controller.AlterPartitionAssignments(req, func(resp *kmsg.AlterPartitionAssignmentsResponse) { c.reply(resp) })
}
