package api

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// guarded calls f for every request that has a schema, in every version that kmsg knows.
func guarded(f func(name string, key, version int16, s *schema)) {
	for key := range int16(70) {
		s := schemaOf(key)
		if s.layout.fields == nil && s.layout.tags == nil {
			continue
		}
		req := kmsg.RequestForKey(key)
		for version := range req.MaxVersion() + 1 {
			f(fmt.Sprintf("%s v%d", kmsg.NameForKey(key), version), key, version, &s)
		}
	}
}

// fill sets every field of a message to something random. Below depth 0 arrays stay empty.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(r.Int64() >> r.IntN(64))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(r.Uint64() >> r.IntN(64))
	case reflect.Float64:
		v.SetFloat(r.Float64())
	case reflect.String:
		v.SetString(string(make([]byte, r.IntN(5)*r.IntN(60))))
	case reflect.Pointer:
		if r.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth)
		}
	case reflect.Slice:
		if r.IntN(6) == 0 {
			return
		}
		n := 0
		if depth > 0 {
			n = r.IntN(4)
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(r, v.Index(i), depth-1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth)
		}
	case reflect.Struct:
		if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
			for range r.IntN(3) {
				tags.Set(100+r.Uint32N(300), make([]byte, r.IntN(200)))
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Version" {
				fill(r, v.Field(i), depth)
			}
		}
	}
}

func random(r *rand.Rand, key, version int16) []byte {
	req := kmsg.RequestForKey(key)
	fill(r, reflect.ValueOf(req).Elem(), 4)
	req.SetVersion(version)
	return req.AppendTo(nil)
}

func TestGuardAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	guarded(func(name string, key, version int16, s *schema) {
		for range 20 {
			body := random(r, key, version)
			if used, err := s.check(body, version); err != nil || used != len(body) {
				t.Fatalf("%s: %d of %d bytes accepted, %v", name, used, len(body), err)
			}
			garbage := append(body[:len(body):len(body)], 1, 2, 3)
			if used, err := s.check(garbage, version); err != nil || used != len(body) {
				t.Fatalf("%s with garbage behind it: %d of %d bytes accepted, %v", name, used, len(body), err)
			}
			for cut := range body {
				if _, err := s.check(body[:cut], version); err == nil {
					t.Fatalf("%s: %d of %d bytes are accepted", name, cut, len(body))
				}
			}
		}
	})
}

func TestGuardRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		key, version int16
		body         []byte
		want         error
	}{
		"2^32-1 tagged fields":                     {3, 12, []byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}, errCutShort},
		"2^31-1 topics":                            {3, 0, []byte{0x7f, 0xff, 0xff, 0xff}, errCutShort},
		"a tagged field beyond the request":        {3, 12, []byte{1, 0, 0, 1, 99, 0xff, 0xff, 0xff, 0xff, 0x0f}, errBadSize},
		"an uvarint without an end":                {3, 12, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80}, errCutShort},
		"a null array where none is allowed":       {3, 0, []byte{0xff, 0xff, 0xff, 0xff}, errBadSize},
		"a null name where none is allowed":        {3, 9, []byte{2, 0, 0, 0, 0, 0, 0}, errBadSize},
		"unknown tagged fields without end or sum": {3, 12, append([]byte{1, 0, 0, 0x90, 0x4e}, make([]byte, 20000)...), errTooMany},
	} {
		t.Run(name, func(t *testing.T) {
			s := schemaOf(tc.key)
			if _, err := s.check(tc.body, tc.version); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	s := schemaOf(3)
	if _, err := s.check([]byte{0xff, 0xff, 0xff, 0xfe}, 1); err != nil {
		t.Errorf("an array of length -2 is null, got %v", err)
	}
}

// maxMultiple is how many bytes decoding may allocate for each byte of a frame.
const maxMultiple = 64

// TestDecodingIsPaidFor decodes, of every request, the frame that costs most for its length: the shortest
// possible elements, as many as fit, and unknown tagged fields as many as are let pass.
func TestDecodingIsPaidFor(t *testing.T) {
	guarded(func(name string, key, version int16, s *schema) {
		for _, tags := range []bool{false, true} {
			body := densest(s, version, 1<<16, tags)
			used, err := s.check(body, version)
			if err != nil || used != len(body) {
				t.Fatalf("%s: the guard refuses the densest frame: %d of %d, %v", name, used, len(body), err)
			}
			if got := cost(t, key, version, body); got > uint64(len(body)+4096)*maxMultiple {
				t.Errorf("%s: %d bytes make the decoder allocate %d", name, len(body), got)
			}
		}
	})
}

// cost is how many bytes decoding a body allocates.
func cost(t testing.TB, key, version int16, body []byte) uint64 {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := req.ReadFrom(body)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Errorf("kmsg refuses what the guard let pass: key %d v%d: %v", key, version, err)
	}
	return after.TotalAlloc - before.TotalAlloc
}

// densest encodes a request of about n bytes whose arrays hold as many and as small elements as possible.
// Of several arrays in a struct only the first is filled, of an array in an array only the inner.
func densest(s *schema, version int16, n int, tags bool) []byte {
	e := encoder{version: version, flexible: version >= s.flexible}
	if tags {
		e.tags = n / 16
	}
	return e.group(nil, &s.layout, n)
}

type encoder struct {
	version  int16
	flexible bool
	tags     int // unknown tagged fields still to be spent, one a struct
}

func (e *encoder) group(b []byte, g *layout, room int) []byte {
	for i := range g.fields {
		f := &g.fields[i]
		if e.version < f.from || e.version > f.to {
			continue
		}
		switch f.kind {
		case str:
			b = e.size(b, 2, 0)
		case blob:
			b = e.size(b, 4, 0)
		case array:
			var elements []byte
			count := 0
			for ; len(elements) < room; count++ {
				elements = e.group(elements, f.of, 0)
			}
			room = 0
			b = append(e.size(b, 4, count), elements...)
		case record:
			b = e.group(b, f.of, 0)
		default:
			b = append(b, make([]byte, int(f.kind))...)
		}
	}
	if g.tagged && e.flexible {
		if e.tags > 0 {
			e.tags--
			return append(b, 1, 99, 0)
		}
		return append(b, 0)
	}
	return b
}

func (e *encoder) size(b []byte, width, n int) []byte {
	if e.flexible {
		for n++; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return append(b, byte(n))
	}
	for i := width - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

// FuzzGuard holds that what the walk accepts, the decoder decodes within its means, and that the walk
// itself never panics.
func FuzzGuard(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	guarded(func(_ string, key, version int16, _ *schema) {
		f.Add(key, version, random(r, key, version))
	})
	f.Add(int16(3), int16(12), []byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		req := kmsg.RequestForKey(key)
		s := schemaOf(key)
		if req == nil || version < 0 || version > req.MaxVersion() || s.layout.fields == nil {
			return
		}
		used, err := s.check(body, version)
		if err != nil {
			return
		}
		if got := cost(t, key, version, body[:used]); got > uint64(len(body)+4096)*maxMultiple {
			t.Errorf("%d bytes make the decoder allocate %d", len(body), got)
		}
	})
}
