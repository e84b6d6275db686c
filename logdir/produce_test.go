package logdir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"testing"
	"time"

	"ottla/logdir/batch"
)

func logWith(t testing.TB, change func(*Config)) *Log {
	t.Helper()
	o := testOptions(t.TempDir())
	if change != nil {
		change(&o.Defaults)
	}
	return create(t, open(t, o))
}

// changed is a valid batch of two records after a change of its bytes, with the CRC set anew.
func changed(f func(b []byte)) []byte {
	b := plain(0, 2, 1000)
	f(b)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

const invalidTimestamp = "One or more records have been rejected due to invalid timestamp"

func appendTime(c *Config) { c.TimestampType = batch.LogAppendTime }

// markedAppendTime is a batch of one record that says that its time is the leader's.
func markedAppendTime(codec batch.Codec, ts int64) []byte {
	b := batch.NewBuilder(batch.PlainOptions(codec))
	b.Append(ts, nil, []byte("v"))
	out := bytes.Clone(b.Bytes())
	batch.SetLogAppendTime(out, ts)
	return out
}

// TestProduceAnswers holds the log to what Apache Kafka 3.9.1 answered to the same bytes.
func TestProduceAnswers(t *testing.T) {
	zstd := batch.NewBuilder(batch.PlainOptions(batch.Zstd))
	zstd.Append(1, nil, []byte("v"))
	for name, tc := range map[string]struct {
		records  []byte
		version  int16
		config   func(*Config)
		want     error
		logStart int64 // -1 if the answer does not carry it
		message  string
		refused  int    // record errors
		first    string // the message of the first of them, if it matters
	}{
		"a good batch":                           {records: plain(0, 2, 1000)},
		"base offset 77":                         {records: changed(func(b []byte) { b[7] = 77 }), want: ErrInvalidRecord},
		"larger than max.message.bytes":          {records: plain(0, 2, 1000), config: func(c *Config) { c.MaxMessageBytes = 70 }, want: ErrTooLarge, logStart: -1},
		"a wrong CRC":                            {records: append(plain(0, 1, 1)[:70:70], 0), want: ErrInvalidRecord, logStart: -1},
		"a flipped bit":                          {records: func() []byte { b := plain(0, 2, 1); b[70] ^= 1; return b }(), want: ErrCorruptBatch, logStart: -1},
		"magic 3":                                {records: changed(func(b []byte) { b[16] = 3 }), want: ErrCorruptBatch, logStart: -1, message: "Invalid magic found in record: 3"},
		"magic 1 in produce v9":                  {records: changed(func(b []byte) { b[16] = 1 }), want: ErrInvalidRecord, logStart: -1},
		"magic 1 with the CRC of magic 2":        {records: changed(func(b []byte) { b[16] = 1 }), version: 2, want: ErrCorruptBatch, logStart: -1},
		"two batches":                            {records: append(plain(0, 1, 1), plain(1, 1, 1)...), want: ErrInvalidRecord, logStart: -1},
		"nothing":                                {records: nil, want: ErrInvalidRecord, logStart: -1},
		"last offset delta 5 with 2 records":     {records: changed(func(b []byte) { b[26] = 5 }), want: ErrInvalidRecord},
		"count 3, 2 present":                     {records: changed(func(b []byte) { b[60] = 3 }), want: ErrInvalidRecord},
		"a batch longer than the data":           {records: changed(func(b []byte) { b[11]++ }), want: ErrInvalidRecord, logStart: -1},
		"batch length 20":                        {records: changed(func(b []byte) { b[11] = 20 }), want: ErrCorruptBatch, logStart: -1},
		"a client's control bit":                 {records: changed(func(b []byte) { b[22] |= 0x20 }), want: ErrInvalidRecord},
		"a client's LogAppendTime bit":           {records: changed(func(b []byte) { b[22] |= 0x08 })},
		"that bit where leaders set it":          {records: changed(func(b []byte) { b[22] |= 0x08 }), config: appendTime, want: ErrInvalidTimestamp, refused: 2, message: invalidTimestamp, first: "Invalid timestamp type in message DefaultRecord(offset=0, timestamp=1001, key=2 bytes, value=2 bytes). Producer should not set timestamp type to LogAppendTime."},
		"that bit on what stays compressed":      {records: markedAppendTime(batch.Gzip, 5), config: appendTime, want: ErrInvalidTimestamp, refused: 1, message: invalidTimestamp, first: "Invalid timestamp type in message PartialDefaultRecord(offset=0, timestamp=5, key=0 bytes, value=1 bytes). Producer should not set timestamp type to LogAppendTime."},
		"that bit and no timestamp":              {records: markedAppendTime(batch.None, -1), want: ErrInvalidTimestamp, refused: 1, message: invalidTimestamp, first: "Invalid timestamp type in message DefaultRecord(offset=0, timestamp=-1, key=0 bytes, value=1 bytes). Producer should not set timestamp type to LogAppendTime."},
		"codec 7":                                {records: changed(func(b []byte) { b[22] |= 7 }), want: ErrUnknownCodec},
		"reserved bit 7":                         {records: changed(func(b []byte) { b[22] |= 0x80 })},
		"zstd in produce v6":                     {records: bytes.Clone(zstd.Bytes()), version: 6, want: ErrUnsupportedCompression, logStart: -1},
		"zstd in produce v7":                     {records: bytes.Clone(zstd.Bytes()), version: 7},
		"no key for a compacted topic":           {records: bytes.Clone(zstd.Bytes()), config: func(c *Config) { c.Compact = true }, want: ErrInvalidRecord, refused: 1, message: "One or more records have been rejected due to 1 record errors in total, and only showing the first three errors at most: [RecordError(batchIndex=0, message='Compacted topic cannot accept message without key in topic partition orders-0')]"},
		"older than the topic takes":             {records: plain(0, 2, 1), config: func(c *Config) { c.TimestampBeforeMax = time.Hour }, want: ErrInvalidTimestamp, refused: 2, message: invalidTimestamp},
		"recompressed beyond max.message.bytes":  {records: compressible(), config: func(c *Config) { c.MaxMessageBytes, c.CompressionType = 1000, "uncompressed" }, want: ErrTooLarge, logStart: -1},
		"small only when compressed, but enough": {records: compressible(), config: func(c *Config) { c.MaxMessageBytes = 1000 }},
		"larger than a segment":                  {records: plain(0, 2, 1), config: func(c *Config) { c.SegmentBytes = 70 }, want: ErrBatchTooLarge, logStart: -1},
	} {
		t.Run(name, func(t *testing.T) {
			l := logWith(t, tc.config)
			version := tc.version
			if version == 0 {
				version = 9
			}
			r, err := l.AppendAsLeader(tc.records, 0, OriginClient, version)
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if r.LogStartOffset != tc.logStart {
				t.Errorf("log start %d, want %d", r.LogStartOffset, tc.logStart)
			}
			if tc.want == nil {
				return
			}
			if l.LogEndOffset() != 0 || r.FirstOffset != -1 {
				t.Errorf("something was appended: %+v", r)
			}
			var details *AppendError
			if errors.As(err, &details); details == nil && tc.message != "" || details != nil && (details.Message != tc.message || len(details.RecordErrors) != tc.refused) {
				t.Errorf("details %+v, want %q", details, tc.message)
			}
			if tc.first != "" && (details == nil || details.RecordErrors[0].Message != tc.first) {
				t.Errorf("details %+v, want %q", details, tc.first)
			}
		})
	}
}

func compressible() []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.Gzip))
	for range 100 {
		b.Append(1, []byte("k"), bytes.Repeat([]byte("x"), 100))
	}
	return b.Bytes()
}

