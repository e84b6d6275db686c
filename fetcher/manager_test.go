package fetcher

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// stub is a replica that takes what it is given.
type stub struct {
	sync.Mutex
	end     int64
	fail    error
	entered chan struct{} // told when an append begins
	leave   chan struct{} // an append waits for it
}

func (s *stub) FetchPosition() (int64, int32)       { return s.LogEndOffset(), 0 }
func (s *stub) LogStartOffset() int64               { return 0 }
func (s *stub) EpochEnd(epoch int32) (int32, int64) { return epoch, s.LogEndOffset() }
func (s *stub) LogEndOffset() int64 {
	s.Lock()
	defer s.Unlock()
	return s.end
}
func (s *stub) TruncateTo(int32, int64) error                  { return nil }
func (s *stub) TruncateFullyAndStartAt(_ int32, _ int64) error { return nil }
func (s *stub) AppendAsFollower(_ int32, b []byte, _, _ int64) error {
	if s.entered != nil && len(b) > 0 {
		s.entered <- struct{}{}
		<-s.leave
	}
	s.Lock()
	defer s.Unlock()
	if s.fail == nil && len(b) > 0 {
		s.end++
	}
	return s.fail
}

// source is a leader that always has a record more.
type source struct {
	mu      sync.Mutex
	wait    time.Duration
	begun   []*kmsg.FetchRequest
	fetches []*kmsg.FetchRequest // those of them that were answered
	down    error
	code    int16 // for every partition
	closed  bool
}

func (s *source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *source) RoundTrip(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	r := kmsg.NewPtrFetchRequest()
	r.Version = req.GetVersion()
	if err := r.ReadFrom(req.AppendTo(nil)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.begun = append(s.begun, r)
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(max(s.wait, 10*time.Millisecond)):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches = append(s.fetches, r)
	if s.down != nil {
		return nil, s.down
	}
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = r.Version
	for _, asked := range r.Topics {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
		for _, p := range asked.Partitions {
			out := kmsg.NewFetchResponseTopicPartition()
			out.Partition, out.ErrorCode, out.HighWatermark = p.Partition, s.code, p.FetchOffset+5
			if s.code == 0 {
				out.RecordBatches = oneRecord()
				batch.SetOffset(out.RecordBatches, p.FetchOffset)
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	answer := req.ResponseKind()
	answer.SetVersion(r.Version)
	return answer, answer.ReadFrom(resp.AppendTo(nil))
}

// oneRecord is a batch.
func oneRecord() []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	b.Append(1000, nil, []byte("value"))
	return slices.Clone(b.Bytes())
}

// seen are the fetches that were begun, and those of them that were answered.
func (s *source) seen() (begun, answered []*kmsg.FetchRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.begun), slices.Clone(s.fetches)
}

// bench is a Manager whose leaders are sources.
type bench struct {
	*Manager
	sources map[fetcherID]*source
	size    atomic.Int32 // fetchers for each leader
}

func newBench(t *testing.T, registry prometheus.Registerer) *bench {
	b := &bench{sources: map[fetcherID]*source{}}
	log := logrus.New()
	log.SetOutput(io.Discard)
	b.Manager = New(Options{ID: 1, Log: log, Config: func() Config { return Config{Fetchers: int(b.size.Load())} }, Metrics: registry, Connect: func(leader cluster.BrokerID, n int) Leader {
		id := fetcherID{leader, n}
		if b.sources[id] == nil {
			b.sources[id] = &source{}
		}
		return b.sources[id]
	}})
	t.Cleanup(b.Close)
	return b
}

func followingOf(n int32, leader cluster.BrokerID, r Replica) Following {
	return Following{TopicPartition: cluster.TopicPartition{Topic: "orders", Partition: n}, TopicID: ordersID, Leader: leader, LeaderEpoch: 1, Replica: r}
}

func TestRemovingWaitsForTheAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		s := &stub{entered: make(chan struct{}), leave: make(chan struct{})}
		b.AddPartitions([]Following{followingOf(0, 2, s)})
		<-s.entered
		removed := make(chan struct{})
		go func() {
			b.RemovePartitions([]cluster.TopicPartition{{Topic: "orders"}})
			close(removed)
		}()
		synctest.Wait()
		select {
		case <-removed:
			t.Fatal("removed while an append was under way")
		default:
		}
		close(s.leave)
		<-removed
		if len(b.Snapshot()) != 0 || !b.sources[fetcherID{2, 0}].closed {
			t.Errorf("a fetcher without partitions goes on: %+v", b.Snapshot())
		}
		end := s.LogEndOffset()
		time.Sleep(time.Second)
		if s.LogEndOffset() != end {
			t.Error("appended after the removal")
		}
		b.Close()
	})
}

