package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeGroups shows groups with their members. What an unauthorized caller may see, and the operations
// authorized, are the caller's to fill in.
func (c *Coordinator) DescribeGroups(req *kmsg.DescribeGroupsRequest, reply func(*kmsg.DescribeGroupsResponse)) {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, id := range req.Groups {
		resp.Groups = append(resp.Groups, c.describe(id))
	}
	reply(resp)
}

func (c *Coordinator) describe(id string) kmsg.DescribeGroupsResponseGroup {
	d := kmsg.NewDescribeGroupsResponseGroup()
	d.Group = id
	if d.ErrorCode = c.check(id, allowEmptyID); d.ErrorCode != 0 {
		return d
	}
	g := c.get(id)
	if g == nil {
		d.State = dead.String() // a group nobody knows is no error
		return d
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	d.State, d.ProtocolType = g.mu.state.String(), g.mu.protocolType
	if g.mu.state == stable {
		d.Protocol = *g.mu.protocol
	}
	for _, m := range g.mu.order {
		d.Members = append(d.Members, m.describe(d.Protocol))
	}
	return d
}

// describe shows the member; what it said and got is only worth showing while the group is stable.
func (m *member) describe(protocol string) kmsg.DescribeGroupsResponseGroupMember {
	d := kmsg.NewDescribeGroupsResponseGroupMember()
	d.MemberID, d.InstanceID, d.ClientID, d.ClientHost = m.id, m.instanceID, m.clientID, m.clientHost
	d.ProtocolMetadata, d.MemberAssignment = []byte{}, []byte{}
	if protocol != "" {
		d.ProtocolMetadata = append(d.ProtocolMetadata, m.metadata(protocol)...)
		d.MemberAssignment = append(d.MemberAssignment, m.assignment...)
	}
	return d
}
