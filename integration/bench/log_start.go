package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const recoveryBytes = 2 << 30

// recover kills a broker with 2 GiB over 200 partitions of which nothing is below a recovery point, and times its next
// start. So that the same can be had again, the recovery points are put back before each further start.
func (b *bench) recover(ctx context.Context, all []*cluster) error {
	topic := topicSpec{name: "recovery", partitions: 200, replicas: 1}
	kept := map[*cluster][]byte{}
	for _, c := range all {
		if err := c.createTopic(ctx, topic); err != nil {
			return err
		}
		if _, _, err := c.fillTopic(topic, recoveryBytes); err != nil {
			return err
		}
		c.servers[0].Kill()
		points, err := os.ReadFile(recoveryPointsOf(c))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		kept[c] = points
	}
	// What the brokers have left to the kernel is on disk before the first start, or the first would pay for all.
	syscall.Sync()
	return b.eachHeavyRound(ctx, all, func(c *cluster, _ string) (string, error) {
		c.servers[0].Kill()
		if err := os.WriteFile(recoveryPointsOf(c), kept[c], 0o644); err != nil {
			return "", err
		}
		took, err := b.startAgain(ctx, c, topic)
		if err != nil {
			return "", err
		}
		b.noteCPU("recovery of 2 GiB, CPU s", c)
		b.report.add("recovery of 2 GiB, s", c.contender, took.Seconds())
		return fmt.Sprintf("2 GiB in %d partitions recovered in %.2f s", topic.partitions, took.Seconds()), nil
	})
}

// recoveryPointsOf is the file in which both brokers note up to where a log is flushed.
func recoveryPointsOf(c *cluster) string {
	return filepath.Join(c.servers[0].data, "recovery-point-offset-checkpoint")
}

// cleanStart stops a broker with 5,000 partitions as it likes to be stopped, and times its next start.
func (b *bench) cleanStart(ctx context.Context, all []*cluster) error {
	topic := topicSpec{name: "start", partitions: 5000, replicas: 1}
	for _, c := range all {
		if err := c.createTopic(ctx, topic); err != nil {
			return err
		}
		if _, _, err := c.fillTopic(topic, 1); err != nil { // a batch each
			return err
		}
	}
	return b.eachHeavyRound(ctx, all, func(c *cluster, _ string) (string, error) {
		begin := time.Now()
		if err := c.servers[0].StopWithin(patience); err != nil {
			return "", err
		}
		stopped := time.Since(begin)
		took, err := b.startAgain(ctx, c, topic)
		if err != nil {
			return "", err
		}
		b.noteCPU("start, 5000 partitions, CPU s", c)
		b.report.add("start, 5000 partitions, s", c.contender, took.Seconds())
		b.report.add("stop, 5000 partitions, s", c.contender, stopped.Seconds())
		return fmt.Sprintf("%d partitions stopped in %.2f s, started in %.2f s", topic.partitions, stopped.Seconds(), took.Seconds()), nil
	})
}
