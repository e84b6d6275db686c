package fetcher

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// fetchAnswer is the answer to a fetchRequest. Its records are views into the bytes that it was read from.
type fetchAnswer struct {
	kmsg.FetchResponse // for what a kmsg.Response is besides its fields; of these only ErrorCode and SessionID are set
	partitions         []answered
}

// answered is one partition of an answer.
type answered struct {
	key
	code          int16
	highWatermark int64
	logStart      int64
	diverging     epochEnd
	records       []byte
}

// epochEnd is a leader epoch and the offset at which it ended; none is both -1.
type epochEnd struct {
	epoch int32
	end   int64
}

var nowhere = epochEnd{-1, -1}

// How many bytes a topic, a partition and an aborted transaction take at least: an answer that claims more of them than its bytes could
// hold is refused before memory is made for them.
const (
	leastTopic     = 1 + 1
	leastPartition = 4 + 2 + 8 + 8 + 8 + 1 + 4 + 1
	leastAborted   = 8 + 8
)

// ReadFrom reads the body.
func (a *fetchAnswer) ReadFrom(src []byte) error {
	r := answerReader{Reader: kbin.Reader{Src: src}, flexible: a.IsFlexible(), version: a.Version}
	a.partitions = a.partitions[:0]
	r.Int32() // throttle time: quotas of clients do not count between brokers
	a.ErrorCode, a.SessionID = r.Int16(), r.Int32()
	for topics := r.count(leastTopic); topics > 0; topics-- {
		var topic key
		if a.Version >= byID {
			topic.id = cluster.TopicID(r.Uuid())
		} else {
			topic.topic = r.string()
		}
		for n := r.count(leastPartition); n > 0; n-- {
			a.partitions = append(a.partitions, r.partition(topic))
		}
		r.tags()
	}
	r.tags()
	return r.Complete()
}

type answerReader struct {
	kbin.Reader
	flexible bool
	version  int16
}

func (r *answerReader) partition(topic key) answered {
	a := answered{key: topic, diverging: nowhere}
	a.key.partition = r.Int32()
	a.code = r.Int16()
	a.highWatermark = r.Int64()
	r.Int64() // last stable offset: it follows from the records
	a.logStart = r.Int64()
	for n := r.count(leastAborted); n > 0; n-- {
		r.Int64()
		r.Int64()
		r.tags()
	}
	r.Int32() // preferred replica: for consumers
	if r.flexible {
		a.records = r.CompactNullableBytes()
		r.partitionTags(&a)
	} else {
		a.records = r.NullableBytes()
	}
	return a
}

// partitionTags reads where the logs part. Who leads instead, and from where snapshots come, is for others.
func (r *answerReader) partitionTags(a *answered) {
	const divergingEpoch = 0
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		tag, size := r.Uvarint(), r.Uvarint()
		field := kbin.Reader{Src: r.Span(int(size))}
		if tag == divergingEpoch {
			a.diverging = epochEnd{field.Int32(), field.Int64()}
			if !field.Ok() {
				r.spoil()
			}
		}
	}
}

// count reads how many elements follow that have at least so many bytes each.
func (r *answerReader) count(least int) int {
	var n int32
	if r.flexible {
		n = r.CompactArrayLen()
	} else {
		n = r.ArrayLen()
	}
	if n <= 0 {
		return 0
	}
	if int(n) > len(r.Src)/least {
		r.spoil()
		return 0
	}
	return int(n)
}

// spoil makes Complete report that the bytes are no answer.
func (r *answerReader) spoil() { r.Span(-1) }

func (r *answerReader) string() string {
	if r.flexible {
		return r.CompactString()
	}
	return r.String()
}

func (r *answerReader) tags() {
	if r.flexible {
		for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
			r.Uvarint()
			r.Span(int(r.Uvarint()))
		}
	}
}
