package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// plain is a message that wraps nothing.
func plain(magic int8, offset, timestamp int64, key, value string) []byte {
	return appendMessage(nil, magic, offset, 0, timestamp, []byte(key), []byte(value))
}

// wrapped is a wrapper of three messages, as a producer sends it, with these offsets.
func wrapped(t testing.TB, magic int8, c Codec, offsets ...int64) []byte {
	t.Helper()
	var s messageSet
	if err := s.begin(nil, magic, Compression{Codec: c}, CreateTime, 0); err != nil {
		t.Fatal(err)
	}
	for i, at := range offsets {
		if err := s.add(at, 1000+int64(i), fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "v%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := s.end()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func oldCodecs(t *testing.T, f func(t *testing.T, magic int8, c Codec)) {
	for magic := range int8(2) {
		for c := None; c <= Lz4; c++ {
			t.Run(fmt.Sprintf("magic %d %v", magic, c), func(t *testing.T) { f(t, magic, c) })
		}
	}
}

// texts are the records of batches or messages, for comparison.
func texts(t *testing.T, data []byte) (out []string) {
	t.Helper()
	for b, err := range All(data) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Check(b); err != nil {
			t.Fatal(err)
		}
		for r, err := range Records(b) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%d@%d %q=%q %v %v %d", r.Offset, r.Timestamp, r.Key, r.Value, r.Key == nil, r.Value == nil, len(r.Headers)))
		}
	}
	return out
}

func TestDownAndUpAgain(t *testing.T) {
	oldCodecs(t, func(t *testing.T, magic int8, c Codec) {
		b := NewBuilder(PlainOptions(c))
		b.Append(1000, []byte("a"), []byte("1"), RecordHeader{Key: "lost"})
		b.Append(999, nil, []byte("2"))
		b.Append(1001, []byte{}, nil)
		batch := b.Bytes()
		SetOffset(batch, 40)
		var d Downgrade
		old, err := d.Append([]byte("before"), batch, magic, 0)
		if err != nil {
			t.Fatal(err)
		}
		old = old[len("before"):]
		want := []string{`40@1000 "a"="1" false false 0`, `41@999 ""="2" true false 0`, `42@1001 ""="" false true 0`}
		if magic == 0 {
			for i := range want {
				want[i] = want[i][:3] + "-1" + want[i][strings.IndexByte(want[i], ' '):]
			}
		}
		if got := texts(t, old); !slices.Equal(got, want) {
			t.Fatalf("down: %v, want %v", got, want)
		}
		c1, err := Convert(old, 2, 7, rules())
		if err != nil {
			t.Fatal(err)
		}
		h, err := Check(c1.Batches)
		if err != nil || h.Magic != 2 || h.BaseOffset != 7 || h.Count != 3 || h.Codec() != c || h.HasProducerID() || h.MaxTimestamp != c1.MaxTimestamp {
			t.Fatalf("up: %+v, %v, %v", h, c1, err)
		}
		for i := range want {
			want[i] = fmt.Sprint(7+i) + want[i][2:]
		}
		if got := texts(t, c1.Batches); !slices.Equal(got, want) {
			t.Errorf("up: %v, want %v", got, want)
		}
	})
}

func TestDowngradeLeavesOut(t *testing.T) {
	uncompressed := build(PlainOptions(None), 4)
	var d Downgrade
	out, err := d.Append(nil, uncompressed, 1, 2)
	if got := texts(t, out); err != nil || len(got) != 2 || !strings.HasPrefix(got[0], "2@") {
		t.Errorf("from 2: %v, %v", got, err)
	}
	together, err := d.Append(nil, build(PlainOptions(Gzip), 4), 1, 2)
	if got := texts(t, together); err != nil || len(got) != 4 {
		t.Errorf("compressed records stay together: %v, %v", got, err)
	}
	o := PlainOptions(None)
	o.Control, o.Transactional, o.ProducerID, o.ProducerEpoch = true, true, 4, 0
	m := NewBuilder(o)
	m.AppendMarker(5, Marker{Commit: true})
	if out, err := d.Append(nil, m.Bytes(), 1, 0); err != nil || len(out) != 0 {
		t.Errorf("a marker: %x, %v", out, err)
	}
	if _, err := d.Append(nil, build(PlainOptions(Zstd), 1), 1, 0); !errors.Is(err, ErrZstd) {
		t.Errorf("zstd: %v", err)
	}
	old := wrapped(t, 0, Snappy, 3, 4, 5)
	if out, err := d.Append(nil, old, 1, 0); err != nil || !bytes.Equal(out, old) {
		t.Errorf("an older format stays as it is: %x, %v", out, err)
	}
}

