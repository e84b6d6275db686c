package batch

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

type name string

func (n name) String() string { return string(n) }

func rules() *Rules {
	return &Rules{Partition: name("cmp-0"), FromClient: true, Now: 1_700_000_000_000, BeforeMax: math.MaxInt64, AfterMax: math.MaxInt64, Keep: true}
}

func build(o Options, n int) []byte {
	b := NewBuilder(o)
	for i := range n {
		b.Append(1000+int64(i), fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "v%d", i), RecordHeader{Key: "h", Value: []byte{byte(i)}}, RecordHeader{Key: ""})
	}
	return b.Bytes()
}

func allCodecs(t *testing.T, f func(t *testing.T, c Codec)) {
	for c := None; c <= Zstd; c++ {
		t.Run(c.String(), func(t *testing.T) { f(t, c) })
	}
}

func TestBuildAndRead(t *testing.T) {
	allCodecs(t, func(t *testing.T, c Codec) {
		b := build(PlainOptions(c), 1000)
		h, err := Check(b)
		if err != nil || h.Count != 1000 || h.LastOffset() != 999 || h.MaxTimestamp != 1999 || h.Codec() != c {
			t.Fatalf("%+v, %v", h, err)
		}
		i := 0
		for r, err := range Records(b) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Offset != int64(i) || r.Timestamp != 1000+int64(i) || string(r.Key) != fmt.Sprintf("k%d", i) || string(r.Value) != fmt.Sprintf("v%d", i) ||
				len(r.Headers) != 2 || r.Headers[0].Key != "h" || r.Headers[1].Value != nil {
				t.Fatalf("record %d: %+v", i, r)
			}
			i++
		}
		if i != 1000 {
			t.Fatalf("%d records", i)
		}
	})
}

func TestNullAndEmptyStayApart(t *testing.T) {
	b := NewBuilder(PlainOptions(None))
	b.Append(1, nil, []byte{})
	b.Append(2, []byte{}, nil)
	var got []Record
	for r, err := range Records(b.Bytes()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if got[0].Key != nil || got[0].Value == nil || got[1].Key == nil || got[1].Value != nil {
		t.Errorf("%+v", got)
	}
}

func TestValidateRecompresses(t *testing.T) {
	allCodecs(t, func(t *testing.T, to Codec) {
		for from := None; from <= Zstd; from++ {
			r := rules()
			r.Keep, r.Target = false, Compression{Codec: to}
			in := build(PlainOptions(from), 500)
			h, _ := Check(in)
			out, err := Validate(bytes.Clone(in), h, r)
			if err != nil {
				t.Fatal(err)
			}
			if from == to && !bytes.Equal(out.Batch, in) {
				t.Errorf("%v was changed", from)
			}
			if h, err := Check(out.Batch); err != nil || h.Codec() != to || h != out.Header {
				t.Errorf("%v: %+v, %v", from, h, err)
			}
			n := 0
			for rec, err := range Records(out.Batch) {
				if err != nil || string(rec.Value) != fmt.Sprintf("v%d", n) {
					t.Fatalf("record %d: %+v, %v", n, rec, err)
				}
				n++
			}
			if n != 500 {
				t.Errorf("%v: %d records", from, n)
			}
		}
	})
}

func TestValidateTimestamps(t *testing.T) {
	allCodecs(t, func(t *testing.T, c Codec) {
		b := build(PlainOptions(c), 3)
		setTimestamps(b, LogAppendTime, 77) // as if a client had set the bit
		h, _ := Check(b)
		out, err := Validate(b, h, rules())
		if err != nil || out.Header.TimestampType() != CreateTime {
			t.Errorf("a client's LogAppendTime bit: %+v, %v", out.Header, err)
		}
		if _, err := Check(out.Batch); err != nil {
			t.Error(err)
		}
		r := rules()
		r.Type = LogAppendTime
		b = build(PlainOptions(c), 3)
		h, _ = Check(b)
		out, err = Validate(b, h, r)
		if err != nil || out.Header.TimestampType() != LogAppendTime || out.Header.MaxTimestamp != r.Now {
			t.Errorf("LogAppendTime: %+v, %v", out.Header, err)
		}
		for rec, err := range Records(out.Batch) {
			if err != nil || rec.Timestamp != r.Now {
				t.Errorf("%+v, %v", rec, err)
			}
		}
	})
}

func TestValidateRefuses(t *testing.T) {
	change := func(f func(h *Header)) []byte {
		b := build(PlainOptions(None), 2)
		h, _ := Check(b)
		f(&h)
		encodeHeader(b, h)
		setCRC(b)
		return b
	}
	noKey := NewBuilder(PlainOptions(Gzip))
	noKey.Append(5, []byte("k"), nil)
	noKey.Append(5, nil, nil)
	noKey.Append(5, nil, nil)
	for name, tc := range map[string]struct {
		batch []byte
		rules func(*Rules)
		want  error
		text  string
	}{
		"a last offset delta that is no count - 1":     {batch: change(func(h *Header) { h.LastOffsetDelta = 5 }), want: ErrInvalidRecord},
		"a negative last offset delta":                 {batch: change(func(h *Header) { h.LastOffsetDelta = -1 }), want: ErrInvalidRecord},
		"fewer records than the count":                 {batch: change(func(h *Header) { h.LastOffsetDelta, h.Count = 2, 3 }), want: ErrInvalidRecord},
		"more records than the count":                  {batch: change(func(h *Header) { h.LastOffsetDelta, h.Count = 0, 1 }), want: ErrInvalidRecord},
		"a client's control bit":                       {batch: change(func(h *Header) { h.Attributes |= attrControl }), want: ErrInvalidRecord},
		"a producer without a sequence":                {batch: change(func(h *Header) { h.ProducerID = 4 }), want: ErrInvalidRecord},
		"a codec that does not exist":                  {batch: change(func(h *Header) { h.Attributes |= 7 }), want: ErrUnknownCodec},
		"records that are no gzip":                     {batch: change(func(h *Header) { h.Attributes |= 1 }), want: ErrDecompress},
		"records that are no snappy":                   {batch: change(func(h *Header) { h.Attributes |= 2 }), want: ErrDecompress},
		"records that are no lz4":                      {batch: change(func(h *Header) { h.Attributes |= 3 }), want: ErrDecompress},
		"records that are no zstd":                     {batch: change(func(h *Header) { h.Attributes |= 4 }), want: ErrDecompress},
		"a reserved attribute is no reason":            {batch: change(func(h *Header) { h.Attributes |= 0x80 })},
		"a timestamp of -1 is no reason":               {batch: change(func(h *Header) { h.BaseTimestamp = -1 }), rules: func(r *Rules) { r.BeforeMax = 1e13 }},
		"a null key, which a plain topic takes":        {batch: noKey.Bytes()},
		"null keys to a compacted topic":               {batch: noKey.Bytes(), rules: func(r *Rules) { r.Compacted = true }, want: ErrInvalidRecord, text: "One or more records have been rejected due to 2 record errors in total, and only showing the first three errors at most: [RecordError(batchIndex=1, message='Compacted topic cannot accept message without key in topic partition cmp-0'), RecordError(batchIndex=2, message='Compacted topic cannot accept message without key in topic partition cmp-0')]"},
		"records that are too old":                     {batch: build(PlainOptions(Zstd), 2), rules: func(r *Rules) { r.BeforeMax = 3600000 }, want: ErrInvalidTimestamp, text: "One or more records have been rejected due to invalid timestamp"},
		"records from the future":                      {batch: change(func(h *Header) { h.BaseTimestamp = 1_700_000_060_000 }), rules: func(r *Rules) { r.AfterMax = 60000 }, want: ErrInvalidTimestamp},
		"a timestamp does not matter at LogAppendTime": {batch: build(PlainOptions(None), 2), rules: func(r *Rules) { r.BeforeMax, r.Type = 1, LogAppendTime }},
	} {
		t.Run(name, func(t *testing.T) {
			r := rules()
			if tc.rules != nil {
				tc.rules(r)
			}
			h, err := Check(tc.batch)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Validate(tc.batch, h, r)
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if tc.text != "" && err.Error() != tc.text {
				t.Errorf("text\n%s, want\n%s", err, tc.text)
			}
		})
	}
}

func TestBombIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	zeros := make([]byte, 64<<20)
	for c := Gzip; c <= Zstd; c++ {
		bomb, err := Compress(nil, Compression{Codec: c}, zeros)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decompress(nil, c, bomb, 1<<20); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: %v", c, err)
		}
		if out, err := Decompress(nil, c, bomb, len(zeros)); err != nil || len(out) != len(zeros) {
			t.Errorf("%v: %d bytes, %v", c, len(out), err)
		}
	}
}

