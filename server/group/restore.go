package group

// restore gives a group that nobody knows yet its state. Members that are stored have an assignment, so a group with
// some is stable.
func (g *Group) restore(v *groupValue) {
	g.mu.generation, g.mu.protocol, g.mu.stateSince = v.generation, v.protocol, v.stateSince
	if v.leader != nil {
		g.mu.leader = *v.leader
	}
	for i := range v.members {
		g.restoreMember(&v.members[i], v)
	}
	g.mu.protocolType = v.protocolType
	if len(v.members) > 0 {
		g.mu.state = stable
	}
	g.computeSubscribedLocked()
}

func (g *Group) restoreMember(m *memberValue, v *groupValue) {
	if g.mu.members[m.id] != nil {
		return
	}
	g.mu.roster.add(&member{id: m.id, instanceID: m.instanceID, clientID: m.clientID, clientHost: m.clientHost,
		rebalanceTimeout: m.rebalanceTimeout, sessionTimeout: m.sessionTimeout,
		protocols: []protocol{{*v.protocol, m.subscription}}, assignment: m.assignment}, v.protocolType)
}
