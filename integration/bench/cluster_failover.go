package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// failOver kills a broker that leads all of so many partitions and is the controller, and notes how long after the
// end of its session each of them has a leader again and has taken a record with acks=all. The next broker of the
// assignment leads then; a controlled shutdown of that one, which is timed as well, brings all back.
func (b *bench) failOver(ctx context.Context, zooKeeper string, count int) error {
	trios, err := b.startTrios(zooKeeper)
	if err != nil {
		return err
	}
	defer endAll(trios)
	topic := topicSpec{name: "many", partitions: count, assignment: []int32{1, 2, 3}}
	for _, c := range trios {
		if err := c.createTopic(ctx, topic); err != nil {
			return err
		}
	}
	if count >= 3000 {
		if err := sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		b.noteMemory(fmt.Sprintf("memory, %d idle partitions", count), "VmRSS", trios)
	}
	return b.eachHeavyRound(ctx, trios, func(c *cluster, _ string) (string, error) {
		failedOver, err := b.timeFailOver(ctx, c, topic)
		if err != nil {
			return "", err
		}
		shutDown, err := b.timeShutdown(ctx, c, topic)
		if err != nil {
			return "", err
		}
		b.report.add(fmt.Sprintf("fail-over of %d partitions, s", count), c.contender, failedOver.Seconds())
		b.report.add(fmt.Sprintf("shutdown, %d led, s", count), c.contender, shutDown.Seconds())
		return fmt.Sprintf("%d partitions: fail-over %.2f s, shutdown %.2f s", count, failedOver.Seconds(), shutDown.Seconds()), nil
	})
}

// timeFailOver kills the first server. When it returns that one is back and in sync, and the second leads.
func (b *bench) timeFailOver(ctx context.Context, c *cluster, topic topicSpec) (time.Duration, error) {
	coordination, err := connectZooKeeper(c)
	if err != nil {
		return 0, err
	}
	defer coordination.Close()
	victim, heir := c.servers[0], c.servers[1]
	err = coordination.makeController(ctx, c, victim)
	if err == nil {
		err = sleep(ctx, 2*time.Second) // to take over
	}
	if err != nil {
		return 0, err
	}
	gone, err := coordination.watchGone(victim)
	if err != nil {
		return 0, err
	}
	victim.Kill()
	select {
	case <-gone:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	begin := time.Now()
	if err := takeRecordEach(ctx, heir, topic); err != nil {
		return 0, fmt.Errorf("%s: %w", c.title(), err)
	}
	took := time.Since(begin)
	return took, b.bringBack(ctx, c, 0, topic)
}

// timeShutdown ends the second server, which leads all. When it returns that one is back and the first leads.
func (b *bench) timeShutdown(ctx context.Context, c *cluster, topic topicSpec) (time.Duration, error) {
	begin := time.Now()
	if err := c.servers[1].StopWithin(patience); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	return took, b.bringBack(ctx, c, 1, topic)
}

// bringBack starts a server again and waits until it is in sync everywhere.
func (b *bench) bringBack(ctx context.Context, c *cluster, index int, topic topicSpec) error {
	s, err := b.restart(c, index)
	if err == nil {
		_, err = s.waitForMetadata()
	}
	if err == nil {
		err = c.awaitLed(ctx, topic)
	}
	return err
}

// takeRecordEach produces one record to each partition, as soon as the broker says that it leads it.
func takeRecordEach(ctx context.Context, leader *server, topic topicSpec) error {
	batch, _ := encodeBatch(batchOverhead+recordSize+20, recordSize, time.Now().UnixMilli())
	taken := map[int32]bool{}
	for began := time.Now(); len(taken) < topic.partitions; {
		if time.Since(began) > patience || ctx.Err() != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("%d partitions out of %d have taken a record after %v", len(taken), topic.partitions, time.Since(began)))
		}
		found, err := partitionsOf(leader.addr, topic.name)
		if err != nil {
			return err
		}
		var now []int32
		for _, p := range found {
			if p.Leader == int32(leader.place.id) && !taken[p.Partition] {
				now = append(now, p.Partition)
			}
		}
		if len(now) == 0 {
			if err := sleep(ctx, 25*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		if err := produceOnce(leader.addr, topic.name, batch, now, taken); err != nil {
			return err
		}
	}
	return nil
}

// produceOnce sends a batch to some partitions and notes which took it; the others may be asked again.
func produceOnce(addr, topic string, batch []byte, to []int32, taken map[int32]bool) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.roundTrip(encodeProduce(topic, acksAll, batch, to...))
	if err != nil {
		return err
	}
	return walkProduced(answer, func(partition int32, code int16, _ []byte) error {
		if code == 0 {
			taken[partition] = true
		}
		return nil
	})
}
