package integration

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
	"ottla/logdir/batch"
)

// oldMessage is a message of magic 0 or 1, written here so that nothing of what is tested has a hand in it.
func oldMessage(magic byte, offset, timestamp int64, attributes byte, key, value []byte) []byte {
	body := []byte{magic, attributes}
	if magic == 1 {
		body = binary.BigEndian.AppendUint64(body, uint64(timestamp))
	}
	for _, field := range [][]byte{key, value} {
		size := uint32(math.MaxUint32)
		if field != nil {
			size = uint32(len(field))
		}
		body = append(binary.BigEndian.AppendUint32(body, size), field...)
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(offset))
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(body)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
	return append(b, body...)
}

func gzipWrapper(t *testing.T, magic byte, offset int64, inner ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	for _, m := range inner {
		if _, err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return oldMessage(magic, offset, 7, 1, nil, b.Bytes())
}

// oldProduces are requests in the order sent, by version.
func oldProduces(t *testing.T) (out []struct {
	name    string
	version int16
	records []byte
}) {
	add := func(name string, version int16, records ...[]byte) {
		out = append(out, struct {
			name    string
			version int16
			records []byte
		}{name, version, slices.Concat(records...)})
	}
	m0, m1 := oldMessage(0, 0, 0, 0, []byte("k"), []byte("v")), oldMessage(1, 0, 5, 0, []byte("k"), []byte("v"))
	bad := slices.Clone(m1)
	bad[len(bad)-1] ^= 1
	inner := func(magic byte, offset int64) []byte {
		return oldMessage(magic, offset, 6+offset, 0, []byte("in"), []byte("ner"))
	}
	for version := range int16(3) {
		add("nothing", version)
		add("a torn message", version, m1[:30])
		add("one and a torn one", version, m1, m1[:20])
		add("two of magic 0", version, m0, m0)
		add("null and null", version, oldMessage(1, 0, 5, 0, nil, nil))
	}
	add("two magics", 2, m0, m1)
	add("a wrong CRC behind a right one", 2, m1, bad)
	add("magic 3", 2, oldMessage(3, 0, 5, 0, nil, nil))
	add("a size of 5", 2, binary.BigEndian.AppendUint32(make([]byte, 8), 5), make([]byte, 30))
	add("a wrapper of magic 1", 2, gzipWrapper(t, 1, 1, inner(1, 0), inner(1, 1)))
	add("a wrapper at 0", 2, gzipWrapper(t, 1, 0, inner(1, 0), inner(1, 1)))
	add("zeros within", 2, gzipWrapper(t, 1, 0, inner(1, 0), inner(1, 0)))
	add("a wrapper before its last", 2, gzipWrapper(t, 1, 3, inner(1, 0), inner(1, 5)))
	add("a wrapper far behind its last", 2, gzipWrapper(t, 1, 30, inner(1, 0), inner(1, 5)))
	add("a wrapper of magic 0", 0, gzipWrapper(t, 0, 1, inner(0, 0), inner(0, 1)))
	add("another magic within", 2, gzipWrapper(t, 1, 0, inner(0, 0)))
	add("a wrapper without a value", 2, oldMessage(1, 0, 5, 1, nil, nil))
	add("a wrapper of nothing", 2, gzipWrapper(t, 1, 0))
	add("a torn message within", 2, gzipWrapper(t, 1, 1, inner(1, 0), inner(1, 1)[:20]))
	add("a wrong CRC within", 2, gzipWrapper(t, 1, 0, bad))
	add("a wrapper in a wrapper", 2, gzipWrapper(t, 1, 0, gzipWrapper(t, 1, 0, m1)))
	add("zstd", 2, oldMessage(1, 0, 5, 4, nil, []byte("x")))
	add("a codec that does not exist", 2, oldMessage(1, 0, 5, 6, nil, []byte("x")))
	add("two wrappers", 2, gzipWrapper(t, 1, 0, m1), gzipWrapper(t, 1, 0, m1))
	add("a timestamp before time", 2, oldMessage(1, 0, -2, 0, []byte("k"), []byte("v")))
	add("LogAppendTime set by the producer", 2, oldMessage(1, 0, 5, 8, []byte("k"), []byte("v")))
	add("one that is too large", 2, oldMessage(1, 0, 5, 0, nil, make([]byte, 1_100_000)))
	plain, squeezed, sequenced := batch.PlainOptions(batch.None), batch.PlainOptions(batch.Gzip), batch.PlainOptions(batch.None)
	sequenced.ProducerID, sequenced.ProducerEpoch, sequenced.BaseSequence = 99, 0, 0
	for name, o := range map[string]batch.Options{"plain": plain, "compressed": squeezed, "sequenced": sequenced} {
		b := batch.NewBuilder(o)
		b.Append(8, []byte("new"), []byte(name))
		b.Append(9, nil, []byte(name))
		add("magic 2, "+name, 7, b.Bytes())
	}
	b := batch.NewBuilder(plain)
	b.Append(8, []byte("new"), []byte("v"), batch.RecordHeader{Key: "h"})
	add("magic 2 with headers", 7, b.Bytes())
	for _, ts := range []int64{8, -1} {
		b := batch.NewBuilder(plain)
		b.Append(ts, []byte("k"), []byte("v"))
		marked := slices.Clone(b.Bytes())
		batch.SetLogAppendTime(marked, ts)
		add(fmt.Sprintf("magic 2 with LogAppendTime set by the producer, %d", ts), 7, marked)
	}
	slices.SortStableFunc(out[len(out)-6:len(out)-3], func(a, b struct {
		name    string
		version int16
		records []byte
	}) int {
		return bytes.Compare([]byte(a.name), []byte(b.name)) // of a map, in one order
	})
	return out
}

// TestOldFormatsAsKafkaHasThem sends the same requests, old and new, good and bad, to Ottla and to Apache Kafka for topics of
// each message format, and compares the answers, and what then is read in each version.
func TestOldFormatsAsKafkaHasThem(t *testing.T) {
	settings := map[string]string{"inter.broker.protocol.version": "2.8"}
	kafka := apache.StartBroker(t, apache.BrokerOptions{ID: 1, ZooKeeper: apache.StartZooKeeper(t).Addr, Properties: settings}).Addr
	ottla := testcluster.Start(t, 1, testcluster.WithSetting("inter.broker.protocol.version", "2.8")).Addrs()[0]
	wires := []*wire{{address: kafka, conns: map[int]net.Conn{}}, {address: ottla, conns: map[int]net.Conn{}}}
	defer wires[0].close()
	defer wires[1].close()
	for _, format := range []string{"0.9.0", "0.10.2", "2.8"} {
		t.Run(format, func(t *testing.T) {
			topic := "format-" + format
			for _, address := range []string{kafka, ottla} {
				admin, err := sarama.NewClusterAdmin([]string{address}, saramaConfig())
				if err != nil {
					t.Fatal(err)
				}
				createTopic(t, admin, topic, 1, map[string]string{"message.format.version": format,
					"retention.ms": "-1"}) // the records are of 1970
				_ = admin.Close()
			}
			sameProduces(t, wires, topic)
			if format == "2.8" {
				for _, address := range []string{kafka, ottla} {
					commitOne(t, address, topic)
				}
			}
			sameFetches(t, wires, topic)
		})
	}
}

func exchangeWith[R kmsg.Response](t *testing.T, w *wire, req kmsg.Request) R {
	t.Helper()
	answer, err := w.exchange(1, kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)[4:], true)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := decodeAnswer(req, answer)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(R)
}

