package group

import "ottla/server/statetopic"

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
	r := statetopic.NewReader(b)
	v := &groupValue{stateSince: -1}
	version := r.Version(newestGroupValue, "group version")
	if r.Err != nil {
		return nil, r.Err
	}
	r.Flexible = version >= 4
	v.protocolType = r.String("protocol type")
	v.generation = r.Int32("generation")
	v.protocol = r.NullableString("protocol")
	v.leader = r.NullableString("leader")
	if version >= 2 {
		v.stateSince = r.Int64("state timestamp")
	}
	for range max(0, r.Length(true, "members")) {
		if r.Err != nil {
			break
		}
		v.members = append(v.members, decodeMember(r, version))
	}
	r.Tags()
	if r.Err != nil {
		return nil, r.Err
	}
	return v, nil
}

func decodeMember(r *statetopic.Reader, version int16) (m memberValue) {
	m.id = r.String("member id")
	if version >= 3 {
		m.instanceID = r.NullableString("instance id")
	}
	m.clientID = r.String("client id")
	m.clientHost = r.String("client host")
	if version >= 1 {
		m.rebalanceTimeout = r.Int32("rebalance timeout")
	}
	m.sessionTimeout = r.Int32("session timeout")
	if version == 0 {
		m.rebalanceTimeout = m.sessionTimeout // there was only one
	}
	m.subscription = r.Bytes("subscription")
	m.assignment = r.Bytes("assignment")
	r.Tags()
	return m
}
