package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicSpec is what a scenario has made.
type topicSpec struct {
	name       string
	partitions int
	replicas   int
	assignment []int32 // brokers of every partition alike, the first of them preferred; the controller's choice if empty
	settings   map[string]string
}

// metadataOf asks a server for its brokers and for topics, by their names.
func metadataOf(addr string, names ...string) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Version = 8
	request.Topics = []kmsg.MetadataRequestTopic{} // none; nil would be all
	for _, name := range names {
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, asked)
	}
	answer, err := askAt(addr, request)
	if err != nil {
		return nil, err
	}
	return answer.(*kmsg.MetadataResponse), nil
}

// partitionsOf asks a server for the partitions of a topic.
func partitionsOf(addr, name string) ([]kmsg.MetadataResponseTopicPartition, error) {
	known, err := metadataOf(addr, name)
	if err != nil || len(known.Topics) == 0 {
		return nil, err
	}
	return known.Topics[0].Partitions, nil
}

// controller returns the server that is the controller.
func (c *cluster) controller() (*server, error) {
	known, err := metadataOf(c.addr())
	if err != nil {
		return nil, err
	}
	for _, s := range c.servers {
		if int32(s.place.id) == known.ControllerID {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s: broker %d is the controller, and none of ours", c.title(), known.ControllerID)
}

// createTopic makes a topic and waits until each broker says that each partition has a leader, and has the
// directories of its replicas. The bare loop makes topics by itself.
func (c *cluster) createTopic(ctx context.Context, t topicSpec) error {
	if c.contender == bareName {
		return nil
	}
	controller, err := c.controller()
	if err != nil {
		return err
	}
	answer, err := askAt(controller.addr, createRequest(t))
	if err != nil {
		return fmt.Errorf("%s: create %s: %w", c.title(), t.name, err)
	}
	if made := answer.(*kmsg.CreateTopicsResponse).Topics[0]; made.ErrorCode != 0 {
		return fmt.Errorf("%s: create %s: error code %d", c.title(), t.name, made.ErrorCode)
	}
	return c.awaitLed(ctx, t)
}

func createRequest(t topicSpec) kmsg.Request {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version = 4
	request.TimeoutMillis = int32(patience.Milliseconds())
	asked := kmsg.NewCreateTopicsRequestTopic()
	asked.Topic, asked.NumPartitions, asked.ReplicationFactor = t.name, int32(t.partitions), int16(t.replicas)
	if len(t.assignment) > 0 {
		asked.NumPartitions, asked.ReplicationFactor = -1, -1
		for p := range t.partitions {
			replicas := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			replicas.Partition, replicas.Replicas = int32(p), t.assignment
			asked.ReplicaAssignment = append(asked.ReplicaAssignment, replicas)
		}
	}
	for key, value := range t.settings {
		setting := kmsg.NewCreateTopicsRequestTopicConfig()
		setting.Name, setting.Value = key, kmsg.StringPtr(value)
		asked.Configs = append(asked.Configs, setting)
	}
	request.Topics = append(request.Topics, asked)
	return request
}

// awaitLed waits until each partition has a leader in the eyes of each broker, all its replicas are in sync, and
// their directories are there.
func (c *cluster) awaitLed(ctx context.Context, t topicSpec) error {
	replicas := t.replicas
	if len(t.assignment) > 0 {
		replicas = len(t.assignment)
	}
	directories := -1
	for _, s := range c.servers {
		err := c.await(ctx, func() error {
			found, err := partitionsOf(s.addr, t.name)
			if err != nil {
				return err
			}
			led := 0
			for _, p := range found {
				if p.ErrorCode == 0 && p.Leader >= 0 && len(p.ISR) == replicas {
					led++
				}
			}
			if led != t.partitions {
				return fmt.Errorf("%s: broker %d knows leaders and full ISRs of %d partitions of %s out of %d", c.title(), s.place.id, led, t.name, t.partitions)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return c.await(ctx, func() (err error) {
		if directories, err = c.directoriesOf(t.name); err == nil && directories != t.partitions*replicas {
			err = fmt.Errorf("%s: %s has %d directories out of %d", c.title(), t.name, directories, t.partitions*replicas)
		}
		return err
	})
}

// directoriesOf counts what the brokers have of a topic on disk, with what awaits its deletion.
func (c *cluster) directoriesOf(name string) (count int, err error) {
	for _, s := range c.servers {
		found, err := filepath.Glob(filepath.Join(s.data, name+"-[0-9]*"))
		if err != nil {
			return 0, err
		}
		count += len(found)
	}
	return count, nil
}

// await calls done until it returns nil, for as long as patience lasts.
func (c *cluster) await(ctx context.Context, done func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := done()
		if err == nil {
			return nil
		}
		if sleep(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// deleteTopic gives the disk back, and waits until the files are gone, since removing gigabytes keeps the
// machine busy.
func (c *cluster) deleteTopic(ctx context.Context, name string) error {
	if c.contender == bareName {
		if err := c.servers[0].forgetTopics(); err != nil {
			return err
		}
	} else if err := c.askToDelete(name); err != nil {
		return err
	}
	return c.await(ctx, func() error {
		left, err := c.directoriesOf(name)
		if err == nil && left > 0 {
			err = fmt.Errorf("%s: delete %s: %d files or directories are left", c.title(), name, left)
		}
		return err
	})
}

func (c *cluster) askToDelete(name string) error {
	controller, err := c.controller()
	if err != nil {
		return err
	}
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Version = 3
	request.TimeoutMillis = int32(patience.Milliseconds())
	request.TopicNames = []string{name}
	answer, err := askAt(controller.addr, request)
	if err != nil {
		return fmt.Errorf("%s: delete %s: %w", c.title(), name, err)
	}
	if gone := answer.(*kmsg.DeleteTopicsResponse).Topics[0]; gone.ErrorCode != 0 {
		return fmt.Errorf("%s: delete %s: error code %d", c.title(), name, gone.ErrorCode)
	}
	return nil
}

// forgetTopics tells the bare loop to remove all it has.
func (s *server) forgetTopics() error {
	c, err := dial(s.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.roundTrip(endFrame(beginRequest(forgetKey, 0)))
	return err
}

// withTopic runs f on a topic of its own.
func (c *cluster) withTopic(ctx context.Context, t topicSpec, f func() error) error {
	if err := c.createTopic(ctx, t); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return c.deleteTopic(ctx, t.name)
}
