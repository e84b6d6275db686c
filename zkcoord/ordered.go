package zkcoord

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"

	"ottla/zkcoord/cluster"
)

// orderedStrings is a JSON object of strings that keeps its order, since Kafka's maps have one.
type orderedStrings [][2]string

func (o orderedStrings) get(key string) (string, bool) {
	for _, kv := range o {
		if kv[0] == key {
			return kv[1], true
		}
	}
	return "", false
}

// MarshalJSON writes the pairs in the order they have.
func (o orderedStrings) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, kv := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, encode(kv[0])...), ':'), encode(kv[1])...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads an object whose values are strings; the keys come out sorted.
func (o *orderedStrings) UnmarshalJSON(data []byte) error {
	var m map[string]*string
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*o = make(orderedStrings, 0, len(m))
	for key, value := range m {
		if value == nil {
			return fmt.Errorf("%q is null", key)
		}
		*o = append(*o, [2]string{key, *value})
	}
	slices.SortFunc(*o, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	return nil
}

// javaOrder puts settings into the order in which a java.util.Properties would hand them out, so that
// our config znodes equal Kafka's. No reader depends on it.
func javaOrder(config map[string]string) orderedStrings {
	buckets := uint32(8)
	for uint32(len(config)) > buckets*3/4 {
		buckets *= 2
	}
	bucket := func(key string) uint32 {
		h := javaHash(key)
		return (h ^ h>>16) & (buckets - 1)
	}
	o := make(orderedStrings, 0, len(config))
	for key, value := range config {
		o = append(o, [2]string{key, value})
	}
	slices.SortFunc(o, func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(bucket(a[0]), bucket(b[0])), cmp.Compare(a[0], b[0]))
	})
	return o
}

// javaHash is String.hashCode.
func javaHash(s string) uint32 {
	var h uint32
	for _, unit := range utf16.Encode([]rune(s)) {
		h = 31*h + uint32(unit)
	}
	return h
}

// orderedReplicas maps partitions to replicas; in JSON the partitions are strings in the order of numbers.
type orderedReplicas map[int32][]cluster.BrokerID

// MarshalJSON writes {"0":[1,2],"1":[2,1]}.
func (o orderedReplicas) MarshalJSON() ([]byte, error) {
	partitions := make([]int32, 0, len(o))
	for p := range o {
		partitions = append(partitions, p)
	}
	slices.Sort(partitions)
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range partitions {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%d":[`, p)
		for k, id := range o[p] {
			if k > 0 {
				b.WriteByte(',')
			}
			b.WriteString(id.String())
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote; keys that are no partitions are an error.
func (o *orderedReplicas) UnmarshalJSON(data []byte) error {
	var m map[string][]cluster.BrokerID
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*o = make(orderedReplicas, len(m))
	for key, replicas := range m {
		p, err := strconv.ParseInt(key, 10, 32)
		if err != nil || p < 0 || strconv.FormatInt(p, 10) != key {
			return fmt.Errorf("%q is no partition", key)
		}
		(*o)[int32(p)] = replicas
	}
	return nil
}

func sortedPartitions[V any](m map[cluster.TopicPartition]V) []cluster.TopicPartition {
	tps := make([]cluster.TopicPartition, 0, len(m))
	for tp := range m {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, func(a, b cluster.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return tps
}
