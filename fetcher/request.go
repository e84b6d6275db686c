package fetcher

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// fetchRequest is a Fetch as a follower sends it. It writes itself, and reads its answer, without an object for each partition;
// everything else that makes a kmsg.Request comes from the one that it holds.
type fetchRequest struct {
	kmsg.FetchRequest
	replica      cluster.BrokerID
	replicaEpoch int64
	asked        []ask
	forgotten    []key

	answer *fetchAnswer
	buffer []byte
}

// key names a partition in a session: by topic id where every partition of the fetcher has one, or else by topic name.
type key struct {
	id        cluster.TopicID
	topic     string
	partition int32
}

func (k key) sameTopic(other key) bool { return k.id == other.id && k.topic == other.topic }

// ask is one partition of a fetch.
type ask struct {
	key
	position
	maxBytes int32
}

// position is what a leader is told of a partition.
type position struct {
	leaderEpoch int32
	offset      int64
	lastEpoch   int32
	logStart    int64
}

// ResponseKind is the answer to read into. It and its buffer are used again for every request.
func (r *fetchRequest) ResponseKind() kmsg.Response { return r.answer }

// AnswerBuffer is where the bytes of the answer may go.
func (r *fetchRequest) AnswerBuffer(n int) []byte {
	const keep = 16 << 20 // one huge batch need not be remembered
	if n > keep {
		return make([]byte, n)
	}
	if cap(r.buffer) < n {
		r.buffer = make([]byte, max(n, min(2*cap(r.buffer), keep)))
	}
	return r.buffer[:n]
}

// AppendTo writes the body.
func (r *fetchRequest) AppendTo(dst []byte) []byte {
	w := wire{b: dst, flexible: r.IsFlexible()}
	if r.Version < taggedSince {
		w.int32(int32(r.replica))
	}
	w.int32(r.MaxWaitMillis)
	w.int32(r.MinBytes)
	w.int32(r.MaxBytes)
	w.b = append(w.b, 0) // isolation level: a follower copies what is undecided, too
	w.int32(r.SessionID)
	w.int32(r.SessionEpoch)
	w.partitions(len(r.asked), func(i int) key { return r.asked[i].key }, func(i int) {
		a := &r.asked[i]
		w.int32(a.partition)
		w.int32(a.leaderEpoch)
		w.int64(a.offset)
		if r.Version >= divergingSince {
			w.int32(a.lastEpoch)
		}
		w.int64(a.logStart)
		w.int32(a.maxBytes)
		w.noTags()
	}, r.Version)
	w.partitions(len(r.forgotten), func(i int) key { return r.forgotten[i] }, func(i int) { w.int32(r.forgotten[i].partition) }, r.Version)
	w.string("") // rack
	if r.Version >= taggedSince {
		const replicaState = 1
		w.b = append(w.b, 1, replicaState, 4+8+1)
		w.int32(int32(r.replica))
		w.int64(r.replicaEpoch)
	}
	w.noTags()
	return w.b
}

// wire writes the protocol's types.
type wire struct {
	b        []byte
	flexible bool
}

func (w *wire) int32(v int32) { w.b = kbin.AppendInt32(w.b, v) }
func (w *wire) int64(v int64) { w.b = kbin.AppendInt64(w.b, v) }

func (w *wire) string(s string) {
	if w.flexible {
		w.b = kbin.AppendCompactString(w.b, s)
	} else {
		w.b = kbin.AppendString(w.b, s)
	}
}

func (w *wire) count(n int) {
	if w.flexible {
		w.b = kbin.AppendCompactArrayLen(w.b, n)
	} else {
		w.b = kbin.AppendArrayLen(w.b, n)
	}
}

func (w *wire) noTags() {
	if w.flexible {
		w.b = append(w.b, 0)
	}
}

// partitions writes n partitions under their topics. Those of one topic stand together if they do so in the list.
func (w *wire) partitions(n int, at func(int) key, write func(int), version int16) {
	topics := 0
	for i := range n {
		if i == 0 || !at(i).sameTopic(at(i-1)) {
			topics++
		}
	}
	w.count(topics)
	for from := 0; from < n; {
		topic, to := at(from), from+1
		for to < n && at(to).sameTopic(topic) {
			to++
		}
		if version >= byID {
			w.b = append(w.b, topic.id[:]...)
		} else {
			w.string(topic.topic)
		}
		w.count(to - from)
		for ; from < to; from++ {
			write(from)
		}
		w.noTags()
	}
}
