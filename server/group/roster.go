package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// roster is who is in a group, in the order in which they came, and what they can agree on. It is
// guarded by the group's lock.
type roster struct {
	members map[string]*member
	order   []*member
	// static maps instance ids to the ids of the members that hold them.
	static map[string]string
	// pending are ids given out with MEMBER_ID_REQUIRED that have not come back yet (KIP-394). A rebalance waits
	// for them.
	pending map[string]*delayedHeartbeat
	// protocolType is "" as long as nobody has joined.
	protocolType string
	leader       string // a member's id, or ""
	// supported counts for each protocol the members that support it.
	supported    map[string]int
	awaitingJoin int
}

func newRoster() roster {
	return roster{members: make(map[string]*member), static: make(map[string]string),
		pending: make(map[string]*delayedHeartbeat), supported: make(map[string]int)}
}

// add takes the member in. The first one brings the protocol type and leads.
func (r *roster) add(m *member, protocolType string) {
	if len(r.members) == 0 {
		r.protocolType = protocolType
	}
	if r.leader == "" {
		r.leader = m.id
	}
	if m.instanceID != nil {
		r.static[*m.instanceID] = m.id
	}
	r.members[m.id] = m
	r.order = append(r.order, m)
	r.count(m, 1)
	delete(r.pending, m.id)
}

// remove takes the member out. If it led, the one that came first of the others leads.
func (r *roster) remove(m *member) {
	delete(r.members, m.id)
	r.order = slices.DeleteFunc(r.order, func(other *member) bool { return other == m })
	r.count(m, -1)
	if m.join != nil {
		r.awaitingJoin--
	}
	if m.instanceID != nil {
		delete(r.static, *m.instanceID)
	}
	if r.leader == m.id {
		r.leader = ""
		if len(r.order) > 0 {
			r.leader = r.order[0].id
		}
	}
}

// rename gives a static member the id of its next life.
func (r *roster) rename(m *member, id string) {
	delete(r.members, m.id)
	if r.leader == m.id {
		r.leader = id
	}
	m.id = id
	r.members[id] = m
	r.static[*m.instanceID] = id
}

func (r *roster) setProtocols(m *member, protocols []protocol) {
	r.count(m, -1)
	m.protocols = protocols
	r.count(m, 1)
}

func (r *roster) count(m *member, by int) {
	for _, p := range m.protocols {
		if r.supported[p.name] += by; r.supported[p.name] == 0 {
			delete(r.supported, p.name)
		}
	}
}

// accepts tells whether a member with these protocols can be in the group: it has one that all the others have.
func (r *roster) accepts(protocolType string, protocols []protocol) bool {
	if len(r.members) == 0 {
		return protocolType != "" && len(protocols) > 0
	}
	return protocolType == r.protocolType &&
		slices.ContainsFunc(protocols, func(p protocol) bool { return r.supported[p.name] == len(r.members) })
}

// vote finds the protocol of the next generation: each member votes for the first of its protocols that all
// support; of equal ones the one that was voted for first wins.
func (r *roster) vote() string {
	votes := make(map[string]int)
	best := ""
	for _, m := range r.order {
		for _, p := range m.protocols {
			if r.supported[p.name] == len(r.members) {
				votes[p.name]++
				break
			}
		}
	}
	for _, m := range r.order {
		for _, p := range m.protocols {
			if votes[p.name] > votes[best] {
				best = p.name
			}
		}
	}
	return best
}

// allJoined tells whether a rebalance has everybody it waits for.
func (r *roster) allJoined() bool { return len(r.members) == r.awaitingJoin && len(r.pending) == 0 }

// rebalanceTimeout is the longest of the members', in milliseconds.
func (r *roster) rebalanceTimeout() (longest int32) {
	for _, m := range r.order {
		longest = max(longest, m.rebalanceTimeout)
	}
	return longest
}

// electJoinedLeader makes sure that the leader has joined, or another that has. It is false if nobody has.
func (r *roster) electJoinedLeader() bool {
	if leader := r.members[r.leader]; leader != nil && leader.join != nil {
		return true
	}
	for _, m := range r.order {
		if m.join != nil {
			r.leader = m.id
			return true
		}
	}
	return false
}

// membersForLeaderLocked lists the members with what each said about the chosen protocol.
func (g *Group) membersForLeaderLocked() []kmsg.JoinGroupResponseMember {
	list := make([]kmsg.JoinGroupResponseMember, 0, len(g.mu.order))
	for _, m := range g.mu.order {
		entry := kmsg.NewJoinGroupResponseMember()
		entry.MemberID, entry.InstanceID, entry.ProtocolMetadata = m.id, m.instanceID, m.metadata(*g.mu.protocol)
		list = append(list, entry)
	}
	return list
}
