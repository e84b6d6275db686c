package api

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir/batch"
)

func TestProduceVersions(t *testing.T) {
	r := newRig(t)
	r.create("orders", 2)
	c := r.dial()
	for version := int16(3); version <= 11; version++ {
		want := int64(version-3) * 2
		resp := ask[*kmsg.ProduceResponse](c, produceRequest(-1, "orders", records(t, 2, 10), records(t, 2, 10)), version)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 2 {
			t.Fatalf("v%d: %+v", version, resp)
		}
		for i, p := range resp.Topics[0].Partitions {
			if p.ErrorCode != 0 || p.BaseOffset != want || p.Partition != int32(i) || p.LogAppendTime != -1 {
				t.Errorf("v%d: %+v, want base offset %d", version, p, want)
			}
		}
	}
}

func TestProduceRefusals(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	transactional := records(t, 1, 10)
	transactional[22] |= 0x10
	binary.BigEndian.PutUint32(transactional[17:], crc32.Checksum(transactional[21:], crc32.MakeTable(crc32.Castagnoli)))
	magic3 := records(t, 1, 10)
	magic3[16] = 3
	badCRC := records(t, 1, 10)
	badCRC[len(badCRC)-1]++
	id := "tx"
	for name, tc := range map[string]struct {
		request  *kmsg.ProduceRequest
		code     int16
		logStart int64
	}{
		"acks 2":                       {produceRequest(2, "orders", records(t, 1, 10)), codeInvalidRequiredAcks, -1},
		"an unknown topic":             {produceRequest(1, "nosuch", records(t, 1, 10)), codeUnknownTopicOrPartition, -1},
		"a bad CRC":                    {produceRequest(1, "orders", badCRC), codeCorruptMessage, -1},
		"an unknown magic":             {produceRequest(1, "orders", magic3), codeCorruptMessage, -1},
		"two batches":                  {produceRequest(1, "orders", append(records(t, 1, 10), records(t, 1, 10)...)), codeInvalidRecord, -1},
		"no batch":                     {produceRequest(1, "orders", []byte{}), codeInvalidRecord, -1},
		"null records":                 {produceRequest(1, "orders", nil), codeInvalidRecord, -1},
		"a transaction without its id": {produceRequest(1, "orders", transactional), codeTransactionalIDAuthorizationFailed, -1},
		"a transaction that nobody knows": {&kmsg.ProduceRequest{TransactionID: &id, Acks: -1, TimeoutMillis: 100,
			Topics: produceRequest(1, "orders", transactional).Topics}, codeInvalidProducerIDMapping, -1},
	} {
		t.Run(name, func(t *testing.T) {
			p := ask[*kmsg.ProduceResponse](c, tc.request, 9).Topics[0].Partitions[0]
			if p.ErrorCode != tc.code || p.BaseOffset != -1 || p.LogStartOffset != tc.logStart {
				t.Errorf("got %+v, want code %d", p, tc.code)
			}
			if name == "an unknown magic" && (p.ErrorMessage == nil || *p.ErrorMessage != "Invalid magic found in record: 3") {
				t.Errorf("its message is %v", p.ErrorMessage)
			}
		})
	}
}

func TestProduceWithoutAcks(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	// A good one gets no answer: the next thing to be read is the answer to what follows it.
	c.send(produceRequest(0, "orders", records(t, 3, 10)), 9)
	if p := ask[*kmsg.ProduceResponse](c, produceRequest(1, "orders", records(t, 1, 10)), 9).Topics[0].Partitions[0]; p.BaseOffset != 3 {
		t.Errorf("the next produce got base offset %d", p.BaseOffset)
	}
	c.send(produceRequest(0, "nosuch", records(t, 1, 10)), 9)
	if !c.closed() {
		t.Error("an error without acks must close the connection")
	}
	c = r.dial()
	c.send(produceRequest(0, "orders"), 9)
	if p := ask[*kmsg.ProduceResponse](c, produceRequest(1, "orders", records(t, 1, 10)), 9).Topics[0].Partitions[0]; p.BaseOffset != 4 {
		t.Errorf("after a produce of nothing: base offset %d", p.BaseOffset)
	}
}

