package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// OffsetDelete forgets offsets of topics to which nobody in the group subscribes. The caller has taken out the
// partitions that do not exist.
func (c *Coordinator) OffsetDelete(req *kmsg.OffsetDeleteRequest, reply func(*kmsg.OffsetDeleteResponse)) {
	refuse := func(code int16) {
		resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
		resp.ErrorCode = code
		reply(resp)
	}
	if code := c.check(req.Group, refuseEmptyID); code != 0 {
		refuse(code)
		return
	}
	g := c.get(req.Group)
	if g == nil {
		refuse(kerr.GroupIDNotFound.Code)
		return
	}
	g.turn(func() {
		if code := g.mayDeleteOffsetsLocked(); code != 0 {
			g.laterLocked(func() { refuse(code) })
			return
		}
		resp, unused := g.sortOutLocked(req)
		g.c.metrics.deletions.Add(float64(len(unused)))
		g.removeOffsetsLocked(unused, func() { reply(resp) })
	})
}

func (g *Group) mayDeleteOffsetsLocked() int16 {
	switch {
	case g.mu.state == dead:
		return kerr.GroupIDNotFound.Code
	case g.mu.state != empty && g.mu.protocolType != consumerProtocol:
		return kerr.NonEmptyGroup.Code // only of consumers do we know what they use
	default:
		return 0
	}
}

// sortOutLocked answers which offsets are in use and lists those that are not.
func (g *Group) sortOutLocked(req *kmsg.OffsetDeleteRequest) (resp *kmsg.OffsetDeleteResponse, unused []cluster.TopicPartition) {
	resp = req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	for i := range req.Topics {
		topic := kmsg.NewOffsetDeleteResponseTopic()
		topic.Topic = req.Topics[i].Topic
		used := g.mu.state != empty && g.subscribedToLocked(topic.Topic)
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewOffsetDeleteResponseTopicPartition()
			p.Partition = req.Topics[i].Partitions[j].Partition
			if used {
				p.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else {
				unused = append(unused, tp(topic.Topic, p.Partition))
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp, unused
}
