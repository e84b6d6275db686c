package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	partitions = 6
	recordSize = 100 // bytes of value
	inFlight   = 5
	fetchBytes = 1 << 20 // of each partition
)

// usage is what one run moved and what it cost.
type usage struct {
	bytes   int64
	elapsed time.Duration
	cpu     time.Duration
}

func (u usage) megabytesPerSecond() float64 { return float64(u.bytes) / 1e6 / u.elapsed.Seconds() }
func (u usage) cpuPerGiB() float64          { return u.cpu.Seconds() / (float64(u.bytes) / (1 << 30)) }

// measure runs a load and notes what the server's process used meanwhile.
func (s *server) measure(load func() (int64, error)) (usage, error) {
	before, err := cpuOf(s.Pid())
	if err != nil {
		return usage{}, err
	}
	begin := time.Now()
	n, err := load()
	if err != nil {
		return usage{}, fmt.Errorf("%s: %w", s.name, err)
	}
	u := usage{bytes: n, elapsed: time.Since(begin)}
	after, err := cpuOf(s.Pid())
	u.cpu = after - before
	return u, err
}

// produceLoad is the shape of a produce load.
type produceLoad struct {
	batchBytes  int
	perRequest  int // partitions
	batch       []byte
	recordCount int
}

func newProduceLoad(batchBytes, perRequest int) produceLoad {
	l := produceLoad{batchBytes: batchBytes, perRequest: perRequest}
	l.batch, l.recordCount = encodeBatch(batchBytes, recordSize, time.Now().UnixMilli())
	return l
}

// frames returns the requests that take the partitions of a topic in turn.
func (l produceLoad) frames(topic string) [][]byte {
	var frames [][]byte
	for p := 0; p < partitions; p += l.perRequest {
		var of []int32
		for i := range l.perRequest {
			of = append(of, int32(p+i))
		}
		frames = append(frames, encodeProduce(topic, l.batch, of...))
	}
	return frames
}

// run produces until more says no, and returns the bytes of record batches acknowledged. The window is kept
// by one goroutine: each answer lets one request go.
func (l produceLoad) run(addr, topic string, more func(sent int64) bool) (int64, error) {
	c, err := dial(addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	frames := l.frames(topic)
	perRequest := int64(len(l.batch) * l.perRequest)
	sent, acknowledged := int64(0), int64(0)
	for {
		for sent-acknowledged < inFlight && more(sent*perRequest) {
			f := frames[sent%int64(len(frames))]
			setCorrelation(f, int32(sent))
			if _, err := c.Write(f); err != nil {
				return 0, err
			}
			sent++
		}
		if sent == acknowledged {
			return acknowledged * perRequest, nil
		}
		answer, err := c.read()
		if err == nil {
			err = checkProduced(answer)
		}
		if err != nil {
			return 0, err
		}
		acknowledged++
	}
}

// forSeconds lets a load go on for so long.
func forSeconds(ctx context.Context, seconds float64) func(int64) bool {
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	return func(int64) bool { return time.Now().Before(end) && ctx.Err() == nil }
}

// consume fetches a topic over and over and returns the bytes of records that came. Each partition holds so
// many records; one that is at its end begins again.
func consume(addr, topic string, recordsEach int64, more func(int64) bool) (int64, error) {
	c, err := dial(addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	fetch := encodeFetch(topic, partitions, fetchBytes, 500)
	total := int64(0)
	for more(total) {
		if _, err := c.Write(fetch.bytes); err != nil {
			return 0, err
		}
		answer, err := c.read()
		if err != nil {
			return 0, err
		}
		err = walkFetched(answer, func(partition int, records []byte) error {
			next := walkBatches(records, fetch.offset(partition))
			if next == fetch.offset(partition) {
				return fmt.Errorf("fetch of partition %d at offset %d of %d brought no batch in %d bytes", partition, next, recordsEach, len(records))
			}
			if next >= recordsEach {
				next = 0
			}
			fetch.setOffset(partition, next)
			total += int64(len(records))
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return total, nil
}

// latencies sends one record after another and returns how long each took from the produce to the fetch
// that was waiting for it.
func latencies(addr, topic string, more func(int64) bool) ([]time.Duration, error) {
	producer, err := dial(addr)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	consumer, err := dial(addr)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	batch, _ := encodeBatch(batchOverhead+recordSize+20, recordSize, time.Now().UnixMilli())
	produce := encodeProduce(topic, batch, 0)
	fetch := encodeFetch(topic, 1, fetchBytes, 500)
	type arrival struct {
		at  time.Time
		err error
	}
	arrivals := make(chan arrival, 1)
	var took []time.Duration
	for n := int64(0); more(n); n++ {
		if _, err := consumer.Write(fetch.bytes); err != nil {
			return nil, err
		}
		go func() {
			at, err := nextArrival(consumer, &fetch)
			arrivals <- arrival{at, err}
		}()
		begin := time.Now()
		if _, err := producer.Write(produce); err != nil {
			return nil, err
		}
		answer, err := producer.read()
		if err == nil {
			err = checkProduced(answer)
		}
		a := <-arrivals
		if err == nil {
			err = a.err
		}
		if err != nil {
			return nil, err
		}
		took = append(took, a.at.Sub(begin))
	}
	return took, nil
}

// nextArrival reads fetch answers until one brings a record, and asks again while they bring none.
func nextArrival(c *connection, fetch *fetchFrame) (time.Time, error) {
	for {
		answer, err := c.read()
		at := time.Now()
		if err != nil {
			return at, err
		}
		before := fetch.offset(0)
		err = walkFetched(answer, func(_ int, records []byte) error {
			fetch.setOffset(0, walkBatches(records, before))
			return nil
		})
		if err != nil || fetch.offset(0) > before {
			return at, err
		}
		if _, err := c.Write(fetch.bytes); err != nil {
			return at, err
		}
	}
}

// percentile returns the value below which so much of the sorted samples lies.
func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// milliseconds returns percentiles of samples.
func milliseconds(samples []time.Duration, ps ...float64) []float64 {
	slices.Sort(samples)
	var out []float64
	for _, p := range ps {
		out = append(out, float64(percentile(samples, p))/1e6)
	}
	return out
}
