package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	cleanBytes = 384 << 20 // of records
	cleanKeys  = 400_000   // about eight records each; they fit into a cleaner's map at once
)

// clean writes a topic of records with keys, in random order, and lets the broker compact it: from the change of
// cleanup.policy until the cleaner's checkpoint has come to the last segment.
func (b *bench) clean(ctx context.Context, all []*cluster) error {
	return b.eachHeavyRound(ctx, all, func(c *cluster, label string) (string, error) {
		topic := topicSpec{name: "clean-" + label, partitions: 1, replicas: 1, settings: map[string]string{
			"segment.bytes": strconv.Itoa(64 << 20),
		}}
		var line string
		err := c.withTopic(ctx, topic, func() error {
			if err := fillWithKeys(c.addr(), topic.name); err != nil {
				return err
			}
			end, bytes, err := closedSegments(filepath.Join(c.servers[0].data, topic.name+"-0"))
			if err != nil {
				return err
			}
			if err := b.cache.fill(); err != nil {
				return err
			}
			used, err := c.measure(func() (int64, error) {
				err := c.setTopic(topic.name, map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"})
				if err != nil {
					return 0, err
				}
				return bytes, c.await(ctx, func() error { return cleanedUpTo(c.servers[0].data, topic.name, end) })
			})
			if err != nil {
				return err
			}
			rate := float64(bytes) / (1 << 20) / used.elapsed.Seconds()
			b.report.add("cleaner, MiB/s", c.contender, rate)
			b.report.add("cleaner, CPU s/GiB", c.contender, used.cpuPerGiB())
			line = fmt.Sprintf("%d MiB cleaned at %.0f MiB/s, %.2f CPU s/GiB", bytes>>20, rate, used.cpuPerGiB())
			return nil
		})
		return line, err
	})
}

// fillWithKeys produces batches of records with random keys. Both sides get the same.
func fillWithKeys(addr, topic string) error {
	random := rand.New(rand.NewPCG(1, 2))
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for sent := 0; sent < cleanBytes; {
		batch, _ := encodeKeyed(64<<10, recordSize, time.Now().UnixMilli(), func() []byte {
			return fmt.Appendf(nil, "key-%08d", random.IntN(cleanKeys))
		})
		answer, err := c.roundTrip(encodeProduce(topic, acksLeader, batch, 0))
		if err == nil {
			err = checkProduced(answer)
		}
		if err != nil {
			return err
		}
		sent += len(batch)
	}
	return nil
}

// closedSegments returns the base offset of a log's last segment, and the bytes of those before it.
func closedSegments(dir string) (base int64, bytes int64, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) < 2 {
		return 0, 0, fmt.Errorf("%s has segments %v: %w", dir, files, err)
	}
	for _, file := range files[:len(files)-1] {
		info, err := os.Stat(file)
		if err != nil {
			return 0, 0, err
		}
		bytes += info.Size()
	}
	base, err = strconv.ParseInt(strings.TrimSuffix(filepath.Base(files[len(files)-1]), ".log"), 10, 64)
	return base, bytes, err
}

// cleanedUpTo returns an error until the cleaner's checkpoint says that partition 0 is clean up to an offset.
func cleanedUpTo(data, topic string, offset int64) error {
	checkpoint, err := os.ReadFile(filepath.Join(data, "cleaner-offset-checkpoint"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(checkpoint)) {
		if strings.TrimSpace(line) == fmt.Sprintf("%s 0 %d", topic, offset) {
			return nil
		}
	}
	return fmt.Errorf("%s is not clean up to offset %d:\n%s", topic, offset, checkpoint)
}
