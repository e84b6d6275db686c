package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	coldBytes = 2 << 30  // of the log, two segments and more
	coldReads = 96 << 20 // of it, from about the middle
)

// cold fetches from the middle of a log none of which is in the page cache: what the first fetch took, and how fast
// those after it are.
func (b *bench) cold(ctx context.Context, all []*cluster) error {
	topic := topicSpec{name: "cold", partitions: 1, replicas: 1}
	records := map[*cluster]int64{}
	for _, c := range all {
		if err := c.createTopic(ctx, topic); err != nil {
			return err
		}
		var err error
		if _, records[c], err = c.fillTopic(topic, coldBytes); err != nil {
			return err
		}
	}
	unix.Sync()
	turn := 0
	return b.eachRound(ctx, all, func(c *cluster, _ string, _ float64) (float64, string, error) {
		for _, s := range c.servers {
			if err := dropFromCache(s.data); err != nil {
				return 0, "", err
			}
		}
		// Each turn begins elsewhere, so that no disk has what it read before at hand.
		turn++
		from := records[c] * int64(30+turn*7%40) / 100
		first, rate, err := readFrom(c.addr(), topic.name, from, coldReads)
		if err != nil {
			return 0, "", err
		}
		b.report.add("cold, first fetch, ms", c.contender, milliseconds(first))
		b.report.add("cold, MB/s", c.contender, rate)
		return 1 / rate, fmt.Sprintf("cold log: first fetch %.2f ms, then %.0f MB/s", milliseconds(first), rate), nil
	})
}

// dropFromCache tells the kernel to forget the pages of all files below a directory.
func dropFromCache(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return forgetPages(f)
	})
}

// readFrom fetches so many bytes of partition 0 from an offset on. It returns how long the first fetch took, and the
// MB/s of those after it.
func readFrom(addr, topic string, offset, bytes int64) (first time.Duration, rate float64, err error) {
	c, err := dial(addr)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	fetch := encodeFetch(topic, 1, fetchBytes, 500)
	fetch.setOffset(0, offset)
	begin, total := time.Now(), int64(0)
	for total < bytes {
		answer, err := c.roundTrip(fetch.bytes)
		if err != nil {
			return 0, 0, err
		}
		before := total
		err = walkFetched(answer, func(_ int, records []byte) error {
			total += int64(len(records))
			fetch.setOffset(0, walkBatches(records, fetch.offset(0)))
			return nil
		})
		switch {
		case err != nil:
			return 0, 0, err
		case total == before:
			return 0, 0, fmt.Errorf("the fetch at offset %d brought nothing", fetch.offset(0))
		case before == 0:
			first, begin, bytes, total = time.Since(begin), time.Now(), bytes-total, 1
		}
	}
	return first, float64(total) / 1e6 / time.Since(begin).Seconds(), nil
}
