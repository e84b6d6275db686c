package fetcher

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

func sampleRequest(version int16) *fetchRequest {
	r := &fetchRequest{replica: 3, replicaEpoch: 439, answer: &fetchAnswer{}}
	r.Version, r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.SessionID, r.SessionEpoch = version, 500, 1, 10485760, 77, 5
	for i, k := range []key{{topic: "a"}, {topic: "a", partition: 1}, {topic: "b"}, {topic: "a", partition: 2}} {
		if version >= byID {
			k = key{id: cluster.TopicID{k.topic[0]}, partition: k.partition}
		}
		r.asked = append(r.asked, ask{k, position{leaderEpoch: int32(i), offset: int64(10 * i), lastEpoch: int32(i) - 1, logStart: int64(i)}, 1048576})
		if i > 0 {
			r.forgotten = append(r.forgotten, k)
		}
	}
	return r
}

// TestRequestsAreWhatOthersRead holds every version of our Fetch to kmsg: it reads it, and writes the same bytes.
func TestRequestsAreWhatOthersRead(t *testing.T) {
	for version := int16(oldestFetch); version <= newestFetch; version++ {
		ours := sampleRequest(version)
		body := ours.AppendTo(nil)
		theirs := kmsg.NewPtrFetchRequest()
		theirs.Version = version
		if err := theirs.ReadFrom(body); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if again := theirs.AppendTo(nil); !bytes.Equal(again, body) {
			t.Errorf("version %d:\n% x, kmsg writes\n% x", version, body, again)
		}
		replica := theirs.ReplicaID
		if version >= taggedSince {
			if replica = theirs.ReplicaState.ID; theirs.ReplicaState.Epoch != 439 {
				t.Errorf("version %d: replica epoch %d", version, theirs.ReplicaState.Epoch)
			}
		}
		if replica != 3 || len(theirs.Topics) != 3 || len(theirs.Topics[0].Partitions) != 2 || theirs.Topics[0].Partitions[1].FetchOffset != 10 || len(theirs.ForgottenTopics) != 3 {
			t.Errorf("version %d: %+v", version, theirs)
		}
		if version >= divergingSince && theirs.Topics[2].Partitions[0].LastFetchedEpoch != 2 {
			t.Errorf("version %d: %+v", version, theirs.Topics[2])
		}
	}
}

func TestAnswersOfOthersAreRead(t *testing.T) {
	for version := int16(oldestFetch); version <= newestFetch; version++ {
		theirs := kmsg.NewPtrFetchResponse()
		theirs.Version, theirs.ErrorCode, theirs.SessionID = version, 0, 99
		for i, name := range []string{"a", "b"} {
			topic := kmsg.NewFetchResponseTopic()
			if topic.Topic = name; version >= byID {
				topic.TopicID = [16]byte{name[0]}
			}
			for n := range int32(2) {
				p := kmsg.NewFetchResponseTopicPartition()
				p.Partition, p.ErrorCode, p.HighWatermark, p.LogStartOffset = n, int16(i), 100+int64(n), int64(n)
				p.RecordBatches = bytes.Repeat([]byte{byte(n + 1)}, int(n)*200)
				p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 1, FirstOffset: 2}}
				p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = n-1, int64(n)-1
				p.CurrentLeader.LeaderID = 7
				topic.Partitions = append(topic.Partitions, p)
			}
			theirs.Topics = append(theirs.Topics, topic)
		}
		theirs.Brokers = []kmsg.FetchResponseBroker{{NodeID: 7, Host: "there", Port: 9092}}
		ours := &fetchAnswer{}
		ours.Version = version
		if err := ours.ReadFrom(theirs.AppendTo(nil)); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if ours.SessionID != 99 || len(ours.partitions) != 4 {
			t.Fatalf("version %d: session %d, %d partitions", version, ours.SessionID, len(ours.partitions))
		}
		p := ours.partitions[3]
		if p.partition != 1 || p.code != 1 || p.highWatermark != 101 || p.logStart != 1 || !bytes.Equal(p.records, bytes.Repeat([]byte{2}, 200)) {
			t.Errorf("version %d: %+v", version, p)
		}
		if want := (epochEnd{0, 0}); version >= divergingSince && p.diverging != want || version < divergingSince && p.diverging != nowhere {
			t.Errorf("version %d: diverging %v", version, p.diverging)
		}
	}
}

// recordedFetch is a Fetch between Apache Kafka's brokers, as its request log has it.
type recordedFetch struct {
	Version  int16
	ClientID string
	Request  struct {
		ReplicaState struct {
			ReplicaID    int32
			ReplicaEpoch int64
		}
		MaxWaitMs, MinBytes, MaxBytes, SessionID, SessionEpoch int32
		Topics                                                 []struct {
			TopicID    string
			Partitions []struct {
				Partition, CurrentLeaderEpoch, LastFetchedEpoch, PartitionMaxBytes int32
				FetchOffset, LogStartOffset                                        int64
			}
		}
		ForgottenTopicsData []struct {
			TopicID    string
			Partitions []int32
		}
		RackID string
	}
}

