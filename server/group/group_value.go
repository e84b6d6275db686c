package group

// groupValue is a group's metadata as its record holds it.
type groupValue struct {
	protocolType string
	generation   int32
	protocol     *string
	leader       *string
	stateSince   int64 // ms; -1 in versions below 2
	members      []memberValue
}

type memberValue struct {
	id               string
	instanceID       *string
	clientID         string
	clientHost       string
	rebalanceTimeout int32 // ms
	sessionTimeout   int32 // ms
	subscription     []byte
	assignment       []byte
}

const (
	newestGroupValue = 4 // readable; 4 is flexible and never written
	// GroupValueVersion is written by inter.broker.protocol.version 2.3-IV0 and later; 2 from 2.1-IV0, 1 from 0.10.1, 0
	// before.
	GroupValueVersion = 3
)

// encode writes
//
//	protocolType string, generation int32, protocol and leader nullable strings, stateSince int64 (version 2+),
//	count int32, members:
//		id string, instanceID nullable string (3+), clientID and clientHost strings,
//		rebalanceTimeout int32 (1+), sessionTimeout int32, subscription and assignment bytes
func (v *groupValue) encode(version int16) []byte {
	var w writer
	w.int16(version)
	w.string(v.protocolType)
	w.int32(v.generation)
	w.nullableString(v.protocol)
	w.nullableString(v.leader)
	if version >= 2 {
		w.int64(v.stateSince)
	}
	w.int32(int32(len(v.members)))
	for i := range v.members {
		v.members[i].encode(&w, version)
	}
	return w
}

func (m *memberValue) encode(w *writer, version int16) {
	w.string(m.id)
	if version >= 3 {
		w.nullableString(m.instanceID)
	}
	w.string(m.clientID)
	w.string(m.clientHost)
	if version >= 1 {
		w.int32(m.rebalanceTimeout)
	}
	w.int32(m.sessionTimeout)
	w.bytes(m.subscription)
	w.bytes(m.assignment)
}

func decodeGroup(b []byte) (*groupValue, error) {
	r := &reader{b: b}
	v := &groupValue{stateSince: -1}
	version := r.version(newestGroupValue, "group version")
	if r.err != nil {
		return nil, r.err
	}
	r.flexible = version >= 4
	v.protocolType = r.string("protocol type")
	v.generation = r.int32("generation")
	v.protocol = r.nullableString("protocol")
	v.leader = r.nullableString("leader")
	if version >= 2 {
		v.stateSince = r.int64("state timestamp")
	}
	for range max(0, r.length(true, "members")) {
		if r.err != nil {
			break
		}
		v.members = append(v.members, decodeMember(r, version))
	}
	r.tags()
	if r.err != nil {
		return nil, r.err
	}
	return v, nil
}

func decodeMember(r *reader, version int16) (m memberValue) {
	m.id = r.string("member id")
	if version >= 3 {
		m.instanceID = r.nullableString("instance id")
	}
	m.clientID = r.string("client id")
	m.clientHost = r.string("client host")
	if version >= 1 {
		m.rebalanceTimeout = r.int32("rebalance timeout")
	}
	m.sessionTimeout = r.int32("session timeout")
	if version == 0 {
		m.rebalanceTimeout = m.sessionTimeout // there was only one
	}
	m.subscription = r.bytes("subscription")
	m.assignment = r.bytes("assignment")
	r.tags()
	return m
}
