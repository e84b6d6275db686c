package group

import (
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	joinNeedsKnownID  = 4 // from this version on a new dynamic member is first given an id (KIP-394)
	joinSkipsAssigner = 9 // from this version on a static leader may be told to keep the assignment (KIP-814)
)

// joining is one JoinGroup request on its way through the group.
type joining struct {
	g            *Group
	client       Client
	version      int16
	memberID     string
	instanceID   *string
	session      int32 // ms
	rebalance    int32 // ms
	protocolType string
	protocols    []protocol
	reason       string
	reply        func(joined)
}

// JoinGroup takes a member into the next generation of its group. The answer comes when the generation begins.
func (c *Coordinator) JoinGroup(client Client, req *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) {
	answer := func(j joined) { reply(encodeJoined(req, j)) }
	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	code := c.check(req.Group, refuseEmptyID)
	switch {
	case code != 0:
	case session < c.config.MinSessionTimeout || session > c.config.MaxSessionTimeout:
		code = kerr.InvalidSessionTimeout.Code
	case tooLongToStore(client, req):
		code = kerr.InvalidRequest.Code
	}
	if code != 0 {
		answer(refusedJoin(req.MemberID, code))
		return
	}
	g := c.get(req.Group)
	if g == nil && req.MemberID == "" {
		if g = c.create(req.Group); g == nil {
			answer(refusedJoin(req.MemberID, kerr.NotCoordinator.Code))
			return
		}
	}
	if g == nil {
		answer(refusedJoin(req.MemberID, kerr.UnknownMemberID.Code))
		return
	}
	newJoining(g, client, req, answer).run()
}

func newJoining(g *Group, client Client, req *kmsg.JoinGroupRequest, answer func(joined)) *joining {
	j := &joining{g: g, client: client, version: req.Version, memberID: req.MemberID, instanceID: req.InstanceID,
		session: req.SessionTimeoutMillis, rebalance: req.RebalanceTimeoutMillis, protocolType: req.ProtocolType,
		protocols: copyProtocols(req.Protocols), reason: "not provided", reply: answer}
	if req.Version == 0 {
		j.rebalance = req.SessionTimeoutMillis // there was only one timeout
	}
	if req.Reason != nil {
		j.reason = *req.Reason
	}
	return j
}

// tooLongToStore refuses what does not fit into a group's record, whose strings have 16-bit lengths.
func tooLongToStore(client Client, req *kmsg.JoinGroupRequest) bool {
	long := len(client.ID) > math.MaxInt16-64 || len(req.ProtocolType) > math.MaxInt16 ||
		req.InstanceID != nil && len(*req.InstanceID) > math.MaxInt16-64 // a member id is one of them and a UUID
	for _, p := range req.Protocols {
		long = long || len(p.Name) > math.MaxInt16
	}
	return long
}

func encodeJoined(req *kmsg.JoinGroupRequest, j joined) *kmsg.JoinGroupResponse {
	resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
	resp.ErrorCode, resp.Generation, resp.MemberID, resp.LeaderID = j.code, j.generation, j.memberID, j.leader
	resp.ProtocolType, resp.Protocol, resp.SkipAssignment, resp.Members = j.protocolType, j.protocol, j.skip, j.members
	return resp
}

func (j *joining) run() {
	j.g.turn(func() {
		switch {
		case !j.fitsLocked():
			if m := j.g.mu.members[j.memberID]; m != nil {
				j.g.removeMemberLocked(m)
			} else if j.g.mu.pending[j.memberID] != nil {
				j.g.removePendingLocked(j.memberID)
			}
			j.answerLocked(refusedJoin("", kerr.GroupMaxSizeReached.Code))
		case j.g.mu.state == dead:
			j.answerLocked(refusedJoin(j.memberID, kerr.CoordinatorNotAvailable.Code))
		case !j.g.mu.accepts(j.protocolType, j.protocols):
			j.answerLocked(refusedJoin(j.memberID, kerr.InconsistentGroupProtocol.Code))
		case j.memberID == "":
			j.newLocked()
		case j.g.mu.pending[j.memberID] != nil:
			j.returnLocked()
		default:
			j.againLocked()
		}
		if j.g.mu.state == preparingRebalance {
			j.g.checkJoinLocked()
		}
	})
}

