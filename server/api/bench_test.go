package api

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The two requests whose cost is the broker's cost, on a loopback socket over a real log.

// BenchmarkProduce sends batches of 16 KiB with acks=1, five requests in flight.
func BenchmarkProduce(b *testing.B) {
	r := newRig(b)
	r.create("orders", 1)
	c := r.dial()
	frame := produceFrame(b, 1, 16<<10)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	answer := newAnswers(c)
	const inFlight = 5
	sent := 0
	for done := 0; done < b.N; done++ {
		for ; sent < b.N && sent < done+inFlight; sent++ {
			c.raw(frame)
		}
		answer.skip()
	}
}

// BenchmarkFetch reads 1 MiB from each of six partitions, one request in flight.
func BenchmarkFetch(b *testing.B) {
	r := newRig(b)
	r.create("orders", 6)
	c := r.dial()
	answer := newAnswers(c)
	for range 20 {
		one := records(b, 600, 100)
		c.send(produceRequest(1, "orders", one, one, one, one, one, one), 9)
		answer.skip()
	}
	req := fetchRequest("orders", 0, 1, 2, 3, 4, 5)
	req.MaxBytes = 50 << 20
	req.SetVersion(17)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 1)
	c.raw(frame)
	b.SetBytes(int64(answer.skip()))
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		c.raw(frame)
		answer.skip()
	}
}

// answers reads what the broker answers, and looks at nothing but its length.
type answers struct {
	c    *client
	size [4]byte
	body []byte
}

func newAnswers(c *client) *answers { return &answers{c: c, body: make([]byte, 1<<20)} }

func (a *answers) skip() int {
	a.c.t.Helper()
	if _, err := readFull(a.c, a.size[:]); err != nil {
		a.c.t.Fatal(err)
	}
	size := int(binary.BigEndian.Uint32(a.size[:]))
	for left := size; left > 0; {
		n, err := a.c.conn.Read(a.body[:min(left, len(a.body))])
		if err != nil {
			a.c.t.Fatal(err)
		}
		left -= n
	}
	return size
}
