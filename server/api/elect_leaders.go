package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The kinds of elections.
const (
	electPreferred int8 = 0
	electUnclean   int8 = 1
)

// electLeaders has the controller elect leaders, and then gives the live brokers a little time to hear of
// them: a client that is told NONE looks for the new leader at once.
func (a *API) electLeaders(c *call, req *kmsg.ElectLeadersRequest) {
	if req.ElectionType != electPreferred && req.ElectionType != electUnclean {
		c.reply(refuseElection(req, codeUnknownServerError))
		return
	}
	began := time.Now()
	answered := make(chan *kmsg.ElectLeadersResponse, 1)
	a.Controller.ElectLeaders(req, func(resp *kmsg.ElectLeadersResponse) { answered <- resp })
	select {
	case resp := <-answered:
		if topics := electedTopics(resp); len(topics) > 0 {
			a.waitForBroadcast(c.ctx, topics, millis(req.TimeoutMillis)-time.Since(began))
		}
		c.reply(resp)
	case <-c.ctx.Done():
		c.refuse(c.ctx.Err())
	}
}

// electedTopics are the topics some of whose partitions have new leaders.
func electedTopics(resp *kmsg.ElectLeadersResponse) []string {
	var topics []string
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == codeNone {
				topics = append(topics, t.Topic)
				break
			}
		}
	}
	return topics
}

// refuseElection answers each partition that was named, and the whole, with one code.
func refuseElection(req *kmsg.ElectLeadersRequest, code int16) *kmsg.ElectLeadersResponse {
	resp := kmsg.NewPtrElectLeadersResponse()
	resp.ErrorCode = code
	for _, t := range req.Topics {
		topic := kmsg.NewElectLeadersResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			partition := kmsg.NewElectLeadersResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p, code
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