func TestProduceTellsOfTheLeader(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	update := &kmsg.UpdateMetadataRequest{ControllerID: 1, ControllerEpoch: 1, BrokerEpoch: -1}
	update.LiveBrokers = []kmsg.UpdateMetadataRequestLiveBroker{liveBroker(1), liveBroker(2)}
	update.TopicStates = []kmsg.UpdateMetadataRequestTopicState{{Topic: "away", TopicID: topicID("away"),
		PartitionStates: []kmsg.UpdateMetadataRequestTopicPartition{{Leader: 2, LeaderEpoch: 7, ISR: []int32{2}, Replicas: []int32{2}}}}}
	ask[*kmsg.UpdateMetadataResponse](c, update, 8)

	resp := ask[*kmsg.ProduceResponse](c, produceRequest(1, "away", records(t, 1, 10)), 10)
	p := resp.Topics[0].Partitions[0]
	if p.ErrorCode != codeNotLeaderOrFollower || p.CurrentLeader.LeaderID != 2 || p.CurrentLeader.LeaderEpoch != 7 {
		t.Errorf("got %+v", p)
	}
	if len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 2 || resp.Brokers[0].Host != "127.0.0.1" || resp.Brokers[0].Port != 9094 {
		t.Errorf("endpoints %+v", resp.Brokers)
	}
	if p := ask[*kmsg.ProduceResponse](c, produceRequest(1, "away", records(t, 1, 10)), 9).Topics[0].Partitions[0]; p.ErrorCode != codeNotLeaderOrFollower {
		t.Errorf("v9 got %+v", p)
	}
}

func TestATruncatedProduceClosesTheConnection(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	req := produceRequest(1, "orders", records(t, 1, 10))
	req.SetVersion(3)
	whole := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
	for cut := 1; cut < len(whole)-14; cut += 7 {
		frame := bytes.Clone(whole[:len(whole)-cut])
		binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
		c := r.dial()
		c.raw(frame)
		if !c.closed() {
			t.Fatalf("cut by %d bytes it is answered", cut)
		}
	}
}

// FuzzProduce holds that no frame makes the hand-written decoder panic, or keep more than its share.
func FuzzProduce(f *testing.F) {
	for version := int16(3); version <= 11; version++ {
		req := produceRequest(-1, "orders", records(f, 1, 10), records(f, 2, 5))
		req.SetVersion(version)
		f.Add(version, req.AppendTo(nil))
	}
	s := schemaOf(0)
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if version < 3 || version > 11 {
			return
		}
		p := &produce{call: &call{version: version}}
		_, _, err := p.decode(body)
		if _, guarded := s.check(body, version); guarded == nil && err != nil {
			t.Errorf("refused, while the guard lets it pass: %v", err)
		}
		if len(p.entries) > len(body)/leastPartition || len(p.topics) > len(body)/leastTopic {
			t.Errorf("%d partitions and %d topics of %d bytes", len(p.entries), len(p.topics), len(body))
		}
	})
}

// produceFrame is a Produce frame of one partition, ready to be sent again and again.
func produceFrame(t testing.TB, acks int16, size int) []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	for n := 0; n < size; n += 110 {
		b.Append(1_700_000_000_000, nil, bytes.Repeat([]byte("x"), 100))
	}
	req := produceRequest(acks, "orders", bytes.Clone(b.Bytes()))
	req.SetVersion(9)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 1)
}

// TestProduceAllocations holds a Produce to a handful of allocations, whatever its number of records.
func TestProduceAllocations(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	frame := produceFrame(t, 1, 16<<10)
	answer := make([]byte, 4096)
	var size [4]byte
	round := func() {
		if _, err := c.conn.Write(frame); err != nil {
			t.Fatal(err)
		}
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
	const rounds = 500
	for range rounds {
		round()
	}
	runtime.ReadMemStats(&after)
	if per := float64(after.Mallocs-before.Mallocs) / rounds; per > 12 {
		t.Errorf("%.1f allocations a produce", per)
	} else {
		t.Logf("%.1f allocations a produce, %d bytes", per, (after.TotalAlloc-before.TotalAlloc)/rounds)
	}
}

func readFull(c *client, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m, err := c.conn.Read(b[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func TestAckZeroErrorsAreLogged(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.send(produceRequest(0, "nosuch", records(t, 1, 10)), 9)
	c.closed()
	if text := r.log.String(); !strings.Contains(text, "nosuch-0") {
		t.Errorf("the log says nothing of it: %s", text)
	}
}
