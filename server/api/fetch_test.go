package api

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// fetchRequest asks for partitions of a topic from offset 0 on, without a session.
func fetchRequest(topic string, partitions ...int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, 1<<20, -1
	if len(partitions) == 0 {
		return req
	}
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, topicID(topic)
	for _, partition := range partitions {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.PartitionMaxBytes = partition, 1<<20
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

func produced(t *testing.T, c *client, topic string, batches ...[]byte) {
	t.Helper()
	for _, topic := range ask[*kmsg.ProduceResponse](c, produceRequest(-1, topic, batches...), 9).Topics {
		for _, p := range topic.Partitions {
			if p.ErrorCode != 0 {
				t.Fatalf("produce: %+v", p)
			}
		}
	}
}

func TestFetchVersions(t *testing.T) {
	r := newRig(t)
	r.create("orders", 2)
	c := r.dial()
	first, second := records(t, 3, 100), records(t, 2, 5000)
	produced(t, c, "orders", first, second)
	for version := int16(4); version <= 17; version++ {
		resp := ask[*kmsg.FetchResponse](c, fetchRequest("orders", 0, 1), version)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 2 {
			t.Fatalf("v%d: %+v", version, resp)
		}
		if id := topicID("orders"); version >= 13 && resp.Topics[0].TopicID != id || version < 13 && resp.Topics[0].Topic != "orders" {
			t.Errorf("v%d: topic %q, id %v", version, resp.Topics[0].Topic, resp.Topics[0].TopicID)
		}
		for i, p := range resp.Topics[0].Partitions {
			want, end := first, int64(3)
			if i == 1 {
				want, end = second, 2
			}
			// Only offset and leader epoch may differ from what was produced, and here neither does.
			if !bytes.Equal(p.RecordBatches[21:], want[21:]) || p.HighWatermark != end || p.LastStableOffset != end || p.ErrorCode != 0 {
				t.Errorf("v%d: %d bytes of %d, %+v", version, len(p.RecordBatches), len(want), p.HighWatermark)
			}
			if p.AbortedTransactions != nil || p.PreferredReadReplica != -1 {
				t.Errorf("v%d: aborted %v, preferred replica %d", version, p.AbortedTransactions, p.PreferredReadReplica)
			}
		}
	}
	committed := fetchRequest("orders", 0)
	committed.IsolationLevel = 1
	if p := ask[*kmsg.FetchResponse](c, committed, 17).Topics[0].Partitions[0]; p.AbortedTransactions == nil {
		t.Error("who reads committed gets an array of aborted transactions, if an empty one")
	}
}

func TestFetchErrors(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	produced(t, c, "orders", records(t, 3, 10))

	late := fetchRequest("orders", 0)
	late.Topics[0].Partitions[0].FetchOffset = 9
	late.MaxWaitMillis, late.MinBytes = 10000, 1
	start := time.Now()
	p := ask[*kmsg.FetchResponse](c, late, 17).Topics[0].Partitions[0]
	if p.ErrorCode != codeOffsetOutOfRange || p.HighWatermark != -1 || p.LastStableOffset != -1 || p.LogStartOffset != -1 || p.RecordBatches == nil {
		t.Errorf("above the end: %+v", p)
	}
	if time.Since(start) > 5*time.Second {
		t.Error("an error must not wait")
	}
	if p := ask[*kmsg.FetchResponse](c, fetchRequest("orders", 5), 17).Topics[0].Partitions[0]; p.ErrorCode != codeUnknownTopicOrPartition || p.AbortedTransactions == nil {
		t.Errorf("an unknown partition: %+v", p)
	}
	if p := ask[*kmsg.FetchResponse](c, fetchRequest("nosuch", 0), 17).Topics[0].Partitions[0]; p.ErrorCode != codeUnknownTopicID {
		t.Errorf("an unknown id: %+v", p)
	}
	if p := ask[*kmsg.FetchResponse](c, fetchRequest("nosuch", 0), 12).Topics[0].Partitions[0]; p.ErrorCode != codeUnknownTopicOrPartition {
		t.Errorf("an unknown name: %+v", p)
	}
	odd := fetchRequest("orders", 0)
	odd.IsolationLevel = 5
	if resp := ask[*kmsg.FetchResponse](c, odd, 17); resp.ErrorCode != codeUnknownServerError || len(resp.Topics) != 0 {
		t.Errorf("isolation level 5: %+v", resp)
	}
	if resp := ask[*kmsg.FetchResponse](c, odd, 4); resp.Topics[0].Partitions[0].ErrorCode != codeUnknownServerError {
		t.Errorf("isolation level 5 in v4: %+v", resp)
	}
	nothing := fetchRequest("orders")
	nothing.MaxWaitMillis, nothing.MinBytes = 10000, 1
	if resp := ask[*kmsg.FetchResponse](c, nothing, 4); len(resp.Topics) != 0 {
		t.Errorf("a fetch of nothing: %+v", resp)
	}
}

func TestOldConsumersAreRefusedZstd(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	produced(t, c, "orders", records(t, 3, 10))
	settings := logdir.DefaultConfig()
	settings.CompressionType = "zstd"
	r.logs.Reconfigure("orders", settings)
	if p := ask[*kmsg.FetchResponse](c, fetchRequest("orders", 0), 9).Topics[0].Partitions[0]; p.ErrorCode != codeUnsupportedCompressionType ||
		p.HighWatermark != -1 || len(p.RecordBatches) > 0 {
		t.Errorf("v9: %+v", p)
	}
	if p := ask[*kmsg.FetchResponse](c, fetchRequest("orders", 0), 10).Topics[0].Partitions[0]; p.ErrorCode != 0 || len(p.RecordBatches) == 0 {
		t.Errorf("v10: %+v", p)
	}
}

func TestAWaitingFetchIsAnsweredByTheProduce(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	waiting, producer := r.dial(), r.dial()
	req := fetchRequest("orders", 0)
	req.MaxWaitMillis, req.MinBytes = 9000, 1
	waiting.send(req, 17)
	produced(t, producer, "orders", records(t, 1, 10))
	resp := waiting.receive(req).(*kmsg.FetchResponse)
	if p := resp.Topics[0].Partitions[0]; len(p.RecordBatches) == 0 || p.HighWatermark != 1 {
		t.Errorf("got %+v", p)
	}
}

// fetchSteps is the story of one session: what is asked, and what is named in the answer.
func TestFetchSessions(t *testing.T) {
	r := newRig(t)
	r.create("orders", 2)
	c := r.dial()
	fetch := func(session, epoch int32, change func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
		t.Helper()
		req := fetchRequest("orders")
		if change != nil {
			change(req)
		}
		req.SessionID, req.SessionEpoch = session, epoch
		return ask[*kmsg.FetchResponse](c, req, 17)
	}
	at := func(offset int64, partitions ...int32) func(*kmsg.FetchRequest) {
		return func(req *kmsg.FetchRequest) {
			if len(partitions) > 0 {
				req.Topics = fetchRequest("orders", partitions...).Topics
				for i := range req.Topics[0].Partitions {
					req.Topics[0].Partitions[i].FetchOffset = offset
				}
			}
		}
	}
	forget := func(partitions ...int32) func(*kmsg.FetchRequest) {
		return func(req *kmsg.FetchRequest) {
			req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{TopicID: topicID("orders"), Partitions: partitions}}
		}
	}
	named := func(resp *kmsg.FetchResponse) (partitions []int32) {
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				partitions = append(partitions, p.Partition)
			}
		}
		return partitions
	}
	expect := func(what string, resp *kmsg.FetchResponse, code int16, session int32, partitions ...int32) {
		t.Helper()
		if resp.ErrorCode != code || resp.SessionID != session || !reflect.DeepEqual(named(resp), partitions) {
			t.Errorf("%s: code %d, session %d, partitions %v; want %d, %d, %v", what, resp.ErrorCode, resp.SessionID, named(resp), code, session, partitions)
		}
	}

	full := fetch(0, 0, at(0, 0, 1))
	id := full.SessionID
	if id <= 0 {
		t.Fatalf("no session: %+v", full)
	}
	expect("a full fetch names all", full, 0, id, 0, 1)
	expect("nothing new", fetch(id, 1, nil), 0, id)
	produced(t, c, "orders", records(t, 1, 10))
	expect("records in partition 0", fetch(id, 2, nil), 0, id, 0)
	expect("they stay new until the offset moves", fetch(id, 3, nil), 0, id, 0)
	expect("the offset moves", fetch(id, 4, at(1, 0)), 0, id)
	expect("a gap in the epochs", fetch(id, 9, nil), codeInvalidFetchSessionEpoch, 0)
	expect("an epoch again", fetch(id, 4, nil), codeInvalidFetchSessionEpoch, 0)
	expect("the session has survived both", fetch(id, 5, nil), 0, id)
	expect("an unknown partition", fetch(id, 6, at(0, 7)), 0, id, 7)
	expect("its error is told again", fetch(id, 7, nil), 0, id, 7)
	expect("until it is forgotten", fetch(id, 8, forget(7)), 0, id)

	byName := fetchRequest("orders")
	byName.SessionID, byName.SessionEpoch = id, 9
	expect("names in a session of ids", ask[*kmsg.FetchResponse](c, byName, 12), codeFetchSessionTopicIDError, 0)
	other := r.dial()
	c, other = other, c
	expect("from another connection", fetch(id, 9, nil), 0, id)
	expect("all is forgotten", fetch(id, 10, forget(0, 1)), 0, 0)
	expect("and the session with it", fetch(id, 11, nil), codeFetchSessionIDNotFound, 0)
	expect("a session that never was", fetch(12345, 1, nil), codeFetchSessionIDNotFound, 0)

	id = fetch(0, 0, at(1, 0)).SessionID
	again := fetch(id, 0, at(1, 0, 1))
	if again.SessionID == id || again.SessionID == 0 {
		t.Errorf("a full fetch within session %d got session %d", id, again.SessionID)
	}
	expect("the old one is gone", fetch(id, 1, nil), codeFetchSessionIDNotFound, 0)
	expect("a final fetch ends the session", fetch(again.SessionID, -1, at(1, 0)), 0, 0, 0)
	expect("it has ended", fetch(again.SessionID, 1, nil), codeFetchSessionIDNotFound, 0)
	if empty := fetch(0, 0, nil); empty.SessionID == 0 {
		t.Error("a full fetch of nothing makes a session, too")
	}
	_ = other
}

