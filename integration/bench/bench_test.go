package main

import (
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir/batch"
)

func TestTheLoadIsValid(t *testing.T) {
	encoded, count := encodeBatch(16<<10, recordSize, 1_700_000_000_000)
	header, err := batch.ReadHeader(encoded)
	if err != nil || int(header.Count) != count || header.SizeInBytes() != len(encoded) || len(encoded) > 16<<10 || len(encoded) < 16<<10-200 {
		t.Fatalf("batch of %d bytes, %d records: %+v, %v", len(encoded), count, header, err)
	}
	seen := 0
	for record, err := range batch.Records(encoded) {
		if err != nil || len(record.Value) != recordSize || record.Offset != int64(seen) {
			t.Fatalf("record %d: %+v, %v", seen, record, err)
		}
		seen++
	}
	if seen != count {
		t.Errorf("%d records, want %d", seen, count)
	}

	// Requests are read by kmsg behind size, key, version, correlation id and the client id "bench".
	const body = 4 + 2 + 2 + 4 + 2 + 5
	produce := kmsg.NewPtrProduceRequest()
	produce.Version = produceVersion
	if err := produce.ReadFrom(encodeProduce("orders", acksLeader, encoded, 2, 3)[body:]); err != nil {
		t.Fatal(err)
	}
	if got := produce.Topics[0]; got.Topic != "orders" || len(got.Partitions) != 2 || got.Partitions[1].Partition != 3 || len(got.Partitions[1].Records) != len(encoded) || produce.Acks != 1 {
		t.Errorf("produce: %+v", got)
	}
	frame := encodeFetch("orders", 3, 1000, 500)
	frame.setOffset(2, 77)
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version = fetchVersion
	if err := fetch.ReadFrom(frame.bytes[body:]); err != nil {
		t.Fatal(err)
	}
	if got := fetch.Topics[0].Partitions; len(got) != 3 || got[2].FetchOffset != 77 || got[2].PartitionMaxBytes != 1000 || fetch.MaxWaitMillis != 500 {
		t.Errorf("fetch: %+v", fetch)
	}
}

func TestAnswers(t *testing.T) {
	produced := kmsg.NewPtrProduceResponse()
	produced.Version = produceVersion
	partition := kmsg.NewProduceResponseTopicPartition()
	produced.Topics = append(produced.Topics, kmsg.ProduceResponseTopic{Topic: "orders", Partitions: []kmsg.ProduceResponseTopicPartition{partition, partition}})
	good := produced.AppendTo(nil)
	if err := checkProduced(good); err != nil {
		t.Error(err)
	}
	for n := range len(good) - 4 {
		if checkProduced(good[:n]) == nil {
			t.Errorf("an answer cut after %d of %d bytes passes", n, len(good))
		}
	}
	produced.Topics[0].Partitions[1].ErrorCode = 6
	if err := checkProduced(produced.AppendTo(nil)); err == nil {
		t.Error("an error code passes")
	}
	if err := checkProduced(appendProduceAnswer(nil, "orders", []int32{4, 5})); err != nil {
		t.Error(err)
	}
}

// The bare loop keeps what it is sent, and the loads agree with it, so they agree with a broker.
func TestLoadsAgainstTheBareLoop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go acceptBare(listener, t.TempDir())
	addr := listener.Addr().String()

	load := newProduceLoad(64<<10, 3, acksLeader)
	perFrame := int64(3 * len(load.batch))
	sent, err := load.run(addr, "orders", func(sent int64) bool { return sent < 100*perFrame })
	if err != nil || sent != 100*perFrame {
		t.Fatalf("%d bytes sent, %v", sent, err)
	}
	fetched, err := consume(addr, "orders", 50*int64(load.recordCount), func(total int64) bool { return total < 3*sent })
	if err != nil || fetched < 3*sent {
		t.Fatalf("%d bytes fetched, %v", fetched, err)
	}
	samples, err := latencies(addr, "one", func(n int64) bool { return n < 50 })
	if err != nil || len(samples) != 50 {
		t.Fatalf("%d latencies, %v", len(samples), err)
	}
}

func TestTargets(t *testing.T) {
	for name, tc := range map[string]struct {
		row                string
		kafka, bare, ottla float64
		want               string
	}{
		"reached":                       {"produce16, MB/s", 100, 400, 251, "met: ≥ 2.5 × Kafka"},
		"missed":                        {"produce16, MB/s", 100, 400, 249, "MISSED: ≥ 2.5 × Kafka"},
		"out of reach, but as near":     {"produce16, MB/s", 100, 240, 217, "met: ≥ 0.9 × bare loop, which misses 2.5 × Kafka"},
		"out of reach, and far":         {"produce16, MB/s", 100, 240, 200, "MISSED: ≥ 0.9 × bare loop, which misses 2.5 × Kafka"},
		"less is better":                {"consume, CPU s/GiB", 0.4, 0.3, 0.4, "met: ≤ 1 × Kafka"},
		"less is better, out of reach":  {"consume, CPU s/GiB", 0.4, 0.5, 0.57, "met: ≤ 1.15 × bare loop, which misses 1 × Kafka"},
		"the bare loop has no say here": {"start", 2000, 10, 300, "MISSED: ≤ 0.1 × Kafka"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReport()
			r.add(tc.row, kafkaName, tc.kafka)
			r.add(tc.row, bareName, tc.bare)
			r.add(tc.row, ottlaName, tc.ottla)
			if got := targets()[tc.row].judge(r, tc.row); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// A name is a scenario or a group of them; without one the broker's group is run.
func TestScenariosAreChosen(t *testing.T) {
	s, _, err := parseFlags(nil)
	if err != nil || !slices.Equal(s.scenarios, groups()[0].scenarios) {
		t.Errorf("by default: %v, %v", s.scenarios, err)
	}
	if s, _, err = parseFlags([]string{"-scenarios", "consume,transactions"}); err != nil || !slices.Equal(s.scenarios, []string{"consume", "transactions1", "transactions16"}) {
		t.Errorf("a scenario and a group: %v, %v", s.scenarios, err)
	}
	if _, _, err = parseFlags([]string{"-scenarios", "consum"}); !errors.Is(err, errUsage) {
		t.Errorf("neither: %v", err)
	}
}

// What a transactional producer sends is a batch whose sum is right and a request that names the transaction.
func TestTransactionalBatches(t *testing.T) {
	encoded, count := encodeBatch(batchOverhead+transactionRecords*(recordSize+10), recordSize, 1_700_000_000_000)
	setProducer(encoded, 7, 2, 300)
	header, err := batch.ReadHeader(encoded)
	if err != nil || header.ProducerID != 7 || header.ProducerEpoch != 2 || header.BaseSequence != 300 || !header.IsTransactional() {
		t.Errorf("header %+v, %v", header, err)
	}
	if count != transactionRecords {
		t.Errorf("%d records in a transaction, want %d", count, transactionRecords)
	}
	const body = 4 + 2 + 2 + 4 + 2 + 5
	produce := kmsg.NewPtrProduceRequest()
	produce.Version = produceVersion
	if err := produce.ReadFrom(encodeProduceIn("tx", "orders", acksAll, encoded, 1)[body:]); err != nil {
		t.Fatal(err)
	}
	if produce.TransactionID == nil || *produce.TransactionID != "tx" || produce.Acks != acksAll {
		t.Errorf("produce: %+v", produce)
	}
}
