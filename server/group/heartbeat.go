package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat keeps a membership alive, and tells the member when to join again.
func (c *Coordinator) Heartbeat(req *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse)) {
	answer := func(code int16) {
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = code
		reply(resp)
	}
	code := c.check(req.Group, refuseEmptyID)
	if code == kerr.CoordinatorLoadInProgress.Code {
		answer(0) // whether the member is known will show when the group is loaded
		return
	}
	g := (*Group)(nil)
	if code == 0 {
		if g = c.get(req.Group); g == nil {
			code = kerr.UnknownMemberID.Code
		}
	}
	if code != 0 {
		answer(code)
		return
	}
	g.turn(func() {
		code := g.heartbeatLocked(req)
		g.laterLocked(func() { answer(code) })
	})
}

func (g *Group) heartbeatLocked(req *kmsg.HeartbeatRequest) int16 {
	if g.mu.state == dead {
		return kerr.CoordinatorNotAvailable.Code
	}
	if code := g.validateLocked(req.MemberID, req.InstanceID); code != 0 {
		return code
	}
	if req.Generation != g.mu.generation {
		return kerr.IllegalGeneration.Code
	}
	g.expectHeartbeatLocked(g.mu.members[req.MemberID])
	if g.mu.state == preparingRebalance {
		return kerr.RebalanceInProgress.Code
	}
	return 0
}
