package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveTakesMany is the version from which on several members can leave at once, by instance id too, and the
// errors stand beside each.
const leaveTakesMany = 3

// LeaveGroup removes members at their own wish, or at an administrator's.
func (c *Coordinator) LeaveGroup(req *kmsg.LeaveGroupRequest, reply func(*kmsg.LeaveGroupResponse)) {
	leaving := req.Members
	if req.Version < leaveTakesMany {
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = req.MemberID
		leaving = []kmsg.LeaveGroupRequestMember{one}
	}
	answer := func(code int16, codes []int16) { reply(encodeLeft(req, leaving, code, codes)) }
	if code := c.check(req.Group, refuseEmptyID); code != 0 {
		answer(code, nil)
		return
	}
	g := c.get(req.Group)
	if g == nil {
		codes := make([]int16, len(leaving))
		for i := range codes {
			codes[i] = kerr.UnknownMemberID.Code
		}
		answer(0, codes)
		return
	}
	g.turn(func() {
		code := int16(0)
		var codes []int16
		if g.mu.state == dead {
			code = kerr.CoordinatorNotAvailable.Code
		} else {
			for i := range leaving {
				codes = append(codes, g.leaveLocked(&leaving[i]))
			}
		}
		g.laterLocked(func() { answer(code, codes) })
	})
}

func encodeLeft(req *kmsg.LeaveGroupRequest, leaving []kmsg.LeaveGroupRequestMember, code int16, codes []int16) *kmsg.LeaveGroupResponse {
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	resp.ErrorCode = code
	for i, code := range codes {
		if req.Version < leaveTakesMany {
			resp.ErrorCode = code // the error of the only one is the error of the whole
			break
		}
		m := kmsg.NewLeaveGroupResponseMember()
		m.MemberID, m.InstanceID, m.ErrorCode = leaving[i].MemberID, leaving[i].InstanceID, code
		resp.Members = append(resp.Members, m)
	}
	return resp
}

func (g *Group) leaveLocked(leaving *kmsg.LeaveGroupRequestMember) int16 {
	id := leaving.MemberID
	switch {
	case id == "" && leaving.InstanceID == nil:
		return kerr.UnknownMemberID.Code
	case id == "": // an administrator removes a static member, whatever its id is now
		current, known := g.mu.static[*leaving.InstanceID]
		if !known {
			return kerr.UnknownMemberID.Code
		}
		id = current
	case g.mu.pending[id] != nil:
		g.log().Infof("member %s leaves before it has joined", id)
		g.removePendingLocked(id)
		return 0
	default:
		if code := g.validateLocked(id, leaving.InstanceID); code != 0 {
			return code
		}
	}
	reason := "not provided"
	if leaving.Reason != nil {
		reason = *leaving.Reason
	}
	g.log().Infof("member %s leaves, client's reason: %s", id, reason)
	g.expelLocked(g.mu.members[id], "a member left")
	return 0
}
