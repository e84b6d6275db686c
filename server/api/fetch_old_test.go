package api

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// fetched asks for one partition in an old version.
func fetched(c *client, version int16, offset int64, most int32) kmsg.FetchResponseTopicPartition {
	req := fetchRequest("orders", 0)
	req.Topics[0].Partitions[0].FetchOffset = offset
	req.Topics[0].Partitions[0].PartitionMaxBytes = most
	return ask[*kmsg.FetchResponse](c, req, version).Topics[0].Partitions[0]
}

// oldValues are the records of an answer, and what stands behind the last whole batch.
func oldValues(t *testing.T, data []byte, magic int8) (values []string, rest []byte) {
	t.Helper()
	rest = data
	for b, err := range batch.All(data) {
		if err != nil {
			t.Fatal(err)
		}
		h, err := batch.Check(b)
		if err != nil || h.Magic != magic {
			t.Fatalf("%+v, %v", h, err)
		}
		for r, err := range batch.Records(b) {
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, string(r.Value))
		}
		rest = rest[len(b):]
	}
	return values, rest
}

func numbered(codec batch.Codec, values ...string) []byte {
	b := batch.NewBuilder(batch.PlainOptions(codec))
	for _, v := range values {
		b.Append(1000, nil, []byte(v), batch.RecordHeader{Key: "a header of some length, which is lost"})
	}
	return b.Bytes()
}

func TestOldFetches(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	for _, b := range [][]byte{numbered(batch.None, "0", "1"), numbered(batch.Gzip, "2", "3"), numbered(batch.None, "4")} {
		produced(t, c, "orders", b)
	}
	for version := range int16(4) {
		magic := int8(version / 2)
		p := fetched(c, version, 0, 1<<20)
		values, rest := oldValues(t, p.RecordBatches, magic)
		if p.ErrorCode != codeNone || p.HighWatermark != 5 || len(values) != 5 || values[4] != "4" {
			t.Fatalf("version %d: code %d, %q", version, p.ErrorCode, values)
		}
		// What is shorter for the lost headers is filled with the beginning of a message that is longer than that.
		if len(rest) < 12 || binary.BigEndian.Uint64(rest) != 1<<64-1 || int(binary.BigEndian.Uint32(rest[8:])) <= len(rest)-12 || len(bytes.Trim(rest[12:], "\x00")) > 0 {
			t.Errorf("version %d: behind the records there is %x", version, rest)
		}
		if values, _ := oldValues(t, fetched(c, version, 1, 1<<20).RecordBatches, magic); len(values) != 4 {
			t.Errorf("version %d: from offset 1 on %q", version, values)
		}
		for name, p := range map[string]kmsg.FetchResponseTopicPartition{"the end": fetched(c, version, 5, 1<<20), "outside": fetched(c, version, 6, 1<<20)} {
			if len(p.RecordBatches) != 0 {
				t.Errorf("version %d, at %s: %x", version, name, p.RecordBatches)
			}
		}
		values, _ = oldValues(t, fetched(c, version, 0, 10).RecordBatches, magic)
		if want := map[bool]int{true: 2, false: 0}[version == 3]; len(values) != want {
			t.Errorf("version %d: %d records of a batch above the limit, want %d", version, len(values), want)
		}
	}
}

func TestOldFetchesOfWhatIsOlder(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	p, err := r.api.Replicas.Partition(cluster.TopicPartition{Topic: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	l, _ := p.Log()
	cfg := l.Config()
	cfg.MessageFormat = 1
	r.logs.Reconfigure("orders", cfg)
	c := r.dial()
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	b.Append(1000, []byte("k"), []byte("a value"))
	produced(t, c, "orders", b.Bytes())
	for version := range int16(12) {
		got := fetched(c, version, 0, 1<<20).RecordBatches
		magic := int8(1)
		if version < 2 {
			magic = 0
		}
		if values, rest := oldValues(t, got, magic); len(values) != 1 || magic == 1 && len(rest) > 0 {
			t.Errorf("version %d: %q, and %x", version, values, rest)
		}
	}
	// As it is stored, so there is a beginning of what is above the limit.
	if got := fetched(c, 2, 0, 10).RecordBatches; len(got) == 0 || len(got) > 10 {
		t.Errorf("a message above the limit: %x", got)
	}
}

func TestDownConversionMayBeOff(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	produced(t, c, "orders", numbered(batch.None, "0"))
	p, err := r.api.Replicas.Partition(cluster.TopicPartition{Topic: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	l, _ := p.Log()
	cfg := l.Config()
	cfg.DownConversionOff = true
	r.logs.Reconfigure("orders", cfg)
	for version := range int16(6) {
		want := codeNone
		if version < 4 {
			want = codeUnsupportedVersion
		}
		if got := fetched(c, version, 0, 1<<20); got.ErrorCode != want || (len(got.RecordBatches) > 0) != (want == codeNone) {
			t.Errorf("version %d: code %d, %d bytes", version, got.ErrorCode, len(got.RecordBatches))
		}
	}
}

func TestOldFetchesOfWhatHasNoOldForm(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	for _, b := range [][]byte{numbered(batch.None, "0"), numbered(batch.Zstd, "1"), numbered(batch.None, "2")} {
		produced(t, c, "orders", b)
	}
	if values, _ := oldValues(t, fetched(c, 3, 0, 1<<20).RecordBatches, 1); len(values) != 1 {
		t.Errorf("before zstd: %q", values)
	}
	if p := fetched(c, 3, 1, 1<<20); p.ErrorCode != codeUnsupportedCompressionType || len(p.RecordBatches) != 0 {
		t.Errorf("zstd: code %d, %x", p.ErrorCode, p.RecordBatches)
	}
}

func TestOldProduces(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	var d batch.Downgrade
	for version := range int16(3) {
		for magic := range int8(3) {
			records, err := d.Append(nil, numbered(batch.None, "x"), magic, 0)
			if err != nil {
				t.Fatal(err)
			}
			p := ask[*kmsg.ProduceResponse](c, produceRequest(-1, "orders", records), version).Topics[0].Partitions[0]
			if want := int64(version)*3 + int64(magic); p.ErrorCode != codeNone || p.BaseOffset != want {
				t.Errorf("magic %d in version %d: code %d, offset %d, want %d", magic, version, p.ErrorCode, p.BaseOffset, want)
			}
		}
	}
	if p := ask[*kmsg.ProduceResponse](c, produceRequest(-1, "orders", nil), 2).Topics[0].Partitions[0]; p.ErrorCode != codeNone || p.BaseOffset != -1 {
		t.Errorf("nothing: code %d, offset %d", p.ErrorCode, p.BaseOffset)
	}
}