func TestSnappyOfOtherClients(t *testing.T) {
	text := []byte(strings.Repeat("snappy ", 20000))
	framed, _ := Compress(nil, Compression{Codec: Snappy}, text)
	again := append(bytes.Clone(framed), framed...) // two streams, one behind the other
	if out, err := Decompress(nil, Snappy, again, MaxDecompressed); err != nil || len(out) != 2*len(text) {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	for n := range len(framed) {
		if _, err := Decompress(nil, Snappy, framed[:n], MaxDecompressed); err != nil && !errors.Is(err, ErrDecompress) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

func TestSequencesWrap(t *testing.T) {
	h := Header{BaseSequence: math.MaxInt32 - 1, LastOffsetDelta: 2}
	if h.LastSequence() != 0 || AddSequence(0, 1) != 1 || AddSequence(math.MaxInt32, 1) != 0 || AddSequence(NoSequence, 1) != 0 {
		t.Error(h.LastSequence(), AddSequence(math.MaxInt32, 1))
	}
}

func TestMarkers(t *testing.T) {
	o := Options{ProducerID: 1, BaseSequence: NoSequence, Transactional: true, Control: true, LeaderEpoch: -1}
	for _, want := range []Marker{{Commit: true, CoordinatorEpoch: 3}, {CoordinatorEpoch: 0}} {
		b := NewBuilder(o)
		b.AppendMarker(9, want)
		got, ok, err := ReadMarker(b.Bytes())
		if err != nil || !ok || got != want {
			t.Errorf("%+v, %v, %v, want %+v", got, ok, err, want)
		}
	}
}

func TestValidateAllocatesNothing(t *testing.T) {
	b := build(PlainOptions(None), 200)
	h, _ := Check(b)
	r := rules()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Validate(b, h, r); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