// sequenced is a batch of an idempotent producer.
func sequenced(id int64, epoch int16, sequence int32, n int) []byte {
	b := batch.NewBuilder(batch.Options{ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence})
	for range n {
		b.Append(1700000000000, []byte("k"), []byte("v"))
	}
	return b.Bytes()
}

// TestIdempotentSequences is the table of what Apache Kafka 3.9.1 answered, in order.
func TestIdempotentSequences(t *testing.T) {
	l := logWith(t, nil)
	for i, step := range []struct {
		id       int64
		epoch    int16
		sequence int32
		n        int
		offset   int64
		want     error
	}{
		{id: 1, sequence: 5, n: 1, offset: 0}, // unknown producers may start anywhere
		{id: 1, sequence: 9, n: 1, want: ErrOutOfOrderSequence},
		{id: 1, sequence: 6, n: 1, offset: 1},
		{id: 2, sequence: 0, n: 2, offset: 2},
		{id: 2, sequence: 2, n: 2, offset: 4},
		{id: 2, sequence: 4, n: 2, offset: 6},
		{id: 2, sequence: 6, n: 2, offset: 8},
		{id: 2, sequence: 8, n: 2, offset: 10},
		{id: 2, sequence: 10, n: 2, offset: 12},
		{id: 2, sequence: 12, n: 2, offset: 14},
		{id: 2, sequence: 12, n: 2, offset: 14}, // the last again
		{id: 2, sequence: 4, n: 2, offset: 6},   // the fifth last again
		{id: 2, sequence: 2, n: 2, want: ErrOutOfOrderSequence},
		{id: 2, sequence: 13, n: 2, want: ErrOutOfOrderSequence},
		{id: 2, sequence: 20, n: 2, want: ErrOutOfOrderSequence},
		{id: 2, sequence: 12, n: 1, want: ErrOutOfOrderSequence},
		{id: 2, epoch: 1, sequence: 3, n: 1, want: ErrOutOfOrderSequence},
		{id: 2, epoch: 1, sequence: 0, n: 1, offset: 16},
		{id: 2, epoch: 0, sequence: 14, n: 1, want: ErrInvalidProducerEpoch},
		{id: 3, sequence: math.MaxInt32 - 1, n: 3, offset: 17}, // wraps
		{id: 3, sequence: 1, n: 1, offset: 20},
	} {
		end := l.LogEndOffset()
		r, err := l.AppendAsLeader(sequenced(step.id, step.epoch, step.sequence, step.n), 0, OriginClient, 9)
		if !errors.Is(err, step.want) || step.want == nil && (err != nil || r.FirstOffset != step.offset) {
			t.Fatalf("step %d: %+v, %v; want %+v", i, r, err, step)
		}
		if step.want != nil && r.LogStartOffset != 0 {
			t.Errorf("step %d: log start %d", i, r.LogStartOffset)
		}
		if r.Duplicate != (step.want == nil && step.offset < end) || r.Duplicate && r.LogAppendTime != 1700000000000 {
			t.Errorf("step %d: %+v", i, r)
		}
	}
}