func TestSessionsTakeTurns(t *testing.T) {
	r := newRig(t)
	r.create("orders", 3)
	c := r.dial()
	produced(t, c, "orders", records(t, 1, 2000), records(t, 1, 2000), records(t, 1, 2000))
	req := fetchRequest("orders", 0, 1, 2)
	req.SessionEpoch, req.MaxBytes = 0, 100 // room for one partition, the first that has something
	session := ask[*kmsg.FetchResponse](c, req, 17).SessionID
	seen := map[int32]bool{}
	for epoch := int32(1); epoch <= 3; epoch++ {
		req := fetchRequest("orders")
		req.SessionID, req.SessionEpoch, req.MaxBytes = session, epoch, 100
		for _, topic := range ask[*kmsg.FetchResponse](c, req, 17).Topics {
			for _, p := range topic.Partitions {
				if len(p.RecordBatches) > 0 {
					seen[p.Partition] = true
				}
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("of three partitions with data, in three fetches with room for one, only %v got their turn", seen)
	}
}

func TestEviction(t *testing.T) {
	now := time.Now()
	session := func(follower bool, age, idle time.Duration, size int) *fetchSession {
		s := newFetchSession(true, follower, now.Add(-age))
		s.lastUsed, s.size = now.Add(-idle), size
		return s
	}
	for name, tc := range map[string]struct {
		there   []*fetchSession
		comes   *fetchSession
		evicted int // index in there, -1 for none: the newcomer gets no session
	}{
		"one that is in use and young stays":           {[]*fetchSession{session(false, time.Minute, 0, 1)}, session(false, 0, 0, 10), -1},
		"one unused for long goes":                     {[]*fetchSession{session(false, time.Hour, time.Hour, 99)}, session(false, 0, 0, 1), 0},
		"an old and smaller one goes":                  {[]*fetchSession{session(false, time.Hour, 0, 5), session(false, time.Hour, 0, 2)}, session(false, 0, 0, 3), 1},
		"a larger one stays":                           {[]*fetchSession{session(false, time.Hour, 0, 5)}, session(false, 0, 0, 3), -1},
		"a consumer's makes room for a follower's":     {[]*fetchSession{session(false, time.Hour, 0, 500)}, session(true, 0, 0, 1), 0},
		"a follower's makes no room for a consumer's":  {[]*fetchSession{session(true, time.Hour, 0, 1)}, session(false, 0, 0, 500), -1},
		"a young one is safe from a larger follower's": {[]*fetchSession{session(false, time.Minute, 0, 1)}, session(true, 0, 0, 500), -1},
	} {
		t.Run(name, func(t *testing.T) {
			all := newFetchSessions(len(tc.there))
			for _, s := range tc.there {
				if !all.add(s, s.size) {
					t.Fatal("there was no room to begin with")
				}
			}
			if got := all.add(tc.comes, tc.comes.size); got != (tc.evicted >= 0) {
				t.Errorf("got a session: %v", got)
			}
			for i, s := range tc.there {
				if gone := all.get(s.id) == nil; gone != (i == tc.evicted) {
					t.Errorf("session %d gone: %v", i, gone)
				}
			}
		})
	}
}

// TestFetchDecodes holds the hand-written decoder to kmsg's.
func TestFetchDecodes(t *testing.T) {
	r := newRig(t)
	random := rand.New(rand.NewPCG(5, 6))
	for version := int16(4); version <= 17; version++ {
		for range 50 {
			req := kmsg.NewPtrFetchRequest()
			fill(random, reflect.ValueOf(req).Elem(), 4)
			req.SetVersion(version)
			body := req.AppendTo(nil)
			want := kmsg.NewPtrFetchRequest()
			want.SetVersion(version)
			if err := want.ReadFrom(body); err != nil {
				t.Fatal(err)
			}
			f := &fetch{api: r.api, call: &call{version: version, frame: newFrame()}}
			if err := f.decode(body); err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			sameFetch(t, version, f, want)
		}
	}
}

func sameFetch(t *testing.T, version int16, f *fetch, want *kmsg.FetchRequest) {
	t.Helper()
	replicaID, replicaEpoch := want.ReplicaID, int64(-1)
	if version >= 15 {
		replicaID = -1
	}
	if version >= 12 && (want.ReplicaState.ID != -1 || want.ReplicaState.Epoch != -1) {
		replicaID, replicaEpoch = want.ReplicaState.ID, want.ReplicaState.Epoch
	}
	p := replica.FetchParams{Replica: cluster.BrokerID(replicaID), ReplicaEpoch: replicaEpoch,
		MaxWait: time.Duration(want.MaxWaitMillis) * time.Millisecond, MaxBytes: min(want.MaxBytes, f.api.Config.Current().FetchMaxBytes),
		Isolation: want.IsolationLevel, OnlyLeader: version < 11, ClientRack: want.Rack}
	if want.Rack != "" {
		p.ClientHost = "/"
	}
	p.MinBytes = min(want.MinBytes, p.MaxBytes)
	if f.params != p {
		t.Errorf("v%d: params %+v, want %+v", version, f.params, p)
	}
	i, j := 0, 0
	for _, topic := range want.Topics {
		for _, p := range topic.Partitions {
			got := f.asked[i]
			wanted := cachedPartition{fetchPartitionKey: fetchPartitionKey{id: topic.TopicID, topic: topic.Topic, partition: p.Partition},
				maxBytes: p.PartitionMaxBytes, leaderEpoch: p.CurrentLeaderEpoch, lastFetchedEpoch: p.LastFetchedEpoch,
				fetchOffset: p.FetchOffset, logStartOffset: p.LogStartOffset, highWatermark: -1, answeredLogStart: -1}
			if got != wanted {
				t.Errorf("v%d: %+v, want %+v", version, got, wanted)
			}
			i++
		}
	}
	for _, topic := range want.ForgottenTopics {
		for _, partition := range topic.Partitions {
			if got := f.forgotten[j]; got.id != topic.TopicID || got.topic != topic.Topic || got.partition != partition {
				t.Errorf("v%d: forgotten %+v", version, got)
			}
			j++
		}
	}
	if i != len(f.asked) || j != len(f.forgotten) {
		t.Errorf("v%d: %d partitions and %d forgotten, want %d and %d", version, len(f.asked), len(f.forgotten), i, j)
	}
}

func FuzzFetch(f *testing.F) {
	r := newRig(f)
	for version := int16(4); version <= 17; version++ {
		req := fetchRequest("orders", 0, 1)
		req.SetVersion(version)
		f.Add(version, req.AppendTo(nil))
	}
	s := schemaOf(1)
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if version < 4 || version > 17 {
			return
		}
		fetch := &fetch{api: r.api, call: &call{version: version, frame: newFrame()}}
		err := fetch.decode(body)
		if _, guarded := s.check(body, version); guarded == nil && err != nil {
			t.Errorf("refused, while the guard lets it pass: %v", err)
		}
		if len(fetch.asked) > len(body)/leastFetchPartition || len(fetch.forgotten) > len(body)/4 {
			t.Errorf("%d partitions and %d forgotten of %d bytes", len(fetch.asked), len(fetch.forgotten), len(body))
		}
	})
}

// TestFetchAllocations holds a fetch to a handful of allocations of its own, and one of six file ranges to
// ten for each: most of those are made by the way to sendfile.
func TestFetchAllocations(t *testing.T) {
	r := newRig(t)
	r.create("orders", 6)
	c := r.dial()
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	for range 100 {
		b.Append(1, nil, make([]byte, 100))
	}
	one := b.Bytes()
	for range 5 {
		produced(t, c, "orders", one, one, one, one, one, one)
	}
	req := fetchRequest("orders", 0, 1, 2, 3, 4, 5)
	req.SetVersion(17)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 1)
	answer := make([]byte, 1<<20)
	var size [4]byte
	round := func() {
		c.raw(frame)
		if _, err := readFull(c, size[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := readFull(c, answer[:binary.BigEndian.Uint32(size[:])]); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		round()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 300
	for range rounds {
		round()
	}
	runtime.ReadMemStats(&after)
	per := float64(after.Mallocs-before.Mallocs) / rounds
	t.Logf("%.1f allocations a fetch of six partitions, %d bytes", per, (after.TotalAlloc-before.TotalAlloc)/rounds)
	if per > 100 { // the race detector empties pools
		t.Errorf("%.1f allocations a fetch of six partitions", per)
	}
}