func sameProduces(t *testing.T, wires []*wire, topic string) {
	for _, p := range oldProduces(t) {
		req := &kmsg.ProduceRequest{Version: p.version, Acks: -1, TimeoutMillis: 5000, Topics: []kmsg.ProduceRequestTopic{{Topic: topic,
			Partitions: []kmsg.ProduceRequestTopicPartition{{Records: append([]byte{}, p.records...)}}}}}
		var got [2]string
		for i, w := range wires {
			a := exchangeWith[*kmsg.ProduceResponse](t, w, req).Topics[0].Partitions[0]
			got[i] = fmt.Sprintf("code %d, offset %d, log append time %d", a.ErrorCode, a.BaseOffset, a.LogAppendTime)
		}
		if got[0] != got[1] {
			t.Errorf("%s, version %d: Kafka answers %s, Ottla %s", p.name, p.version, got[0], got[1])
		}
	}
}

// commitOne writes a record and the marker of its transaction.
func commitOne(t *testing.T, address, topic string) {
	t.Helper()
	client := franzAt(t, address, kgo.TransactionalID("old"), kgo.DefaultProduceTopic(topic))
	defer client.Close()
	ctx := patient(t)
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, kgo.StringRecord("in a transaction")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	// The marker may still be on its way; its producer's next one begins behind it.
	next := franzAt(t, address, kgo.TransactionalID("old"))
	defer next.Close()
	if _, _, err := next.ProducerID(ctx); err != nil {
		t.Fatal(err)
	}
}

