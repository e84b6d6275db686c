package group

import (
	"ottla/server/statetopic"
	"ottla/zkcoord/cluster"
)

// offsetKey is the key of a committed offset.
type offsetKey struct {
	group string
	tp    cluster.TopicPartition
}

// groupKey is the key of a group's metadata.
type groupKey struct{ group string }

const (
	offsetKeyVersion = 1 // 0 reads alike
	groupKeyVersion  = 2
)

func (k offsetKey) encode() []byte {
	var w writer
	w.int16(offsetKeyVersion)
	w.string(k.group)
	w.string(k.tp.Topic)
	w.int32(k.tp.Partition)
	return w
}

func (k groupKey) encode() []byte {
	var w writer
	w.int16(groupKeyVersion)
	w.string(k.group)
	return w
}

// decodeKey returns an offsetKey or a groupKey. Newer kinds of keys (KIP-848 has versions 3 and above) give
// statetopic.ErrVersion: a reader skips them.
func decodeKey(b []byte) (any, error) {
	r := statetopic.NewReader(b)
	var key any
	switch version := r.Version(groupKeyVersion, "key version"); {
	case r.Err != nil:
	case version == groupKeyVersion:
		key = groupKey{r.String("group")}
	default:
		key = offsetKey{r.String("group"), cluster.TopicPartition{Topic: r.String("topic"), Partition: r.Int32("partition")}}
	}
	return key, r.Err
}
