package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
	"ottla/logdir/batch"
)

// What the requests of transactions are told at their edges: ids that are unknown, fenced or out of turn, partitions that do
// not belong to the transaction, markers of coordinators that are none any more, and brokers' batches of questions. The
// answers in testdata are Apache Kafka's.
func TestTransactionalRequestsAtTheEdges(t *testing.T) {
	file := filepath.Join("testdata", "transactions.txt")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	compare := func(t *testing.T, addr string) {
		got, expected := strings.Split(edges(t, addr), "\n"), strings.Split(string(want), "\n")
		for i := range max(len(got), len(expected)) {
			if g, w := line(got, i), line(expected, i); g != w {
				t.Errorf("line %d is %q, in %s %q", i+1, g, file, w)
			}
		}
	}
	t.Run("Ottla", func(t *testing.T) { compare(t, testcluster.Start(t, 1).Addrs()[0]) })
	t.Run("Apache Kafka", func(t *testing.T) {
		few := map[string]string{"offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1"}
		compare(t, apache.StartBroker(t, apache.BrokerOptions{ID: 1, ZooKeeper: apache.StartZooKeeper(t).Addr, Properties: few}).Addr)
	})
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// edgeCase is a producer that asks what it should not, and writes down what it is told.
type edgeCase struct {
	t    *testing.T
	addr string
	told strings.Builder
	txn  producerEpoch
}

type producerEpoch struct {
	id    int64
	epoch int16
}

func edges(t *testing.T, addr string) string {
	createTopics(t, []string{addr}, 2, 1, "orders")
	e := &edgeCase{t: t, addr: addr}
	e.initializing()
	e.begun()
	e.batches()
	e.fenced()
	e.offsets()
	e.late()
	e.markers()
	e.unverified()
	return e.told.String()
}

func (e *edgeCase) note(deed string, codes ...int16) {
	var names []string
	for _, code := range codes {
		name := "NONE"
		if code != 0 {
			name = kerr.TypedErrorForCode(code).Message
		}
		names = append(names, name)
	}
	fmt.Fprintf(&e.told, "%s: %s\n", deed, strings.Join(names, ", "))
}

// settled asks until the answer is none of those that pass, or of those named: coordinators come about and markers are written
// as they may.
func (e *edgeCase) settled(ask func() int16, passing ...int16) int16 {
	passing = append(passing, kerr.CoordinatorNotAvailable.Code, kerr.NotCoordinator.Code, kerr.CoordinatorLoadInProgress.Code,
		kerr.ConcurrentTransactions.Code, kerr.NotLeaderForPartition.Code, kerr.UnknownTopicOrPartition.Code, kerr.NotEnoughReplicas.Code)
	for ctx := patient(e.t); ; {
		code := ask()
		if !slices.Contains(passing, code) {
			return code
		}
		select {
		case <-ctx.Done():
			e.t.Fatalf("it is told %v for ever", kerr.ErrorForCode(code))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (e *edgeCase) initializing() {
	for kind, key := range []string{"readers", "tx"} { // a group, a transactional id
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorType, find.CoordinatorKey = int8(kind), key
		e.settled(func() int16 { return answered[*kmsg.FindCoordinatorResponse](e.t, e.addr, find, 3).ErrorCode })
	}
	e.settled(func() int16 { return e.end("tx", e.txn, 3) }) // until the coordinator has loaded
	e.note("init without a timeout", e.init("tx", 0, -1, -1))
	e.note("init with a timeout above the maximum", e.init("tx", 15*60*1000+1, -1, -1))
	e.note("init of an empty transactional id", e.init("", 1000, -1, -1))
	e.note("init with a producer id and no epoch", e.init("tx", 1000, 5, -1))
	e.note("end, unknown transactional id", e.end("nobody", e.txn, 3))
	e.note("add, unknown transactional id", e.add("nobody", e.txn, 3, "orders")...)
	e.note("init", e.settled(func() int16 { return e.init("tx", 60000, -1, -1) }))
	fmt.Fprintf(&e.told, "its epoch is %d\n", e.txn.epoch)
	e.note("commit before anything was added", e.end("tx", e.txn, 3))
}

func (e *edgeCase) begun() {
	e.note("produce v11 to a partition that was not added", e.produce(0, 0, e.txn, 11))
	e.note("produce v10 to a partition that was not added", e.produce(0, 0, e.txn, 10))
	e.note("add a topic and one that is not there", e.add("tx", e.txn, 3, "orders", "nothing")...)
	e.note("add", e.add("tx", e.txn, 3, "orders")...)
	e.note("add again", e.add("tx", e.txn, 3, "orders")...)
	e.note("produce", e.settled(func() int16 { return e.produce(0, 0, e.txn, 11) }))
	e.note("produce the same again", e.produce(0, 0, e.txn, 11))
	e.note("produce with a sequence number left out", e.produce(0, 5, e.txn, 11))
	e.note("produce to another partition v11", e.produce(1, 0, e.txn, 11))
	e.note("produce to another partition v10", e.produce(1, 0, e.txn, 10))
	stranger := producerEpoch{e.txn.id + 1000, 0}
	e.note("end, another producer id", e.end("tx", stranger, 3))
	e.note("add, another producer id", e.add("tx", stranger, 3, "orders")...)
	younger := producerEpoch{e.txn.id, e.txn.epoch + 1}
	e.note("end v3, an epoch nobody was given", e.end("tx", younger, 3))
	e.note("end v1, an epoch nobody was given", e.end("tx", younger, 1))
	e.note("add v3, an epoch nobody was given", e.add("tx", younger, 3, "orders")...)
	e.note("add v1, an epoch nobody was given", e.add("tx", younger, 1, "orders")...)
}

// batches are what brokers send: several transactions, to be asked about or added to.
func (e *edgeCase) batches() {
	for _, version := range []int16{4, 5} {
		for _, verify := range []bool{true, false} {
			req := kmsg.NewPtrAddPartitionsToTxnRequest()
			for _, id := range []string{"tx", "nobody"} {
				txn := kmsg.NewAddPartitionsToTxnRequestTransaction()
				txn.TransactionalID, txn.ProducerID, txn.ProducerEpoch, txn.VerifyOnly = id, e.txn.id, e.txn.epoch, verify
				txn.Topics = []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: "orders", Partitions: []int32{0, 1}}}
				req.Transactions = append(req.Transactions, txn)
			}
			if !verify {
				req.Transactions[0].Topics[0].Partitions = []int32{0}
			}
			resp := answered[*kmsg.AddPartitionsToTxnResponse](e.t, e.addr, req, version)
			for _, id := range []string{"tx", "nobody"} {
				for _, txn := range resp.Transactions {
					if txn.TransactionalID != id {
						continue
					}
					var codes []int16
					for p := range int32(2) {
						for _, topic := range txn.Topics {
							for _, got := range topic.Partitions {
								if got.Partition == p {
									codes = append(codes, got.ErrorCode)
								}
							}
						}
					}
					e.note(fmt.Sprintf("batch v%d, verify only %t: %s", version, verify, id), codes...)
				}
			}
		}
	}
}

func (e *edgeCase) fenced() {
	old := e.txn
	e.note("init of a second producer", e.init("tx", 60000, -1, -1))
	e.note("and again", e.settled(func() int16 { return e.init("tx", 60000, -1, -1) }))
	fmt.Fprintf(&e.told, "its epoch is %d\n", e.txn.epoch)
	e.note("the first produces v11", e.produce(0, 1, old, 11))
	e.note("the first adds v3", e.add("tx", old, 3, "orders")...)
	e.note("the first adds v1", e.add("tx", old, 1, "orders")...)
	e.note("the first ends v3", e.end("tx", old, 3))
	e.note("the first ends v1", e.end("tx", old, 1))
	e.note("the first adds offsets", e.addOffsets(old))
	e.note("the first names itself to init", e.init("tx", 60000, old.id, old.epoch))
}

func (e *edgeCase) offsets() {
	e.settled(func() int16 { return e.commitOffset(e.txn, 4) }) // the group's coordinator may still have to come about
	e.note("offsets v4, without having added them", e.commitOffset(e.txn, 4))
	e.note("offsets v3, without having added them", e.commitOffset(e.txn, 3))
	e.note("add offsets", e.addOffsets(e.txn))
	e.note("offsets", e.commitOffset(e.txn, 4))
	e.note("commit", e.end("tx", e.txn, 3))
	e.note("commit again", e.settled(func() int16 { return e.end("tx", e.txn, 3) }))
	e.note("abort what was committed", e.end("tx", e.txn, 3, false))
}

// late is what neither Kafka 3.9 nor Ottla prevents (KAFKA-17754). Within an epoch transactions have no names, so a batch and a
// commit that the network held up are taken for the next transaction's, and its producer can abort it no more.
func (e *edgeCase) late() {
	begin := func() { e.settled(func() int16 { return e.add("tx", e.txn, 3, "orders")[0] }) }
	begin()
	e.note("the first batch of a transaction", e.settled(func() int16 { return e.produce(0, 0, e.txn, 11) }))
	e.note("its commit", e.end("tx", e.txn, 3))
	begin()
	e.note("its second batch, which comes in the next transaction", e.settled(func() int16 { return e.produce(0, 1, e.txn, 11) }))
	e.note("its commit once more, likewise", e.end("tx", e.txn, 3))
	e.note("the next transaction's abort", e.settled(func() int16 { return e.end("tx", e.txn, 3, false) }))
}

// unverified is a producer whose partitions nobody asks after (transaction.partition.verification.enable=false): it may leave
// records where no marker will come.
func (e *edgeCase) unverified() {
	off := "false"
	_, err := kadm.NewClient(franzAt(e.t, e.addr)).AlterBrokerConfigs(patient(e.t), []kadm.AlterConfig{{Name: "transaction.partition.verification.enable", Value: &off}})
	if err != nil {
		e.t.Fatal(err)
	}
	produced := e.settled(func() int16 { return e.produce(1, 0, e.txn, 11) }, kerr.TransactionAbortable.Code)
	e.note("produce to a partition that was not added, unverified", produced)
	e.note("offsets without having added them, unverified", e.commitOffset(e.txn, 4))
}

func (e *edgeCase) markers() {
	at := func(p producerEpoch, coordinator int32, topic string) int16 {
		m := kmsg.NewWriteTxnMarkersRequestMarker()
		m.ProducerID, m.ProducerEpoch, m.CoordinatorEpoch = p.id, p.epoch, coordinator
		m.Topics = []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: topic, Partitions: []int32{0}}}
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		req.Markers = append(req.Markers, m)
		return answered[*kmsg.WriteTxnMarkersResponse](e.t, e.addr, req, 1).Markers[0].Topics[0].Partitions[0].ErrorCode
	}
	e.note("a marker", at(e.txn, 5, "orders"))
	e.note("one of an older coordinator", at(e.txn, 4, "orders"))
	e.note("one of an older producer", at(producerEpoch{e.txn.id, e.txn.epoch - 1}, 5, "orders"))
	e.note("one for a topic that is not there", at(e.txn, 5, "nothing"))
}