// TestABadPartitionHoldsUpNobody: one replica refuses, the other goes on; what is wrong is told, with the time since when.
func TestABadPartitionHoldsUpNobody(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		aside bool
	}{
		"records that are corrupt are asked for again": {logdir.ErrCorruptBatch, false},
		"a failed disk waits for the controller":       {logdir.ErrStorage, true},
		"so does a reign that is over":                 {ErrReignOver, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				registry := prometheus.NewRegistry()
				b := newBench(t, registry)
				bad, good := &stub{fail: tc.err}, &stub{}
				began := time.Now()
				b.AddPartitions([]Following{followingOf(0, 2, bad), followingOf(1, 2, good)})
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if good.LogEndOffset() < 300 {
					t.Errorf("the good one has copied %d records in 10 s", good.LogEndOffset())
				}
				s := b.Snapshot()
				if len(s) != 1 || len(s[0].Troubled) != 1 {
					t.Fatalf("snapshot %+v", s)
				}
				trouble := s[0].Troubled[0]
				if trouble.Partition != "orders-0" || trouble.Aside != tc.aside || trouble.Cause != tc.err.Error() || trouble.Since.Sub(began) > 100*time.Millisecond {
					t.Errorf("trouble %+v", trouble)
				}
				failed := map[bool]string{true: "1", false: "0"}[tc.aside]
				want := `# HELP kafka_server_replicafetchermanager_failedpartitionscount Partitions set aside until the controller decides anew.
# TYPE kafka_server_replicafetchermanager_failedpartitionscount gauge
kafka_server_replicafetchermanager_failedpartitionscount{clientid="Replica"} ` + failed + "\n"
				if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "kafka_server_replicafetchermanager_failedpartitionscount"); err != nil {
					t.Error(err)
				}
				b.Close()
			})
		})
	}
}

// TestRestsGrow: a leader that is away is asked at once, and then less and less often, up to replica.fetch.backoff.ms.
func TestRestsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		src := &source{down: errors.New("away")}
		b.sources[fetcherID{2, 0}] = src
		b.AddPartitions([]Following{followingOf(0, 2, &stub{})})
		time.Sleep(500 * time.Millisecond)
		_, soon := src.seen()
		time.Sleep(20 * time.Second)
		_, all := src.seen()
		if len(soon) < 4 || len(all)-len(soon) < 15 || len(all)-len(soon) > 25 {
			t.Errorf("%d attempts in the first half second, %d in twenty more", len(soon), len(all)-len(soon))
		}
		if s := b.Snapshot(); s[0].Down != "away" || time.Since(s[0].Since) < 20*time.Second {
			t.Errorf("snapshot %+v", s)
		}
		b.Close()
	})
}

// TestPartitionsWithoutIDs: one partition without a topic id, and the fetcher names all by their topics' names.
func TestPartitionsWithoutIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		nameless := followingOf(1, 2, &stub{})
		nameless.TopicID = cluster.TopicID{}
		b.AddPartitions([]Following{followingOf(0, 2, &stub{})})
		time.Sleep(time.Second)
		b.AddPartitions([]Following{nameless})
		time.Sleep(time.Second)
		b.RemovePartitions([]cluster.TopicPartition{nameless.TopicPartition})
		time.Sleep(time.Second)
		var versions []int16
		_, fetches := b.sources[fetcherID{2, 0}].seen()
		for _, f := range fetches {
			if n := len(versions); n == 0 || versions[n-1] != f.Version {
				versions = append(versions, f.Version)
			}
		}
		if len(versions) != 3 || versions[0] != 17 || versions[1] != 12 || versions[2] != 17 {
			t.Errorf("versions %v, want 17, 12, 17", versions)
		}
		b.Close()
	})
}

// TestNewPartitionsDoNotWait: a fetch that only waits for records makes way for new partitions, but not for each of them.
func TestNewPartitionsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		src := &source{wait: 500 * time.Millisecond}
		b.sources[fetcherID{2, 0}] = src
		b.AddPartitions([]Following{followingOf(0, 2, &stub{})})
		time.Sleep(5100 * time.Millisecond) // in the middle of a fetch
		_, answered := src.seen()
		asked := len(answered)
		if asked != 10 {
			t.Errorf("%d fetches in five seconds", asked)
		}
		for n := range int32(5) {
			b.AddPartitions([]Following{followingOf(n+1, 2, &stub{})})
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		begun, _ := src.seen()
		last := begun[len(begun)-1]
		if n := len(begun) - asked; n != 2 || len(last.Topics) != 1 || len(last.Topics[0].Partitions) != 6 || last.SessionEpoch != 0 {
			t.Errorf("%d more fetches were begun, the last one %+v", n, last)
		}
		b.AddPartitions([]Following{followingOf(6, 2, &stub{})})
		time.Sleep(50 * time.Millisecond)
		if begun, _ := src.seen(); len(begun)-asked != 2 {
			t.Errorf("hurried twice within %v", hurryEvery)
		}
		b.Close()
	})
}

func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		var all []Following
		var stubs []*stub
		for n := range int32(8) {
			stubs = append(stubs, &stub{})
			all = append(all, followingOf(n, 2, stubs[n]))
		}
		b.AddPartitions(all)
		for _, size := range []int32{4, 2, 1, 3} {
			b.size.Store(size)
			b.Resize()
			if s := b.Snapshot(); len(s) != int(size) {
				t.Fatalf("%d fetchers, want %d", len(s), size)
			}
			before := stubs[7].LogEndOffset()
			time.Sleep(time.Second)
			if stubs[7].LogEndOffset() == before {
				t.Errorf("with %d fetchers nothing is copied", size)
			}
		}
		b.Close()
		b.Close()
	})
}

// TestFetcherOf compares with what Apache Kafka's getFetcherId gives: Utils.abs(31 * topic.hashCode() + partition) % n.
func TestFetcherOf(t *testing.T) {
	for topic, want := range map[string]int32{"orders": -1008770331, "": 0, "a": 97, "polygenelubricants": -2147483648} {
		if got := javaHash(topic); got != want {
			t.Errorf("hash of %q is %d, want %d", topic, got, want)
		}
	}
	for n := range 9 {
		for p := range int32(50) {
			if f := fetcherOf(cluster.TopicPartition{Topic: "polygenelubricants", Partition: p}, n+1); f < 0 || f > n {
				t.Fatalf("fetcher %d of %d", f, n+1)
			}
		}
	}
}