func sameFetches(t *testing.T, wires []*wire, topic string) {
	for _, version := range []int16{0, 1, 2, 3, 4, 10} {
		end := int64(1)
		for offset := int64(0); offset <= end+1; offset++ {
			if offset%4 != 0 && offset < end-6 {
				continue
			}
			for _, most := range []int32{1, 150, 1 << 20} {
				req := &kmsg.FetchRequest{Version: version, ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, Topics: []kmsg.FetchRequestTopic{{Topic: topic,
					Partitions: []kmsg.FetchRequestTopicPartition{{FetchOffset: offset, CurrentLeaderEpoch: -1, LogStartOffset: -1, PartitionMaxBytes: most}}}}}
				var got [2]string
				for i, w := range wires {
					a := exchangeWith[*kmsg.FetchResponse](t, w, req).Topics[0].Partitions[0]
					end = max(end, a.HighWatermark)
					got[i] = fmt.Sprintf("code %d, end %d, %s", a.ErrorCode, a.HighWatermark, told(a.RecordBatches, most > 1000))
				}
				// A converted answer is cut off at the size of what is stored, so the last batches may be missing.
				cut := version < 4 && (strings.HasPrefix(got[0], got[1]) || strings.HasPrefix(got[1], got[0]))
				if got[0] != got[1] && !cut { // and then in many
					at := 0
					for at < min(len(got[0]), len(got[1])) && got[0][at] == got[1][at] {
						at++
					}
					at = max(0, at-50)
					t.Fatalf("offset %d, at most %d bytes, version %d: Kafka answers ... %.300s, Ottla ... %.300s", offset, most, version, got[0][at:], got[1][at:])
				}
			}
		}
	}
}

// told is what there is to read in an answer: all, or the first batch only. What is compressed has another size with either, and
// so a small answer may end elsewhere.
func told(data []byte, all bool) string {
	var s bytes.Buffer
	for b, err := range batch.All(data) {
		if err != nil {
			return err.Error()
		}
		h, err := batch.Check(b)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&s, "[magic %d codec %v", h.Magic, h.Codec())
		for r, err := range batch.Records(b) {
			fmt.Fprintf(&s, " %d@%d %q=%q %d %v", r.Offset, r.Timestamp, r.Key, r.Value, len(r.Headers), err)
			if h.MaxTimestamp > 1e12 {
				s.Truncate(bytes.LastIndexByte(s.Bytes(), '@')) // of the clock
			}
		}
		s.WriteString("]")
		if !all {
			break
		}
	}
	if len(data) == 0 {
		return "nothing"
	}
	if s.Len() == 0 {
		return "nothing whole"
	}
	return s.String()
}
