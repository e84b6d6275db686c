package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// runLog runs the scenarios of what a broker's logs promise, with one broker each side on a ZooKeeper they share.
func (b *bench) runLog(ctx context.Context) error {
	zooKeeper, err := b.zooKeeper()
	if err != nil {
		return err
	}
	alone := func(run func(context.Context, []*cluster) error) func(context.Context) error {
		return func(ctx context.Context) error {
			var all []*cluster
			for _, name := range b.contenders(kafkaName, ottlaName) {
				c, err := b.startAlone(name, zooKeeper)
				if err != nil {
					return err
				}
				defer c.end()
				all = append(all, c)
			}
			return run(ctx, all)
		}
	}
	return b.runSteps(ctx,
		step{"recovery", alone(b.recover)},
		step{"cleanstart", alone(b.cleanStart)},
		step{"cleaner", alone(b.clean)},
		step{"flush", alone(b.flush)},
		step{"cold", alone(b.cold)},
	)
}

// startAgain starts a broker that has ended, and returns how long it took from its exec until each partition of a
// topic is led. A killed broker's session has to end first: its successor's registration would wait for that.
func (b *bench) startAgain(ctx context.Context, c *cluster, topic topicSpec) (time.Duration, error) {
	coordination, err := connectZooKeeper(c)
	if err != nil {
		return 0, err
	}
	defer coordination.Close()
	if err := coordination.awaitGone(ctx, c.servers[0]); err != nil {
		return 0, err
	}
	s, err := b.restart(c, 0)
	if err != nil {
		return 0, err
	}
	if _, err := s.waitForMetadata(); err != nil {
		return 0, err
	}
	err = c.awaitLed(ctx, topic)
	return time.Since(s.launched), err
}

// fillTopic writes so many bytes of batches over all partitions of a topic alike, whole requests of twenty partitions
// at most, and returns what it wrote and the records of each partition.
func (c *cluster) fillTopic(topic topicSpec, atLeast int64) (bytes, recordsEach int64, err error) {
	load := newProduceLoad(64<<10, min(topic.partitions, 20), acksLeader)
	lane := load.lane(c.addr(), topic.name, upTo(topic.partitions))
	perTurn := int64(len(load.batch) * topic.partitions)
	turns := (atLeast + perTurn - 1) / perTurn
	bytes, _, err = load.send(lane, func(sent int64) bool { return sent < turns*perTurn })
	return bytes, turns * int64(load.recordCount), err
}

// setTopic changes settings of a topic.
func (c *cluster) setTopic(name string, settings map[string]string) error {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, name
	for key, value := range settings {
		setting := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		setting.Name, setting.Value = key, kmsg.StringPtr(value)
		resource.Configs = append(resource.Configs, setting)
	}
	request.Resources = append(request.Resources, resource)
	answer, err := askAt(c.addr(), request)
	if err != nil {
		return err
	}
	if code := answer.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode; code != 0 {
		return fmt.Errorf("%s: settings of %s: error code %d", c.title(), name, code)
	}
	return nil
}
