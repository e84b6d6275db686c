package api

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// ofTransaction makes the batch one of a transaction.
func ofTransaction(records []byte, producerID int64, epoch int16, sequence int32) []byte {
	records[22] |= 0x10
	binary.BigEndian.PutUint64(records[43:], uint64(producerID))
	binary.BigEndian.PutUint16(records[51:], uint16(epoch))
	binary.BigEndian.PutUint32(records[53:], uint32(sequence))
	binary.BigEndian.PutUint32(records[17:], crc32.Checksum(records[21:], crc32.MakeTable(crc32.Castagnoli)))
	return records
}

// What a producer is told when its partition is verified, in versions that know of it and in those that do not.
func TestProduceIsVerified(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	r.verdicts = map[cluster.TopicPartition]int16{}
	c := r.dial()
	id := "tx"
	for name, tc := range map[string]struct {
		verdict, old, newest int16
	}{
		"not in the transaction":     {codeTransactionAbortable, codeInvalidTxnState, codeTransactionAbortable},
		"of another producer":        {codeProducerFenced, codeInvalidProducerEpoch, codeInvalidProducerEpoch},
		"unknown to it":              {codeInvalidProducerIDMapping, codeInvalidProducerIDMapping, codeInvalidProducerIDMapping},
		"the markers are on the way": {codeConcurrentTransactions, codeNotEnoughReplicas, codeNotEnoughReplicas},
		"nobody to be asked":         {codeCoordinatorNotAvailable, codeNotEnoughReplicas, codeNotEnoughReplicas},
	} {
		t.Run(name, func(t *testing.T) {
			r.verdicts[cluster.TopicPartition{Topic: "orders"}] = tc.verdict
			for version, want := range map[int16]int16{10: tc.old, 11: tc.newest} {
				req := &kmsg.ProduceRequest{TransactionID: &id, Acks: -1, TimeoutMillis: 100,
					Topics: produceRequest(-1, "orders", ofTransaction(records(t, 1, 10), 9, 0, 0)).Topics}
				p := ask[*kmsg.ProduceResponse](c, req, version).Topics[0].Partitions[0]
				if p.ErrorCode != want || p.BaseOffset != -1 || p.LogStartOffset != -1 {
					t.Errorf("v%d: got %+v, want code %d", version, p, want)
				}
			}
		})
	}
}

// Of a request, the partitions that pass are written and the others are not; once a partition has records of the transaction,
// nobody is asked any more, and the marker ends that.
func TestProduceWritesWhatPasses(t *testing.T) {
	r := newRig(t)
	r.create("orders", 2)
	in, out := cluster.TopicPartition{Topic: "orders"}, cluster.TopicPartition{Topic: "orders", Partition: 1}
	r.verdicts = map[cluster.TopicPartition]int16{in: codeNone, out: codeTransactionAbortable}
	c := r.dial()
	id := "tx"
	produce := func(sequence int32) (first, second int16) {
		t.Helper()
		req := &kmsg.ProduceRequest{TransactionID: &id, Acks: -1, TimeoutMillis: 100, Topics: []kmsg.ProduceRequestTopic{{Topic: "orders",
			Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 0, Records: ofTransaction(records(t, 1, 10), 9, 0, sequence)},
				{Partition: 1, Records: ofTransaction(records(t, 1, 10), 9, 0, sequence)}}}}}
		got := ask[*kmsg.ProduceResponse](c, req, 11).Topics[0].Partitions
		return got[0].ErrorCode, got[1].ErrorCode
	}
	if a, b := produce(0); a != 0 || b != codeTransactionAbortable {
		t.Errorf("got %d and %d", a, b)
	}
	r.verdicts[in], r.verdicts[out] = codeTransactionAbortable, codeNone
	if a, b := produce(1); a != 0 || b != codeOutOfOrderSequenceNumber {
		t.Errorf("inside the transaction: %d; where its first batch was refused, the second: %d", a, b)
	}
	markers := &kmsg.WriteTxnMarkersRequest{Markers: []kmsg.WriteTxnMarkersRequestMarker{{ProducerID: 9, Committed: true,
		Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "orders", Partitions: []int32{0, 7}}}}}}
	written := ask[*kmsg.WriteTxnMarkersResponse](c, markers, 1).Markers[0].Topics[0].Partitions
	if written[0].ErrorCode != 0 || written[1].ErrorCode != codeUnknownTopicOrPartition {
		t.Errorf("markers: %+v", written)
	}
	if a, _ := produce(2); a != codeTransactionAbortable {
		t.Errorf("behind the marker: %d", a)
	}
}
