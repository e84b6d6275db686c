package api

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
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
	all := req.Topics == nil
	if all {
		// All partitions are those that clients can see: one that was never led is nobody's affair.
		req.Topics = allPartitions(a.Metadata.Snapshot())
	}
	began := time.Now()
	answered := make(chan *kmsg.ElectLeadersResponse, 1)
	a.Controller.ElectLeaders(req, func(resp *kmsg.ElectLeadersResponse) { answered <- resp })
	select {
	case resp := <-answered:
		if all {
			leaveOutNotNeeded(resp)
		}
		if topics := electedTopics(resp); len(topics) > 0 {
			a.waitForBroadcast(c.ctx, topics, millis(req.TimeoutMillis)-time.Since(began))
		}
		c.reply(resp)
	case <-c.ctx.Done():
		c.refuse(c.ctx.Err())
	}
}

func allPartitions(s *metadata.Snapshot) []kmsg.ElectLeadersRequestTopic {
	all := []kmsg.ElectLeadersRequestTopic{}
	for _, name := range s.TopicNames() {
		known, _ := s.Topic(name)
		t := kmsg.NewElectLeadersRequestTopic()
		t.Topic = name
		for _, p := range known.Partitions {
			t.Partitions = append(t.Partitions, p.Partition)
		}
		all = append(all, t)
	}
	return all
}

// leaveOutNotNeeded makes an answer about all partitions one about those that had something to elect.
func leaveOutNotNeeded(resp *kmsg.ElectLeadersResponse) {
	kept := resp.Topics[:0]
	for _, t := range resp.Topics {
		t.Partitions = slices.DeleteFunc(t.Partitions, func(p kmsg.ElectLeadersResponseTopicPartition) bool {
			return p.ErrorCode == codeElectionNotNeeded
		})
		if len(t.Partitions) > 0 {
			kept = append(kept, t)
		}
	}
	resp.Topics = kept
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