func TestTransactionsHoldTheLastStableOffset(t *testing.T) {
	l := logWith(t, nil)
	inTxn := func(sequence int32) []byte {
		b := batch.NewBuilder(batch.Options{ProducerID: 9, BaseSequence: sequence, Transactional: true})
		b.Append(1, nil, []byte("t"))
		return b.Bytes()
	}
	want := func(when string, hw, stable int64, aborted ...AbortedTxn) {
		t.Helper()
		d, err := l.Read(0, 1<<20, true, LimitLastStable)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Release()
		if d.HighWatermark != hw || d.LastStableOffset != stable || fmt.Sprint(d.Aborted) != fmt.Sprint(aborted) || d.Aborted == nil {
			t.Errorf("%s: high watermark %d, stable %d, aborted %v; want %d, %d, %v", when, d.HighWatermark, d.LastStableOffset, d.Aborted, hw, stable, aborted)
		}
	}
	produce(t, l, plain(0, 1, 1))
	produce(t, l, inTxn(0))
	produce(t, l, inTxn(1))
	produce(t, l, plain(3, 1, 1))
	l.SetHighWatermark(4)
	want("open", 4, 1)
	if _, err := l.AppendAsLeader(sequenced(9, 0, 2, 1), 0, OriginClient, 9); !errors.Is(err, ErrInvalidTxnState) {
		t.Errorf("a plain batch in the transaction: %v", err)
	}
	end(t, l, 9, 0, false)
	want("ended, but the marker is not committed", 4, 1)
	l.SetHighWatermark(5)
	want("aborted", 5, 5, AbortedTxn{ProducerID: 9, FirstOffset: 1})
	if d, err := l.Read(3, 1<<20, true, LimitLastStable); err != nil || len(d.Aborted) != 1 {
		t.Errorf("from 3: %+v, %v", d, err)
	} else {
		d.Release()
	}
	if d, err := l.Read(0, 1<<20, true, LimitHighWatermark); err != nil || d.Aborted != nil {
		t.Errorf("uncommitted: %+v, %v", d, err)
	} else {
		d.Release()
	}
}

