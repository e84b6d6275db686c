package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/testcluster"
)

// rawProducer sends batches under a producer id, epoch and sequence of its own choice, which no client lets one choose.
type rawProducer struct {
	client *kgo.Client
	topic  string
	id     int64
}

func newRawProducer(t *testing.T, cluster *testcluster.Cluster, topic string) *rawProducer {
	t.Helper()
	createTopics(t, cluster.Addrs(), 1, 1, topic)
	client := franzClient(t, cluster)
	answer, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(patient(t), client)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &rawProducer{client, topic, answer.ProducerID}
}

// send produces a batch of one record, and returns its offset, or the broker's error.
func (p *rawProducer) send(t *testing.T, epoch int16, sequence int32) (int64, error) {
	t.Helper()
	batch := kmsg.NewRecordBatch()
	batch.PartitionLeaderEpoch, batch.Magic = -1, 2
	batch.FirstTimestamp = time.Now().UnixMilli()
	batch.MaxTimestamp = batch.FirstTimestamp
	batch.ProducerID, batch.ProducerEpoch, batch.FirstSequence, batch.NumRecords = p.id, epoch, sequence, 1
	record := kmsg.Record{Value: fmt.Append(nil, epoch, "/", sequence)}
	body := record.AppendTo(nil) // its length, which is 0 yet, is one byte
	batch.Records = append(binary.AppendVarint(nil, int64(len(body)-1)), body[1:]...)
	encoded := batch.AppendTo(nil)
	const length, crc, attributes = 8, 17, 21 // positions
	binary.BigEndian.PutUint32(encoded[length:], uint32(len(encoded)-length-4))
	binary.BigEndian.PutUint32(encoded[crc:], crc32.Checksum(encoded[attributes:], crc32.MakeTable(crc32.Castagnoli)))

	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = encoded
	to := kmsg.NewProduceRequestTopic()
	to.Topic, to.Partitions = p.topic, append(to.Partitions, partition)
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis, request.Topics = -1, 5000, append(request.Topics, to)
	answer, err := request.RequestWith(patient(t), p.client)
	if err != nil {
		t.Fatal(err)
	}
	got := answer.Topics[0].Partitions[0]
	return got.BaseOffset, kerr.ErrorForCode(got.ErrorCode)
}

// KIP-360: a producer whose sequence was broken goes on under the next epoch, from 0. What it sent under the old one, and has
// not arrived yet, comes too late.
func TestAProducerBumpsItsEpoch(t *testing.T) {
	p := newRawProducer(t, testcluster.Start(t, 1), "bumped")
	for _, step := range []struct {
		what     string
		epoch    int16
		sequence int32
		offset   int64 // unless it fails
		fails    error
	}{
		{what: "its first record", offset: 0},
		{what: "the next one", sequence: 1, offset: 1},
		{what: "the same once more, since the answer was lost", sequence: 1, offset: 1},
		{what: "a record behind a lost one", sequence: 3, fails: kerr.OutOfOrderSequenceNumber},
		{what: "a new epoch that does not begin with 0", epoch: 1, sequence: 3, fails: kerr.OutOfOrderSequenceNumber},
		{what: "the next epoch", epoch: 1, offset: 2},
		{what: "the lost one, late", sequence: 2, fails: kerr.InvalidProducerEpoch},
		{what: "the next epoch goes on", epoch: 1, sequence: 1, offset: 3},
	} {
		offset, err := p.send(t, step.epoch, step.sequence)
		if !errors.Is(err, step.fails) || step.fails == nil && offset != step.offset {
			t.Errorf("%s: offset %d, %v; want %d, %v", step.what, offset, err, step.offset, step.fails)
		}
	}
}

// A partition forgets a producer that is silent for producer.id.expiration.ms, which may change while the broker runs: it is no longer described, its next record is
// welcome whatever its sequence, and what it sends again is no longer known.
func TestASilentProducerIsForgotten(t *testing.T) {
	p := newRawProducer(t, testcluster.Start(t, 1, testcluster.WithSetting("producer.id.expiration.check.interval.ms", "50")), "silent")
	expiry := "100"
	changed, err := kadm.NewClient(p.client).AlterBrokerConfigs(patient(t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "producer.id.expiration.ms", Value: &expiry}})
	if err != nil || changed[0].Err != nil {
		t.Fatal(changed, err)
	}
	forgotten := func() {
		t.Helper()
		ctx := patient(t)
		topics := kadm.TopicsSet{}
		topics.Add(p.topic, 0)
		for {
			all, err := kadm.NewClient(p.client).DescribeProducers(ctx, topics)
			described, found := all[p.topic].Partitions[0]
			if err == nil && found && described.Err == nil && len(described.ActiveProducers) == 0 {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("described: %v (%v)", described, err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	for offset, sequence := range []int32{0, 0, 7} {
		if got, err := p.send(t, 0, sequence); err != nil || got != int64(offset) {
			t.Fatalf("sequence %d: offset %d, %v; want %d", sequence, got, err, offset)
		}
		forgotten()
	}
}

// The coordinator forgets a transactional id that nobody uses for transactional.id.expiration.ms. Its producer is told so when
// it comes back, and its client goes on with another producer id.
func TestAnUnusedTransactionalIDIsForgotten(t *testing.T) {
	cluster := testcluster.Start(t, 1, testcluster.WithSetting("transactional.id.expiration.ms", "1000"),
		testcluster.WithSetting("transaction.remove.expired.transaction.cleanup.interval.ms", "100"))
	createTopics(t, cluster.Addrs(), 1, 1, "orders")
	producer := franzClient(t, cluster, kgo.TransactionalID("seldom"), kgo.DefaultProduceTopic("orders"))
	transact := func(value string) error {
		if err := producer.BeginTransaction(); err != nil {
			return err
		}
		if err := producer.ProduceSync(patient(t), kgo.StringRecord(value)).FirstErr(); err != nil {
			if aborted := producer.EndTransaction(patient(t), kgo.TryAbort); aborted != nil {
				t.Fatalf("abort after %v: %v", err, aborted)
			}
			return err
		}
		return producer.EndTransaction(patient(t), kgo.TryCommit)
	}
	if err := transact("first"); err != nil {
		t.Fatal(err)
	}
	before, _, err := producer.ProducerID(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	admin, ctx := kadm.NewClient(producer), patient(t)
	for {
		described, err := admin.DescribeTransactions(ctx, "seldom")
		if err == nil && errors.Is(described["seldom"].Err, kerr.TransactionalIDNotFound) {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("described: %v (%v)", described, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := transact("lost"); !errors.Is(err, kerr.InvalidProducerIDMapping) {
		t.Errorf("a producer that is not known any more: %v", err)
	}
	// On a machine that is slow enough the id expires again before it is used.
	for err = transact("second"); errors.Is(err, kerr.InvalidProducerIDMapping); err = transact("second") {
	}
	if err != nil {
		t.Fatal(err)
	}
	if after, _, err := producer.ProducerID(patient(t)); err != nil || after == before {
		t.Errorf("producer id %d, before %d, %v", after, before, err)
	}
	reader := franzClient(t, cluster, kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	var values []string
	for len(values) < 2 {
		fetches := reader.PollFetches(patient(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	if values[0] != "first" || values[1] != "second" {
		t.Errorf("committed: %q", values)
	}
}