func (j *joining) answerLocked(answer joined) {
	reply := j.reply
	j.g.laterLocked(func() { reply(answer) })
}

// fitsLocked applies group.max.size. During a rebalance it counts those who have joined already: of a group that is
// too big the first to come stay.
func (j *joining) fitsLocked() bool {
	m := j.g.mu.members[j.memberID]
	switch j.g.mu.state {
	case preparingRebalance:
		return m != nil && m.join != nil || j.g.mu.awaitingJoin < j.g.c.config.MaxSize
	case completingRebalance, stable:
		return m != nil || len(j.g.mu.members) < j.g.c.config.MaxSize
	default:
		return true
	}
}

// newLocked is a join without a member id.
func (j *joining) newLocked() {
	g := j.g
	if j.instanceID == nil {
		id := j.client.ID + "-" + newUUID()
		if j.version < joinNeedsKnownID {
			j.addLocked(id)
			return
		}
		// A client that times out and tries again would leave a member behind with each try. So it gets its
		// id at once, and becomes a member when it comes back with it.
		g.expectJoinLocked(id, time.Duration(j.session)*time.Millisecond)
		j.answerLocked(refusedJoin(id, kerr.MemberIDRequired.Code))
		return
	}
	id := *j.instanceID + "-" + newUUID()
	old, known := g.mu.static[*j.instanceID]
	if !known {
		j.addLocked(id)
		return
	}
	g.log().Infof("static member %s comes back: %s takes the place of %s", *j.instanceID, id, old)
	j.replaceLocked(g.mu.members[old], id)
}

// returnLocked is a join with an id that was given out.
func (j *joining) returnLocked() {
	if j.instanceID != nil {
		j.answerLocked(refusedJoin("", kerr.UnknownServerError.Code)) // a reserved id is never a static member's
		return
	}
	j.addLocked(j.memberID)
}

func (j *joining) addLocked(id string) {
	g := j.g
	if g.mu.state == preparingRebalance && g.mu.generation == 0 {
		g.mu.newcomers = true
	}
	m := &member{id: id, instanceID: j.instanceID, clientID: j.client.ID, clientHost: j.client.Host,
		rebalanceTimeout: j.rebalance, sessionTimeout: j.session, protocols: j.protocols, isNew: true}
	g.mu.roster.add(m, j.protocolType)
	g.awaitJoinLocked(m, j.reply)
	g.expectWithinLocked(m, newMemberJoinTimeout)
	g.maybeRebalanceLocked(fmt.Sprintf("member %s joins, client's reason: %s", id, j.reason))
}

// againLocked is a join of a member.
func (j *joining) againLocked() {
	g := j.g
	if code := g.validateLocked(j.memberID, j.instanceID); code != 0 {
		j.answerLocked(refusedJoin(j.memberID, code))
		return
	}
	m := g.mu.members[j.memberID]
	same := sameProtocols(m.protocols, j.protocols)
	switch {
	case g.mu.state == completingRebalance && same, g.mu.state == stable && same && m.id != g.mu.leader:
		// It did not get its answer, or a follower looks in: nothing has changed, so it may go on to SyncGroup.
		j.answerLocked(g.joinedLocked(m))
	case g.mu.state == stable && same:
		// The leader joins to have a rebalance: the topics have changed, which the members' metadata does not show.
		j.updateLocked(m, fmt.Sprintf("leader %s joins again, client's reason: %s", m.id, j.reason))
	default:
		j.updateLocked(m, fmt.Sprintf("member %s joins again, client's reason: %s", m.id, j.reason))
	}
}

func (j *joining) updateLocked(m *member, reason string) {
	j.takeOverLocked(m)
	j.g.maybeRebalanceLocked(reason)
}

// takeOverLocked gives the member what the request says of it, and the request the member's answer.
func (j *joining) takeOverLocked(m *member) {
	j.g.mu.setProtocols(m, j.protocols)
	m.rebalanceTimeout, m.sessionTimeout = j.rebalance, j.session
	j.g.awaitJoinLocked(m, j.reply)
}

// newUUID is a random (version 4) UUID, as Kafka appends to member ids.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