// TestRequestsAreWhatKafkaSends builds what Apache Kafka's followers were seen to send, and has the same fields in it.
func TestRequestsAreWhatKafkaSends(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "kafka-fetches.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var k recordedFetch
		if err := json.Unmarshal([]byte(line), &k); err != nil {
			t.Fatal(err)
		}
		want := kmsg.NewPtrFetchRequest()
		want.Version, want.MaxWaitMillis, want.MinBytes, want.MaxBytes = k.Version, k.Request.MaxWaitMs, k.Request.MinBytes, k.Request.MaxBytes
		want.SessionID, want.SessionEpoch = k.Request.SessionID, k.Request.SessionEpoch
		want.ReplicaState.ID, want.ReplicaState.Epoch = k.Request.ReplicaState.ReplicaID, k.Request.ReplicaState.ReplicaEpoch
		ours := &fetchRequest{replica: cluster.BrokerID(k.Request.ReplicaState.ReplicaID), replicaEpoch: k.Request.ReplicaState.ReplicaEpoch}
		ours.Version, ours.MaxWaitMillis, ours.MinBytes, ours.MaxBytes = want.Version, want.MaxWaitMillis, want.MinBytes, want.MaxBytes
		ours.SessionID, ours.SessionEpoch = want.SessionID, want.SessionEpoch
		for _, kt := range k.Request.Topics {
			topic := kmsg.NewFetchRequestTopic()
			topic.TopicID = topicID(t, kt.TopicID)
			for _, kp := range kt.Partitions {
				p := kmsg.NewFetchRequestTopicPartition()
				p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch = kp.Partition, kp.CurrentLeaderEpoch, kp.FetchOffset, kp.LastFetchedEpoch
				p.LogStartOffset, p.PartitionMaxBytes = kp.LogStartOffset, kp.PartitionMaxBytes
				topic.Partitions = append(topic.Partitions, p)
				ours.asked = append(ours.asked, ask{key{id: topic.TopicID, partition: p.Partition},
					position{kp.CurrentLeaderEpoch, kp.FetchOffset, kp.LastFetchedEpoch, kp.LogStartOffset}, kp.PartitionMaxBytes})
			}
			want.Topics = append(want.Topics, topic)
		}
		for _, kt := range k.Request.ForgottenTopicsData {
			topic := kmsg.NewFetchRequestForgottenTopic()
			topic.TopicID, topic.Partitions = topicID(t, kt.TopicID), kt.Partitions
			want.ForgottenTopics = append(want.ForgottenTopics, topic)
			for _, p := range kt.Partitions {
				ours.forgotten = append(ours.forgotten, key{id: topic.TopicID, partition: p})
			}
		}
		if got := ours.AppendTo(nil); !bytes.Equal(got, want.AppendTo(nil)) {
			t.Errorf("% x\nwant\n% x\nof %s", got, want.AppendTo(nil), line)
		}
	}
}

func topicID(t *testing.T, text string) cluster.TopicID {
	id, err := cluster.ParseTopicID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// FuzzAnswer: whatever comes, no panic, and nothing in the answer that does not fit into its bytes.
func FuzzAnswer(f *testing.F) {
	for version := int16(oldestFetch); version <= newestFetch; version++ {
		r := kmsg.NewPtrFetchResponse()
		r.Version = version
		topic := kmsg.NewFetchResponseTopic()
		p := kmsg.NewFetchResponseTopicPartition()
		p.RecordBatches, p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = []byte("records"), 1, 2
		topic.Partitions = append(topic.Partitions, p)
		r.Topics = append(r.Topics, topic)
		f.Add(version, r.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		a := &fetchAnswer{}
		a.Version = min(max(version, oldestFetch), newestFetch)
		_ = a.ReadFrom(body) // what was read before an error must be sound, too
		if len(a.partitions)*leastPartition > len(body)+leastPartition {
			t.Errorf("%d partitions in %d bytes", len(a.partitions), len(body))
		}
		n := 0
		for i := range a.partitions {
			n += len(a.partitions[i].records)
		}
		if n > len(body) {
			t.Errorf("%d bytes of records in %d", n, len(body))
		}
	})
}

// FuzzRecords: whatever stands in an answer, no panic, and only whole batches.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("no batch"))
	f.Add(make([]byte, 61))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := wholeBatches(b)
		if err == nil && (len(r.batches) == 0 || len(r.batches) > len(b)) {
			t.Errorf("%d bytes of batches in %d", len(r.batches), len(b))
		}
	})
}
