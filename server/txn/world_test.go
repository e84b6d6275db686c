package txn

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what a coordinator stands in: __transaction_state with one partition, and the partitions of producers. It outlives
// coordinators, and may crash one at any step: a write of a record or of markers.
type world struct {
	out io.Writer // what the coordinators log
	mu  struct {
		sync.Mutex
		state     []byte
		end       int64
		epoch     int32 // of the state partition's leader
		fail      error // of appends
		unread    int   // how many reads are still to fail
		hold      bool  // appends are in the log and nobody is told
		held      []func()
		data      map[cluster.TopicPartition]*dataLog
		steps     int
		crashAt   int  // step, -1 never
		lastStep  bool // the step at which it crashed is done all the same
		crashed   chan struct{}
		producers int64
	}
}

// dataLog is a partition as far as transactions go.
type dataLog struct {
	absent  bool // nobody leads it
	deleted bool
	open    map[int64]int   // by producer id, the number of the transaction
	epochs  map[int64]int16 // of producers
	markers []string
	ends    map[int]bool // transaction number to commit or abort
}

func newWorld() *world {
	w := &world{out: io.Discard}
	w.mu.data, w.mu.crashAt = make(map[cluster.TopicPartition]*dataLog), -1
	w.mu.crashed = make(chan struct{})
	return w
}

func (w *world) start(epoch int32, change func(*Config)) *Coordinator {
	w.mu.Lock()
	w.mu.epoch = epoch
	w.mu.Unlock()
	log := logrus.New()
	log.SetOutput(w.out)
	conf := DefaultConfig()
	if change != nil {
		change(&conf)
	}
	ids := NewProducerIDs(func(reply func(int64, int32, int16)) {
		w.mu.Lock()
		first := w.mu.producers
		w.mu.producers += 100
		w.mu.Unlock()
		reply(first, 100, 0)
	})
	c := New(Options{Storage: w.store(epoch), Leaders: w, Config: conf, Partitions: func() int32 { return 1 }, ProducerIDs: ids, Log: log})
	c.Elect(0, epoch)
	return c
}

func (w *world) log(tp cluster.TopicPartition) *dataLog {
	l := w.mu.data[tp]
	if l == nil {
		l = &dataLog{open: map[int64]int{}, epochs: map[int64]int16{}, ends: map[int]bool{}}
		w.mu.data[tp] = l
	}
	return l
}

// step counts, and tells whether the deed is done and whether anybody hears of it.
func (w *world) stepLocked() (done, told bool) {
	n := w.mu.steps
	w.mu.steps++
	switch {
	case w.mu.crashAt < 0 || n < w.mu.crashAt:
		return true, true
	case n == w.mu.crashAt:
		close(w.mu.crashed)
		return w.mu.lastStep, false
	default:
		return false, false
	}
}

// stateLog is the state partition as one coordinator sees it.
type stateLog struct {
	*world
	epoch int32
}

func (w *world) store(epoch int32) stateLog { return stateLog{w, epoch} }

func (s stateLog) Append(_, epoch int32, b []byte, _ time.Duration, done func(error)) {
	s.mu.Lock()
	if epoch != s.mu.epoch {
		s.mu.Unlock()
		done(kerr.NotLeaderForPartition)
		return
	}
	if err := s.mu.fail; err != nil {
		s.mu.Unlock()
		done(err)
		return
	}
	does, told := s.stepLocked()
	if does {
		s.writeLocked(b)
	}
	if told && s.mu.hold {
		s.mu.held = append(s.mu.held, func() { done(nil) })
		told = false
	}
	s.mu.Unlock()
	if told {
		done(nil)
	}
}

func (w *world) writeLocked(b []byte) {
	h, err := batch.Check(b)
	if err != nil {
		panic(err)
	}
	batch.SetOffset(b, w.mu.end)
	w.mu.state = append(w.mu.state, b...)
	w.mu.end += int64(h.Count)
}

func (w *world) release() {
	w.mu.Lock()
	held := w.mu.held
	w.mu.held, w.mu.hold = nil, false
	w.mu.Unlock()
	for _, f := range held {
		f()
	}
}

func (s stateLog) Read(int32, int64, int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.unread > 0 {
		s.mu.unread--
		return nil, errors.New("the disk is slow today")
	}
	return append([]byte(nil), s.mu.state...), nil
}

func (s stateLog) LogStart(int32) (int64, error) { return 0, nil }

func (s stateLog) LogEnd(int32) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.end, nil
}

func (w *world) Leader(tp cluster.TopicPartition) (cluster.BrokerID, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.log(tp)
	if l.absent {
		return cluster.NoBroker, true
	}
	return cluster.BrokerID(tp.Topic[0]), !l.deleted // each topic has a broker of its own
}

func (w *world) WriteMarkers(_ cluster.BrokerID, req *kmsg.WriteTxnMarkersRequest, done func(*kmsg.WriteTxnMarkersResponse, error)) {
	w.mu.Lock()
	resp := kmsg.NewPtrWriteTxnMarkersResponse()
	told := true
	for _, m := range req.Markers {
		marker := kmsg.NewWriteTxnMarkersResponseMarker()
		marker.ProducerID = m.ProducerID
		for _, t := range m.Topics {
			topic := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			topic.Topic = t.Topic
			for _, p := range t.Partitions {
				does, tell := w.stepLocked()
				told = told && tell
				if does {
					code := w.log(cluster.TopicPartition{Topic: t.Topic, Partition: p}).end(m.ProducerID, m.ProducerEpoch, m.Committed, m.CoordinatorEpoch)
					topic.Partitions = append(topic.Partitions, kmsg.WriteTxnMarkersResponseMarkerTopicPartition{Partition: p, ErrorCode: code})
				}
			}
			marker.Topics = append(marker.Topics, topic)
		}
		resp.Markers = append(resp.Markers, marker)
	}
	w.mu.Unlock()
	if told {
		done(resp, nil)
	}
}

// end takes a marker.
func (l *dataLog) end(id int64, epoch int16, commit bool, coordinator int32) int16 {
	if epoch < l.epochs[id] {
		return kerr.InvalidProducerEpoch.Code
	}
	l.epochs[id] = epoch
	kind := "abort"
	if commit {
		kind = "commit"
	}
	l.markers = append(l.markers, fmt.Sprintf("%s of producer %d in epoch %d, coordinator epoch %d", kind, id, epoch, coordinator))
	if n, open := l.open[id]; open {
		if was, twice := l.ends[n]; twice && was != commit {
			panic(fmt.Sprintf("transaction %d has ended twice", n))
		}
		l.ends[n] = commit
		delete(l.open, id)
	}
	return 0
}

func tp(topic string) cluster.TopicPartition { return cluster.TopicPartition{Topic: topic} }
