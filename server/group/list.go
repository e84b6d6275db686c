package group

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// classic is the type of all groups of this coordinator (KIP-848 brought others).
const classic = "classic"

// ListGroups lists the groups this broker coordinates. Filters match whatever the case; empty ones match all.
func (c *Coordinator) ListGroups(req *kmsg.ListGroupsRequest, reply func(*kmsg.ListGroupsResponse)) {
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	groups, loading := c.owned.All()
	switch {
	case c.ctx.Err() != nil:
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
	case loading:
		resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code // and what there is, as Kafka does
	}
	for _, g := range groups {
		if entry := g.list(); matches(req.StatesFilter, entry.GroupState) && matches(req.TypesFilter, classic) {
			resp.Groups = append(resp.Groups, entry)
		}
	}
	inHashOrder(resp.Groups, func(g kmsg.ListGroupsResponseGroup) string { return g.Group })
	reply(resp)
}

func (g *Group) list() kmsg.ListGroupsResponseGroup {
	g.mu.Lock()
	defer g.mu.Unlock()
	entry := kmsg.NewListGroupsResponseGroup()
	entry.Group, entry.ProtocolType, entry.GroupState, entry.GroupType = g.id, g.mu.protocolType, g.mu.state.String(), classic
	return entry
}

func matches(filter []string, value string) bool {
	for _, f := range filter {
		if strings.EqualFold(f, value) {
			return true
		}
	}
	return len(filter) == 0
}
