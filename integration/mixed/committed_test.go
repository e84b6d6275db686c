package mixed

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Both kinds of broker run on one directory, in turn, and answer consumers that read committed with the same bytes and the same
// aborted transactions, from each offset on: of what Apache Kafka had written long ago, of what it writes now, and of
// what Ottla writes.
func TestReadersOfCommittedGetTheSameFromBothKinds(t *testing.T) {
	t.Parallel()
	c := prepare(t, map[string]string{"log.retention.ms": "-1", "transaction.state.log.num.partitions": "1"}, kafka)
	b := c.broker(1)
	c.seedGolden(b, goldenDirectory{archive: "clean", topics: []string{"txn", "txn-open"}})
	c.begin()
	topics := []string{"txn", "txn-open"}
	for _, topic := range []string{"by-kafka", "by-ottla"} {
		c.createTopicWith(topic, map[string]string{"segment.bytes": "3000", "index.interval.bytes": "500"}, replicas(1))
	}
	c.writeTransactions("by-kafka")
	topics = append(topics, "by-kafka")
	before := c.readCommitted(topics)
	b.stop()
	b.startAs(ottla)
	compareAnswers(t, before, c.readCommitted(topics))

	c.writeTransactions("by-ottla")
	topics = append(topics, "by-ottla")
	before = c.readCommitted(topics)
	b.stop()
	b.startAs(kafka)
	compareAnswers(t, c.readCommitted(topics), before)
}

// writeTransactions has five producers write into each other's transactions, of which many are aborted, over several
// segments. In the end one is open, and others have ended behind its begin.
func (c *cluster) writeTransactions(topic string) {
	c.t.Helper()
	random := rand.New(rand.NewPCG(3, 9))
	var producers [5]*kgo.Client
	var open [5]bool
	for i := range producers {
		p, err := kgo.NewClient(kgo.SeedBrokers(c.addrs()...), kgo.TransactionalID(fmt.Sprint(topic, i)), kgo.DefaultProduceTopic(topic))
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(p.Close)
		producers[i] = p
	}
	write := func(i int) {
		c.t.Helper()
		if !open[i] {
			if err := producers[i].BeginTransaction(); err != nil {
				c.t.Fatal(err)
			}
			open[i] = true
		}
		record := kgo.StringRecord(strings.Repeat("x", random.IntN(200)))
		if err := producers[i].ProduceSync(c.patient(), record).FirstErr(); err != nil {
			c.t.Fatal(err)
		}
	}
	end := func(i int, commit bool) {
		c.t.Helper()
		if err := producers[i].EndTransaction(c.patient(), kgo.TransactionEndTry(commit)); err != nil {
			c.t.Fatal(err)
		}
		open[i] = false
	}
	for range 90 {
		i := random.IntN(len(producers))
		if !open[i] || random.IntN(3) > 0 {
			write(i)
			continue
		}
		end(i, random.IntN(3) == 0)
	}
	for i := range producers {
		if open[i] {
			end(i, i%2 == 0)
		}
	}
	write(0)
	for i := range producers[1:] {
		write(i + 1)
		end(i+1, i%2 == 0)
	}
}

// fetchAsked is a fetch of a topic's partition 0.
type fetchAsked struct {
	topic    string
	from     int64
	maxBytes int32
}

// readCommitted asks for each offset of the topics, with room for one batch, for some, and for all.
func (c *cluster) readCommitted(topics []string) map[fetchAsked]kmsg.FetchResponseTopicPartition {
	c.t.Helper()
	// Fetch v12 names topics, v13 has ids.
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs()...), kgo.MaxVersions(kversion.V2_8_0()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	answers := map[fetchAsked]kmsg.FetchResponseTopicPartition{}
	for _, topic := range topics {
		c.awaitLeader(topic, 0, 1)
		for offset, end := int64(0), int64(1); offset <= end; offset++ {
			for _, maxBytes := range []int32{1, 700, 1 << 20} {
				ask := fetchAsked{topic, offset, maxBytes}
				resp, err := ask.request().RequestWith(c.patient(), client.SeedBrokers()[0])
				if err != nil {
					c.t.Fatalf("%+v: %v", ask, err)
				}
				got := resp.Topics[0].Partitions[0]
				answers[ask], end = got, got.HighWatermark
			}
		}
	}
	return answers
}

func (ask fetchAsked) request() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.IsolationLevel, req.SessionEpoch, req.MaxBytes = 1, -1, 1<<20
	topic, partition := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	partition.FetchOffset, partition.PartitionMaxBytes = ask.from, ask.maxBytes
	topic.Topic, topic.Partitions = ask.topic, append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	return req
}

// compareAnswers holds Ottla's answers to Apache Kafka's. Either may name aborted transactions that begin behind the records
// it returns, which a consumer does not look at: how far the search goes is up to the sparse index, and Kafka's, if the
// records end exactly where its first entry points, goes on to the second.
func compareAnswers(t *testing.T, kafkas, ottlas map[fetchAsked]kmsg.FetchResponseTopicPartition) {
	t.Helper()
	named := 0
	for ask, k := range kafkas {
		o := ottlas[ask]
		dropUnneeded(&k)
		dropUnneeded(&o)
		if !reflect.DeepEqual(k, o) {
			t.Errorf("%+v: Ottla answers\n%v\nApache Kafka\n%v", ask, describeAnswer(o), describeAnswer(k))
		}
		named += len(k.AbortedTransactions)
	}
	if len(ottlas) != len(kafkas) || named == 0 {
		t.Errorf("%d answers of Ottla, %d of Apache Kafka, with %d aborted transactions", len(ottlas), len(kafkas), named)
	}
}

func dropUnneeded(a *kmsg.FetchResponseTopicPartition) {
	const lengthAt, lastDeltaAt, header = 8, 23, 61 // in a batch
	next := int64(0)
	for b := a.RecordBatches; len(b) >= header; {
		next = int64(binary.BigEndian.Uint64(b)) + int64(binary.BigEndian.Uint32(b[lastDeltaAt:])) + 1
		b = b[min(len(b), lengthAt+4+int(binary.BigEndian.Uint32(b[lengthAt:]))):]
	}
	a.AbortedTransactions = slices.DeleteFunc(a.AbortedTransactions, func(x kmsg.FetchResponseTopicPartitionAbortedTransaction) bool {
		return x.FirstOffset >= next
	})
}

func describeAnswer(a kmsg.FetchResponseTopicPartition) string {
	return fmt.Sprintf("code %v, high watermark %d, last stable offset %d, log start %d, aborted %v, %d bytes", kerr.ErrorForCode(a.ErrorCode),
		a.HighWatermark, a.LastStableOffset, a.LogStartOffset, a.AbortedTransactions, len(a.RecordBatches))
}
