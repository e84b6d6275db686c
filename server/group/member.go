package group

import (
	"bytes"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// member is one member of a group, guarded by the group's lock.
type member struct {
	id               string
	instanceID       *string // group.instance.id of a static member (KIP-345)
	clientID         string
	clientHost       string
	rebalanceTimeout int32 // ms
	sessionTimeout   int32 // ms
	// protocols are in the member's order of preference.
	protocols  []protocol
	assignment []byte
	// isNew is true until the member's first rebalance is complete. It knows its id only then, so no
	// heartbeat can be asked of it while it waits for that.
	isNew bool
	// join and sync answer the request that waits for the group, and are nil when none does.
	join func(joined)
	sync func(synced)
	// heartbeat is the operation whose time ends the membership; an older one that fires is void.
	heartbeat *delayedHeartbeat
}

// protocol is an assignment strategy the member supports, with its metadata, such as its subscription.
type protocol struct {
	name     string
	metadata []byte
}

// joined is the answer to JoinGroup.
type joined struct {
	code         int16
	memberID     string
	generation   int32
	protocolType *string
	protocol     *string
	leader       string
	skip         bool
	members      []kmsg.JoinGroupResponseMember
}

// refusedJoin is the answer to a JoinGroup that failed: Kafka leaves the rest unknown.
func refusedJoin(memberID string, code int16) joined {
	return joined{code: code, memberID: memberID, generation: -1}
}

// synced is the answer to SyncGroup.
type synced struct {
	code         int16
	protocolType *string
	protocol     *string
	assignment   []byte
}

// copyProtocols takes the protocols out of the request's frame. A name that comes twice counts once, or the
// votes would be miscounted.
func copyProtocols(from []kmsg.JoinGroupRequestProtocol) []protocol {
	to := make([]protocol, 0, len(from))
	known := make(map[string]struct{}, len(from))
	for _, p := range from {
		if _, twice := known[p.Name]; !twice {
			known[p.Name] = struct{}{}
			to = append(to, protocol{p.Name, append([]byte{}, p.Metadata...)})
		}
	}
	return to
}

func sameProtocols(a, b []protocol) bool {
	return slices.EqualFunc(a, b, func(x, y protocol) bool { return x.name == y.name && bytes.Equal(x.metadata, y.metadata) })
}

// metadata is what the member said about a protocol; nil if it does not support it.
func (m *member) metadata(name string) []byte {
	for _, p := range m.protocols {
		if p.name == name {
			return p.metadata
		}
	}
	return nil
}

// satisfied tells whether no heartbeat need come now: who waits for the group is known to be there.
func (m *member) satisfied() bool { return !m.isNew && (m.join != nil || m.sync != nil) }