func TestLogAppendTimeIsTheWrappers(t *testing.T) {
	b := build(PlainOptions(Gzip), 3)
	setTimestamps(b, LogAppendTime, 5000)
	var d Downgrade
	out, err := d.Append(nil, b, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := Check(out); h.TimestampType() != LogAppendTime || h.MaxTimestamp != 5000 {
		t.Errorf("%+v", h)
	}
	for _, text := range texts(t, out) {
		if !strings.Contains(text, "@5000 ") {
			t.Error(text)
		}
	}
	r := rules()
	r.Type, r.Now = LogAppendTime, 6000
	c, err := Convert(wrapped(t, 1, Lz4, 0, 1), 2, 0, r)
	if h, _ := Check(c.Batches); err != nil || h.TimestampType() != LogAppendTime || h.MaxTimestamp != 6000 || c.MaxTimestamp != 6000 {
		t.Errorf("%+v, %v", h, err)
	}
	if c, err = Convert(plain(0, 0, 0, "k", "v"), 1, 9, r); err != nil || texts(t, c.Batches)[0] != `9@6000 "k"="v" false false 0` {
		t.Errorf("%v, %v", texts(t, c.Batches), err)
	}
	if _, err := Convert(out, 2, 0, r); !errors.Is(err, ErrInvalidTimestamp) {
		t.Errorf("a producer that sets the leader's timestamps: %v", err)
	}
}

func TestOffsetsWithin(t *testing.T) {
	relative := wrapped(t, 1, Gzip, 0, 1, 5)
	SetOffset(relative, 25)
	if got := texts(t, relative); !strings.HasPrefix(got[0], "20@") || !strings.HasPrefix(got[2], "25@") {
		t.Errorf("magic 1 counts from the first: %v", got)
	}
	h, err := ReadHeader(relative)
	if first, err2 := FirstOffset(relative, &h); err != nil || err2 != nil || first != 20 || h.LastOffset() != 25 || !h.IsWrapper() {
		t.Errorf("%d of %+v, %v, %v", first, h, err, err2)
	}
	if got := texts(t, wrapped(t, 0, Gzip, 7, 8)); !strings.HasPrefix(got[0], "7@") {
		t.Errorf("magic 0 has absolute offsets: %v", got)
	}
	zeros := wrapped(t, 1, Gzip, 0, 1, 2)
	SetOffset(zeros, 0)
	c, err := Convert(zeros, 2, 0, rules())
	if err != nil || c.Records != 3 {
		t.Errorf("librdkafka's wrapper at 0: %+v, %v", c, err)
	}
	SetOffset(zeros, 1)
	if _, err := Convert(zeros, 2, 0, rules()); !errors.Is(err, ErrInvalidRecord) {
		t.Errorf("a wrapper before its last: %v", err)
	}
}

// TestLz4HeadersRightAndWrong: magic 0 has a frame that no lz4 library takes, and both are read.
func TestLz4HeadersRightAndWrong(t *testing.T) {
	b := wrapped(t, 0, Lz4, 0, 1, 2)
	m, err := readMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decompress(nil, Lz4, m.value, 1<<20); !errors.Is(err, ErrDecompress) {
		t.Errorf("the frame of magic 0 is a right one: %v", err)
	}
	if right := rightLz4Header(m.value); bytes.Equal(right, m.value) {
		t.Error("nothing was wrong")
	} else if copy(m.value, right); len(texts(t, recrc(b))) != 3 {
		t.Error("a right header in magic 0 is not read")
	}
	one, err := readMessage(wrapped(t, 1, Lz4, 0, 1))
	if err != nil || !bytes.Equal(rightLz4Header(one.value), one.value) {
		t.Errorf("magic 1 has a wrong header: %v", err)
	}
	// What the reference implementation answers.
	for in, want := range map[string]uint32{"": 0x02cc5d05, "a": 0x550d7456, "abc": 0x32d153ff, "abcdefghijklmnop": 0x9d2d8b62} {
		if got := shortXXHash32([]byte(in)); got != want {
			t.Errorf("xxHash32(%q) = %08x, want %08x", in, got, want)
		}
	}
}

func recrc(b []byte) []byte { setMessageCRC(b); return b }

func TestConvertRefuses(t *testing.T) {
	bomb := func() []byte {
		var s messageSet
		_ = s.begin(nil, 1, Compression{Codec: Lz4}, CreateTime, 0)
		s.n, s.inner = 1, make([]byte, MaxDecompressed+1)
		b, _ := s.end()
		return b
	}
	idempotent := PlainOptions(None)
	idempotent.ProducerID, idempotent.ProducerEpoch, idempotent.BaseSequence = 4, 0, 0
	late := rules()
	late.AfterMax = 1000
	keyed := rules()
	keyed.Compacted = true
	nested := func() []byte {
		var s messageSet
		_ = s.begin(nil, 1, Compression{Codec: Gzip}, CreateTime, 0)
		s.n, s.inner = 1, wrapped(t, 1, Gzip, 0)
		b, _ := s.end()
		return b
	}
	badInner := func() []byte {
		var s messageSet
		_ = s.begin(nil, 1, Compression{Codec: Gzip}, CreateTime, 0)
		s.n, s.inner = 1, plain(1, 0, 5, "k", "v")
		s.inner[len(s.inner)-1] ^= 1
		b, _ := s.end()
		return b
	}
	otherInner := func() []byte {
		var s messageSet
		_ = s.begin(nil, 1, Compression{Codec: Gzip}, CreateTime, 0)
		s.n, s.inner = 1, plain(0, 0, 0, "k", "v")
		b, _ := s.end()
		return b
	}
	attributes := func(b []byte, a byte) []byte { b[posMessageAttributes] = a; return recrc(b) }
	longKey := plain(0, 0, 0, "k", "v")
	binary.BigEndian.PutUint32(longKey[messageFields0:], 1000)
	for name, tc := range map[string]struct {
		records []byte
		magic   int8
		rules   *Rules
		want    error
	}{
		"a wrapper and another message":      {slices.Concat(wrapped(t, 1, Gzip, 0), plain(1, 1, 5, "k", "v")), 2, rules(), ErrInvalidRecord},
		"two magics":                         {slices.Concat(plain(0, 0, 0, "k", "v"), plain(1, 1, 5, "k", "v")), 2, rules(), ErrInvalidRecord},
		"two batches":                        {slices.Concat(build(PlainOptions(None), 1), build(PlainOptions(None), 1)), 1, rules(), ErrInvalidRecord},
		"a wrapper in a wrapper":             {nested(), 2, rules(), ErrInvalidRecord},
		"another magic in a wrapper":         {otherInner(), 2, rules(), ErrInvalidRecord},
		"a wrong CRC in a wrapper":           {badInner(), 2, rules(), ErrCorrupt},
		"a wrapper without a value":          {attributes(appendMessage(nil, 1, 0, 0, 5, nil, nil), 1), 2, rules(), ErrInvalidRecord},
		"a wrapper of nothing":               {attributes(appendMessage(nil, 1, 0, 0, 5, nil, gzipped(t, nil)), 1), 2, rules(), ErrInvalidRecord},
		"a wrapper of no gzip":               {attributes(plain(1, 0, 5, "", "nonsense"), 1), 2, rules(), ErrDecompress},
		"zstd":                               {attributes(plain(1, 0, 5, "", "x"), 4), 2, rules(), ErrInvalidRecord},
		"a codec that does not exist":        {attributes(plain(1, 0, 5, "", "x"), 5), 2, rules(), ErrUnknownCodec},
		"a bomb":                             {bomb(), 2, rules(), ErrTooLarge},
		"a key longer than its message":      {recrc(longKey), 2, rules(), ErrInvalidRecord},
		"no key for a compacted topic":       {appendMessage(nil, 1, 0, 0, 5, nil, []byte("v")), 2, keyed, ErrInvalidRecord},
		"from the future":                    {plain(1, 0, late.Now+1001, "k", "v"), 2, late, ErrInvalidTimestamp},
		"from before time":                   {plain(1, 0, -2, "k", "v"), 2, rules(), ErrNegativeTimestamp},
		"sequences for magic 1":              {build(idempotent, 1), 1, rules(), ErrFormat},
		"headers for magic 1":                {build(PlainOptions(None), 1), 1, rules(), ErrHeaders},
		"zstd for magic 0":                   {build(PlainOptions(Zstd), 1), 0, rules(), ErrZstd},
		"nothing whole":                      {plain(1, 0, 5, "k", "v")[:30], 2, rules(), ErrInvalidRecord},
		"a record count that is a lie":       {func() []byte { b := build(PlainOptions(None), 2); b[posCount+3] = 3; setCRC(b); return b }(), 1, rules(), ErrInvalidRecord},
		"timestamps that run over the clock": {plain(1, 0, math.MaxInt64, "k", "v"), 2, late, ErrInvalidTimestamp},
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := Convert(tc.records, tc.magic, 0, tc.rules); !errors.Is(err, tc.want) {
				t.Errorf("%+v, %v, want %v", c, err, tc.want)
			}
		})
	}
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	out, err := Compress(nil, Compression{Codec: Gzip}, b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestConvertToOldFormats: below inter.broker.protocol.version 3.0 topics may be stored so.
func TestConvertToOldFormats(t *testing.T) {
	oldCodecs(t, func(t *testing.T, magic int8, c Codec) {
		for name, source := range map[string][]byte{"magic 0": plain(0, 0, 0, "k0", "v0"), "magic 1": wrapped(t, 1, c, 0, 1),
			"magic 2": func() []byte {
				b := NewBuilder(PlainOptions(c))
				b.Append(1000, []byte("k0"), []byte("v0"))
				return b.Bytes()
			}()} {
			r := rules()
			r.Keep, r.Target = false, Compression{Codec: c}
			out, err := Convert(source, magic, 50, r)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			h, err := Check(out.Batches)
			if err != nil || h.Magic != magic || h.Codec() != c {
				t.Fatalf("%s: %+v, %v", name, h, err)
			}
			if got := texts(t, out.Batches); len(got) != out.Records || !strings.HasPrefix(got[0], "50@") || !strings.Contains(got[0], `"k0"="v0"`) {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

func TestFilterTakesMessagesOut(t *testing.T) {
	oldCodecs(t, func(t *testing.T, magic int8, c Codec) {
		if c == None {
			return // of a message of its own there is nothing to take out
		}
		b := wrapped(t, magic, c, 10, 11, 12)
		h, err := Check(b)
		if err != nil {
			t.Fatal(err)
		}
		var f Filter
		keys := 0
		if err := f.Keys(&h, b, func(Key) bool { keys++; return true }); err != nil || keys != 3 {
			t.Fatalf("%d keys, %v", keys, err)
		}
		out, kept, err := f.Append(nil, b, &h, &Cut{Keep: func(k Key) bool { return string(k.Bytes) != "k1" }, Horizon: 5})
		if err != nil || kept != 2 {
			t.Fatalf("%d kept, %v", kept, err)
		}
		if got := texts(t, out); len(got) != 2 || got[0][:2] != "10" || got[1][:2] != "12" {
			t.Errorf("left: %v", got)
		}
		if out, kept, err = f.Append(nil, b, &h, &Cut{Keep: func(Key) bool { return true }, Horizon: 5}); err != nil || kept != 3 || !bytes.Equal(out, b) {
			t.Errorf("what keeps all is as it was: %d kept, %v", kept, err)
		}
		if out, kept, err = f.Append(nil, b, &h, &Cut{Keep: func(Key) bool { return false }}); err != nil || kept != 0 || len(out) != 0 {
			t.Errorf("nothing kept: %x, %v", out, err)
		}
	})
}
