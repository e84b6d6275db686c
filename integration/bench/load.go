package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	partitions = 6
	recordSize = 100     // bytes of value
	fetchBytes = 1 << 20 // of each partition
)

// produceLoad is the shape of a produce load.
type produceLoad struct {
	perRequest  int // partitions
	inFlight    int // requests
	acks        int16
	batch       []byte
	recordCount int
}

func newProduceLoad(batchBytes, perRequest int, acks int16) produceLoad {
	l := produceLoad{perRequest: perRequest, inFlight: 5, acks: acks}
	l.batch, l.recordCount = encodeBatch(batchBytes, recordSize, time.Now().UnixMilli())
	return l
}

// lane is one connection of a load: whom it speaks to and what it sends, in turn.
type lane struct {
	addr   string
	frames [][]byte
}

// lane returns the requests that take partitions in turn.
func (l produceLoad) lane(addr, topic string, of []int32) lane {
	lane := lane{addr: addr}
	for some := range slices.Chunk(of, l.perRequest) {
		lane.frames = append(lane.frames, encodeProduce(topic, l.acks, l.batch, some...))
	}
	return lane
}

// run produces to all partitions of a topic over one connection until more says no, and returns the bytes of
// record batches acknowledged.
func (l produceLoad) run(addr, topic string, more func(sent int64) bool) (int64, error) {
	bytes, _, err := l.send(l.lane(addr, topic, upTo(partitions)), more)
	return bytes, err
}

// send produces over one connection and returns the bytes of record batches acknowledged and how long each
// request took. The window is kept by one goroutine: each answer lets one request go.
func (l produceLoad) send(to lane, more func(sent int64) bool) (int64, []time.Duration, error) {
	c, err := dial(to.addr)
	if err != nil {
		return 0, nil, err
	}
	defer c.Close()
	perRequest := int64(len(l.batch) * l.perRequest)
	sent, acknowledged := 0, 0
	begun := make([]time.Time, l.inFlight)
	var took []time.Duration
	for {
		for sent-acknowledged < l.inFlight && more(int64(sent)*perRequest) {
			f := to.frames[sent%len(to.frames)]
			setCorrelation(f, int32(sent))
			begun[sent%l.inFlight] = time.Now()
			if _, err := c.Write(f); err != nil {
				return 0, nil, err
			}
			sent++
		}
		if sent == acknowledged {
			return int64(acknowledged) * perRequest, took, nil
		}
		answer, err := c.read()
		if err == nil {
			err = checkProduced(answer)
		}
		if err != nil {
			return 0, nil, err
		}
		took = append(took, time.Since(begun[acknowledged%l.inFlight]))
		acknowledged++
	}
}

// sendAll produces over all lanes at once.
func (l produceLoad) sendAll(lanes []lane, more func(sent int64) bool) (bytes int64, took []time.Duration, err error) {
	var mu sync.Mutex
	var sending errgroup.Group
	for _, to := range lanes {
		sending.Go(func() error {
			n, each, err := l.send(to, more)
			mu.Lock()
			defer mu.Unlock()
			bytes += n
			took = append(took, each...)
			return err
		})
	}
	err = sending.Wait()
	return bytes, took, err
}

// upTo returns the partitions below n.
func upTo(n int) []int32 {
	var all []int32
	for p := range int32(n) {
		all = append(all, p)
	}
	return all
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
	produce := encodeProduce(topic, acksLeader, batch, 0)
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

// percentiles returns some of the samples, in milliseconds.
func percentiles(samples []time.Duration, ps ...float64) []float64 {
	slices.Sort(samples)
	var out []float64
	for _, p := range ps {
		out = append(out, milliseconds(percentile(samples, p)))
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }
