package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

const (
	fetchKnowsGroupError = 2 // below, a group's error stands beside each partition
	fetchKnowsAll        = 2 // from here on null topics mean all
	fetchTakesGroups     = 8 // from here on several groups can be asked for at once
)

// OffsetFetch tells what groups have committed. Version 0 asks for offsets in ZooKeeper and is not for here.
func (c *Coordinator) OffsetFetch(req *kmsg.OffsetFetchRequest, reply func(*kmsg.OffsetFetchResponse)) {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	if req.Version >= fetchTakesGroups {
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, c.fetchGroup(&req.Groups[i], req.RequireStable))
		}
	} else {
		c.fetchOne(req, resp)
	}
	reply(resp)
}

// fetchOne answers in the form of the versions that ask for one group.
func (c *Coordinator) fetchOne(req *kmsg.OffsetFetchRequest, resp *kmsg.OffsetFetchResponse) {
	asked := kmsg.NewOffsetFetchRequestGroup()
	asked.Group = req.Group
	if req.Topics != nil || req.Version < fetchKnowsAll {
		asked.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for i := range req.Topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = req.Topics[i].Topic, req.Topics[i].Partitions
		asked.Topics = append(asked.Topics, t)
	}
	found := c.fetchGroup(&asked, req.RequireStable)
	if found.ErrorCode != 0 && req.Version < fetchKnowsGroupError {
		found.Topics = refuseEach(asked.Topics, found.ErrorCode)
		found.ErrorCode = 0
	}
	resp.ErrorCode = found.ErrorCode
	for i := range found.Topics {
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic = found.Topics[i].Topic
		for j := range found.Topics[i].Partitions {
			from := &found.Topics[i].Partitions[j]
			p := kmsg.NewOffsetFetchResponseTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode = from.Partition, from.Offset, from.LeaderEpoch, from.Metadata, from.ErrorCode
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
}

// refuseEach puts an error beside each partition.
func refuseEach(asked []kmsg.OffsetFetchRequestGroupTopic, code int16) (answer []kmsg.OffsetFetchResponseGroupTopic) {
	for i := range asked {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic = asked[i].Topic
		for _, n := range asked[i].Partitions {
			p := noOffset(n)
			p.ErrorCode = code
			t.Partitions = append(t.Partitions, p)
		}
		answer = append(answer, t)
	}
	return answer
}

func (c *Coordinator) fetchGroup(asked *kmsg.OffsetFetchRequestGroup, requireStable bool) kmsg.OffsetFetchResponseGroup {
	answer := kmsg.NewOffsetFetchResponseGroup()
	answer.Group = asked.Group
	if answer.ErrorCode = c.check(asked.Group, allowEmptyID); answer.ErrorCode != 0 {
		return answer
	}
	wanted := asked.Topics
	look := func(key cluster.TopicPartition) kmsg.OffsetFetchResponseGroupTopicPartition {
		return noOffset(key.Partition)
	}
	if g := c.get(asked.Group); g != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.mu.state != dead {
			look = func(key cluster.TopicPartition) kmsg.OffsetFetchResponseGroupTopicPartition {
				return g.mu.offsets.answer(key, requireStable)
			}
			if wanted == nil {
				wanted = g.mu.offsets.topics()
			}
		}
	}
	answer.Topics = lookUp(wanted, look)
	return answer
}

// lookUp answers each partition once, topics in the order in which they were asked for.
func lookUp(wanted []kmsg.OffsetFetchRequestGroupTopic, look func(cluster.TopicPartition) kmsg.OffsetFetchResponseGroupTopicPartition) (topics []kmsg.OffsetFetchResponseGroupTopic) {
	seen := make(map[cluster.TopicPartition]struct{})
	place := make(map[string]int)
	for i := range wanted {
		for _, n := range wanted[i].Partitions {
			key := tp(wanted[i].Topic, n)
			if _, twice := seen[key]; twice {
				continue
			}
			seen[key] = struct{}{}
			at, known := place[key.Topic]
			if !known {
				at = len(topics)
				place[key.Topic] = at
				t := kmsg.NewOffsetFetchResponseGroupTopic()
				t.Topic = key.Topic
				topics = append(topics, t)
			}
			topics[at].Partitions = append(topics[at].Partitions, look(key))
		}
	}
	return topics
}

// topics lists what is committed, in the form of a question for it.
func (o *offsets) topics() (list []kmsg.OffsetFetchRequestGroupTopic) {
	place := make(map[string]int)
	for key := range o.committed {
		at, known := place[key.Topic]
		if !known {
			at = len(list)
			place[key.Topic] = at
			list = append(list, kmsg.OffsetFetchRequestGroupTopic{Topic: key.Topic})
		}
		list[at].Partitions = append(list[at].Partitions, key.Partition)
	}
	inHashOrder(list, func(t kmsg.OffsetFetchRequestGroupTopic) string { return t.Topic })
	for i := range list {
		slices.Sort(list[i].Partitions)
	}
	return list
}

// answer tells one partition's commit. A client that wants stable offsets must not be shown one that a commit in
// flight, or a transaction that ends, is about to replace: it might read twice what it has processed (KIP-447).
func (o *offsets) answer(key cluster.TopicPartition, requireStable bool) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := noOffset(key.Partition)
	if requireStable && o.unstable(key) {
		p.ErrorCode = kerr.UnstableOffsetCommit.Code
		return p
	}
	if s, ok := o.committed[key]; ok {
		metadata := s.metadata
		p.Offset, p.LeaderEpoch, p.Metadata = s.offset, s.leaderEpoch, &metadata
	}
	return p
}

func noOffset(partition int32) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	none := ""
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, -1, -1, &none
	return p
}