// init remembers who it is told to be.
func (e *edgeCase) init(id string, timeout int32, producerID int64, epoch int16) int16 {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = &id, timeout, producerID, epoch
	resp := answered[*kmsg.InitProducerIDResponse](e.t, e.addr, req, 4)
	if resp.ErrorCode == 0 {
		e.txn = producerEpoch{resp.ProducerID, resp.ProducerEpoch}
	}
	return resp.ErrorCode
}

// add adds partition 0 of topics.
func (e *edgeCase) add(id string, p producerEpoch, version int16, topics ...string) (codes []int16) {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = id, p.id, p.epoch
	for _, topic := range topics {
		req.Topics = append(req.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: topic, Partitions: []int32{0}})
	}
	resp := answered[*kmsg.AddPartitionsToTxnResponse](e.t, e.addr, req, version)
	for _, topic := range topics {
		for _, got := range resp.Topics {
			if got.Topic == topic {
				codes = append(codes, got.Partitions[0].ErrorCode)
			}
		}
	}
	return codes
}

// end commits, unless told otherwise.
func (e *edgeCase) end(id string, p producerEpoch, version int16, commit ...bool) int16 {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = id, p.id, p.epoch, len(commit) == 0
	return answered[*kmsg.EndTxnResponse](e.t, e.addr, req, version).ErrorCode
}