func TestOlderCoordinatorsAreFenced(t *testing.T) {
	l := logWith(t, nil)
	marker := func(epoch int16, coordinator int32) error {
		b := batch.NewBuilder(batch.Options{ProducerID: 9, ProducerEpoch: epoch, BaseSequence: -1, Transactional: true, Control: true})
		b.AppendMarker(1, batch.Marker{CoordinatorEpoch: coordinator})
		_, err := l.AppendAsLeader(b.Bytes(), 0, OriginCoordinator, 0)
		return err
	}
	if err := marker(1, 5); err != nil {
		t.Fatal(err)
	}
	if err := marker(1, 4); !errors.Is(err, ErrCoordinatorFenced) {
		t.Errorf("older coordinator: %v", err)
	}
	if err := marker(0, 5); !errors.Is(err, ErrInvalidProducerEpoch) {
		t.Errorf("older producer: %v", err)
	}
}

// TestFetchSizes reads five batches of equal size as Apache Kafka 3.9.1 was asked to.
func TestFetchSizes(t *testing.T) {
	l := logWith(t, nil)
	value := bytes.Repeat([]byte("x"), 1000)
	size := 0
	for range 5 {
		b := batch.NewBuilder(batch.PlainOptions(batch.None))
		b.Append(1, nil, value)
		size = len(b.Bytes())
		produce(t, l, b.Bytes())
	}
	l.SetHighWatermark(5)
	for name, tc := range map[string]struct {
		from        int64
		max         int
		minOneBatch bool
		want        int
		err         error
	}{
		"all":                               {max: 1 << 20, minOneBatch: true, want: 5 * size},
		"cut in the middle of a batch":      {max: 2500, minOneBatch: true, want: 2500},
		"one batch at least":                {from: 2, max: 1, minOneBatch: true, want: size},
		"not even the first batch fits":     {from: 2, max: 1},
		"nothing asked":                     {max: 0},
		"at the end":                        {from: 5, max: 100, minOneBatch: true},
		"behind the end":                    {from: 6, max: 100, err: ErrOffsetOutOfRange},
		"before the start":                  {from: -1, max: 100, err: ErrOffsetOutOfRange},
		"the last, known from its own mark": {from: 4, max: 1 << 20, want: size},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := l.Read(tc.from, tc.max, tc.minOneBatch, LimitHighWatermark)
			if !errors.Is(err, tc.err) || d.Len() != tc.want {
				t.Errorf("%d bytes, %v; want %d, %v", d.Len(), err, tc.want, tc.err)
			}
			d.Release()
			d.Release()
		})
	}
}

