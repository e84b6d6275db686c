package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/group"
)

// The requests of consumer groups are the coordinator's: here they only get there and back. What is
// checked first, as in Kafka, is what needs the cluster's metadata.

func (c *call) client() group.Client { return group.Client{ID: c.clientID(), Host: c.clientHost()} }

// replyWith is c.reply for a coordinator's answer.
func replyWith[R kmsg.Response](c *call) func(R) { return func(resp R) { c.reply(resp) } }

func (a *API) joinGroup(c *call, req *kmsg.JoinGroupRequest) {
	a.Groups.JoinGroup(c.client(), req, replyWith[*kmsg.JoinGroupResponse](c))
}

func (a *API) syncGroup(c *call, req *kmsg.SyncGroupRequest) {
	a.Groups.SyncGroup(req, replyWith[*kmsg.SyncGroupResponse](c))
}

func (a *API) heartbeat(c *call, req *kmsg.HeartbeatRequest) {
	a.Groups.Heartbeat(req, replyWith[*kmsg.HeartbeatResponse](c))
}

func (a *API) leaveGroup(c *call, req *kmsg.LeaveGroupRequest) {
	a.Groups.LeaveGroup(req, replyWith[*kmsg.LeaveGroupResponse](c))
}

func (a *API) listGroups(c *call, req *kmsg.ListGroupsRequest) {
	a.Groups.ListGroups(req, replyWith[*kmsg.ListGroupsResponse](c))
}

func (a *API) deleteGroups(c *call, req *kmsg.DeleteGroupsRequest) {
	a.Groups.DeleteGroups(req, replyWith[*kmsg.DeleteGroupsResponse](c))
}

func (a *API) describeGroups(c *call, req *kmsg.DescribeGroupsRequest) {
	a.Groups.DescribeGroups(req, func(resp *kmsg.DescribeGroupsResponse) {
		if req.IncludeAuthorizedOperations {
			for i := range resp.Groups {
				if resp.Groups[i].ErrorCode == codeNone {
					resp.Groups[i].AuthorizedOperations = allGroupOperations
				}
			}
		}
		c.reply(resp)
	})
}