func (e *edgeCase) produce(partition, sequence int32, p producerEpoch, version int16) int16 {
	b := batch.NewBuilder(batch.Options{ProducerID: p.id, ProducerEpoch: p.epoch, BaseSequence: sequence, Transactional: true, LeaderEpoch: -1})
	b.Append(time.Now().UnixMilli(), nil, []byte("value"))
	req, id := kmsg.NewPtrProduceRequest(), "tx"
	req.TransactionID, req.Acks, req.TimeoutMillis = &id, -1, 10000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "orders", Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: b.Bytes()}}}}
	return answered[*kmsg.ProduceResponse](e.t, e.addr, req, version).Topics[0].Partitions[0].ErrorCode
}

func (e *edgeCase) addOffsets(p producerEpoch) int16 {
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = "tx", p.id, p.epoch, "readers"
	return answered[*kmsg.AddOffsetsToTxnResponse](e.t, e.addr, req, 3).ErrorCode
}

func (e *edgeCase) commitOffset(p producerEpoch, version int16) int16 {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = "tx", p.id, p.epoch, "readers"
	partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	partition.Offset = 7
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{partition}}}
	return answered[*kmsg.TxnOffsetCommitResponse](e.t, e.addr, req, version).Topics[0].Partitions[0].ErrorCode
}

// answered sends one request in this version, over a connection of its own. A client library would choose another version, and
// try again what fails.
func answered[R kmsg.Response](t *testing.T, addr string, req kmsg.Request, version int16) R {
	t.Helper()
	conn := dialRaw(t, addr)
	defer conn.Close()
	req.SetVersion(version)
	answer, err := exchange(conn, nil, kmsg.NewRequestFormatter().AppendRequest(nil, req, 1), true)
	if err != nil {
		t.Fatalf("%T v%d: %v", req, version, err)
	}
	head := 4 // the correlation id, and in newer versions no tags, one byte
	if req.IsFlexible() {
		head++
	}
	resp := req.ResponseKind()
	resp.SetVersion(version)
	if err := resp.ReadFrom(answer[head:]); err != nil {
		t.Fatalf("%T v%d: %v", resp, version, err)
	}
	return resp.(R)
}