func TestReadStopsAtTheHighWatermark(t *testing.T) {
	l := logWith(t, func(c *Config) { c.SegmentBytes, c.IndexIntervalBytes = 400, 100 })
	for i := range 40 {
		produce(t, l, plain(2*i, 2, 1))
	}
	for hw := range int64(81) {
		l.SetHighWatermark(hw)
		for from := range hw + 1 {
			d, err := l.Read(from, 1<<20, true, LimitHighWatermark)
			if err != nil {
				t.Fatal(err)
			}
			b, err := d.Bytes()
			d.Release()
			if err != nil {
				t.Fatal(err)
			}
			last := from
			for one := range batch.All(b) {
				h, _ := batch.ReadHeader(one)
				last = h.NextOffset()
			}
			if last > (hw+1)/2*2 || from < hw-1 && len(b) == 0 {
				t.Fatalf("high watermark %d: from %d to %d", hw, from, last)
			}
		}
	}
}

// TestListOffsets has the batches of the probe: 1000/1001, 3000/3001, 2000/2001, 3000/3001; log start 1.
func TestListOffsets(t *testing.T) {
	l := logWith(t, nil)
	if _, _, _, found, err := l.MaxTimestamp(); found || err != nil {
		t.Errorf("an empty log has a largest timestamp: %v", err)
	}
	for _, ts := range []int64{1000, 3000, 2000, 3000} {
		produce(t, l, plain(0, 2, ts))
	}
	l.SetHighWatermark(8)
	if err := l.AdvanceLogStart(1); err != nil {
		t.Fatal(err)
	}
	for ts, want := range map[int64][2]int64{
		0: {1, 1001}, 1000: {1, 1001}, 1001: {1, 1001}, 1002: {2, 3000}, 2500: {2, 3000}, 3000: {2, 3000}, 3001: {3, 3001}, 3002: {-1, -1},
	} {
		offset, timestamp, epoch, found, err := l.OffsetForTimestamp(ts)
		if err != nil || offset != want[0] || timestamp != want[1] || found != (want[0] >= 0) || found && epoch != 0 {
			t.Errorf("timestamp %d: %d, %d, %d, %v, %v; want %v", ts, offset, timestamp, epoch, found, err, want)
		}
	}
	if offset, timestamp, _, _, err := l.MaxTimestamp(); offset != 3 || timestamp != 3001 || err != nil {
		t.Errorf("largest timestamp %d at %d, %v", timestamp, offset, err)
	}
}

func TestDeleteRecords(t *testing.T) {
	l := logWith(t, func(c *Config) { c.SegmentBytes = 300 })
	for i := range 10 {
		produce(t, l, plain(2*i, 2, time.Now().UnixMilli()))
	}
	l.SetHighWatermark(18)
	for _, bad := range []int64{-2, 19} {
		if err := l.AdvanceLogStart(bad); !errors.Is(err, ErrOffsetOutOfRange) {
			t.Errorf("to %d: %v", bad, err)
		}
	}
	for _, to := range []int64{7, 3} {
		if err := l.AdvanceLogStart(to); err != nil || l.LogStartOffset() != 7 {
			t.Errorf("to %d: %d, %v", to, l.LogStartOffset(), err)
		}
	}
	if _, err := l.Read(6, 100, true, LimitLogEnd); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Errorf("read below the start: %v", err)
	}
	l.m.applyRetention()
	if first := l.list()[0].base; first == 0 || first > 7 {
		t.Errorf("the first segment is %d", first)
	}
	wantValues(t, l, 7, 7, 13)
	m := l.m
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	l, _ = open(t, m.o).Log(orders)
	if l.LogStartOffset() != 7 {
		t.Errorf("after a restart the log starts at %d", l.LogStartOffset())
	}
	c := l.Config()
	c.Compact, c.Delete = true, false
	l.m.Reconfigure("orders", c)
	if err := l.AdvanceLogStart(9); !errors.Is(err, ErrPolicyViolation) {
		t.Errorf("compacted: %v", err)
	}
}

