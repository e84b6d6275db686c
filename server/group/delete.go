package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// DeleteGroups removes groups without members, with their offsets. It answers when the tombstones are written.
func (c *Coordinator) DeleteGroups(req *kmsg.DeleteGroupsRequest, reply func(*kmsg.DeleteGroupsResponse)) {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	asked := make(map[string]struct{}, len(req.Groups))
	for _, id := range req.Groups {
		if _, twice := asked[id]; twice {
			continue
		}
		asked[id] = struct{}{}
		result := kmsg.NewDeleteGroupsResponseGroup()
		result.Group = id
		resp.Groups = append(resp.Groups, result)
	}
	inHashOrder(resp.Groups, func(g kmsg.DeleteGroupsResponseGroup) string { return g.Group })
	c.deleteNext(resp, 0, reply)
}

// deleteNext deletes one group after another: each answer calls for the next, so no goroutine waits.
func (c *Coordinator) deleteNext(resp *kmsg.DeleteGroupsResponse, i int, reply func(*kmsg.DeleteGroupsResponse)) {
	for ; i < len(resp.Groups); i++ {
		result := &resp.Groups[i]
		if result.ErrorCode = c.check(result.Group, allowEmptyID); result.ErrorCode != 0 {
			continue
		}
		g := c.get(result.Group)
		if g == nil {
			result.ErrorCode = kerr.GroupIDNotFound.Code
			continue
		}
		g.turn(func() {
			g.deleteLocked(func(code int16) {
				result.ErrorCode = code
				c.deleteNext(resp, i+1, reply)
			})
		})
		return
	}
	reply(resp)
}

func (g *Group) deleteLocked(then func(code int16)) {
	later := func(code int16) { g.laterLocked(func() { then(code) }) }
	switch g.mu.state {
	case dead:
		later(kerr.GroupIDNotFound.Code)
	case empty:
		var all []cluster.TopicPartition
		for key := range g.mu.offsets.committed {
			all = append(all, key)
		}
		clear(g.mu.offsets.writing)
		clear(g.mu.offsets.open)
		clear(g.mu.offsets.opening)
		for id := range g.mu.pending {
			g.removePendingLocked(id)
		}
		g.removeOffsetsLocked(all, func() { then(0) })
	default:
		later(kerr.NonEmptyGroup.Code)
	}
}