func TestLeaderEpochs(t *testing.T) {
	l := logWith(t, nil)
	if e, end := l.EndOffsetForEpoch(0); e != -1 || end != -1 {
		t.Errorf("unknown: %d, %d", e, end)
	}
	for _, epoch := range []int32{0, 1, 4} {
		if err := l.AssignEpochStart(epoch, l.LogEndOffset()); err != nil {
			t.Fatal(err)
		}
		if epoch == 1 {
			continue // a leader that wrote nothing
		}
		if _, err := l.AppendAsLeader(plain(0, 5, 1), epoch, OriginClient, 9); err != nil {
			t.Fatal(err)
		}
	}
	for asked, want := range map[int32][2]int64{-1: {-1, -1}, 0: {0, 5}, 1: {0, 5}, 3: {0, 5}, 4: {4, 10}, 5: {-1, -1}} {
		if e, end := l.EndOffsetForEpoch(asked); int64(e) != want[0] || end != want[1] {
			t.Errorf("epoch %d: %d, %d, want %v", asked, e, end, want)
		}
	}
	if err := l.TruncateTo(5); err != nil {
		t.Fatal(err)
	}
	if e, ok := l.LatestEpoch(); e != 0 || !ok {
		t.Errorf("after truncation: %d, %v", e, ok)
	}
}

func TestLogAppendTimeNeverGoesBack(t *testing.T) {
	l := logWith(t, func(c *Config) { c.TimestampType = batch.LogAppendTime })
	before := time.Now().UnixMilli()
	r := produce(t, l, plain(0, 2, 5))
	if r.LogAppendTime < before || r.LogAppendTime > time.Now().UnixMilli() || r.MaxTimestamp != r.LogAppendTime {
		t.Errorf("%+v", r)
	}
	l.mu.Lock()
	l.mu.appendTime += 1000
	later := l.mu.appendTime
	l.mu.Unlock()
	if r := produce(t, l, plain(2, 1, 5)); r.LogAppendTime != later {
		t.Errorf("%d after %d", r.LogAppendTime, later)
	}
	wantValues(t, l, 0, 0, 3)
}

func TestCompressionTypeOfTheTopic(t *testing.T) {
	for _, name := range []string{"uncompressed", "gzip", "snappy", "lz4", "zstd"} {
		l := logWith(t, func(c *Config) { c.CompressionType = name })
		produce(t, l, plain(0, 50, 1))
		produce(t, l, compressible())
		want, _ := batch.ParseCodec(name)
		for _, r := range found(t, l) {
			if r.Codec != want.String() {
				t.Fatalf("%s: a batch of %s", name, r.Codec)
			}
		}
	}
}

func TestFollowerKeepsWhatTheLeaderWrote(t *testing.T) {
	leader := logWith(t, nil)
	for i := range 20 {
		if _, err := leader.AppendAsLeader(plain(3*i, 3, 1), int32(i/5), OriginClient, 9); err != nil {
			t.Fatal(err)
		}
	}
	d, err := leader.Read(0, 1<<20, true, LimitLogEnd)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	b, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	follower := logWith(t, func(c *Config) { c.SegmentBytes = 500 })
	r, err := follower.AppendAsFollower(b[:len(b)-10])
	if err != nil || r.FirstOffset != 0 || r.LastOffset != 56 || r.Records != 57 {
		t.Fatalf("%+v, %v", r, err)
	}
	wantValues(t, follower, 0, 0, 57)
	if e, end := follower.EndOffsetForEpoch(2); e != 2 || end != 45 {
		t.Errorf("epoch 2 ends at %d, %d", e, end)
	}
	if _, err := follower.AppendAsFollower(b); !errors.Is(err, ErrNonMonotonic) {
		t.Errorf("the same again: %v", err)
	}
	if n := len(follower.list()); n < 4 {
		t.Errorf("%d segments", n)
	}
}
