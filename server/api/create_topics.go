package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/zkcoord/cluster"
)

// createTopics makes topics in ZooKeeper and answers when clients can use them, or when the time is over:
// then they are made all the same, and the answer is REQUEST_TIMED_OUT.
func (a *API) createTopics(c *call, req *kmsg.CreateTopicsRequest) {
	resp := kmsg.NewPtrCreateTopicsResponse()
	timeout := millis(req.TimeoutMillis)
	ctx, cancel := c.adminContext(timeout)
	defer cancel()
	active := a.Controller.Active()
	wishes := creations(req)
	for i := range wishes {
		w := &wishes[i]
		switch {
		case !active:
			w.err = fail(codeNotController, "")
		case w.err == nil:
			w.err = a.Topics.create(ctx, w, req.ValidateOnly)
		}
	}
	if !req.ValidateOnly {
		a.awaitTopics(ctx, wishes, timeout)
	}
	for i := range wishes {
		resp.Topics = append(resp.Topics, a.createdTopic(&wishes[i]))
	}
	c.reply(resp)
}

// creation is one topic of a CreateTopics request and what became of it.
type creation struct {
	newTopic
	nullConfigs []string
	err         error

	// What was made, or would be. The replicas themselves are not kept: of many topics that are only
	// checked they could be more than memory holds.
	id           cluster.TopicID
	made         int // partitions
	replicasEach int
}

// creations reads the wishes. Two for one name are both refused.
func creations(req *kmsg.CreateTopicsRequest) []creation {
	wishes := make([]creation, len(req.Topics))
	count := map[string]int{}
	for i := range req.Topics {
		wishes[i] = readCreation(&req.Topics[i])
		count[wishes[i].name]++
	}
	for i := range wishes {
		switch w := &wishes[i]; {
		case count[w.name] > 1:
			w.err = fail(codeInvalidRequest, "Found multiple entries for this topic.")
		case w.name == clusterMetadataTopic:
			w.err = fail(codeInvalidRequest, "Creation of internal topic "+clusterMetadataTopic+" is prohibited.")
		}
	}
	return wishes
}

func readCreation(t *kmsg.CreateTopicsRequestTopic) creation {
	w := creation{newTopic: newTopic{
		name: t.Topic, partitions: t.NumPartitions, replicationFactor: t.ReplicationFactor,
		assignment: map[int32][]cluster.BrokerID{}, configs: map[string]string{},
	}}
	for _, r := range t.ReplicaAssignment {
		w.assignment[r.Partition] = cluster.BrokerIDs(r.Replicas)
	}
	for _, c := range t.Configs {
		if c.Value == nil {
			w.nullConfigs = append(w.nullConfigs, c.Name)
			continue
		}
		w.configs[c.Name] = *c.Value
	}
	return w
}

// create plans a topic and, unless it shall only be checked, makes it.
func (t *TopicCreator) create(ctx context.Context, w *creation, validateOnly bool) error {
	if _, exists := t.cache.Snapshot().Topic(w.name); exists {
		return topicExists(w.name)
	}
	if len(w.nullConfigs) > 0 {
		return fail(codeInvalidConfig, "Null value not supported for topic configs: "+strings.Join(w.nullConfigs, ","))
	}
	p, err := t.plan(ctx, w.newTopic)
	if err == nil && !validateOnly {
		err = t.write(ctx, &p)
	}
	if err != nil {
		return err
	}
	w.id, w.made, w.replicasEach = p.id, len(p.replicas), len(p.replicas[0])
	return nil
}

// awaitTopics waits until each topic that was made has leaders in this broker's cache, which the
// controller updates with everybody else's. Then it gives the other live brokers a little time to hear of
// it as well, since a client asks any of them next: they, unlike us, may not know the topic yet.
func (a *API) awaitTopics(ctx context.Context, wishes []creation, timeout time.Duration) {
	deadline := time.Now().Add(timeout)
	var made []*creation
	for i := range wishes {
		if wishes[i].err == nil {
			made = append(made, &wishes[i])
		}
	}
	if len(made) == 0 {
		return
	}
	usable := func(s *metadata.Snapshot, w *creation) bool { return hasLeaders(s, w.name, w.made) }
	if timeout > 0 {
		a.Topics.Await(ctx, timeout, func(s *metadata.Snapshot) bool {
			return !slices.ContainsFunc(made, func(w *creation) bool { return !usable(s, w) })
		})
	}
	var names []string
	snapshot := a.Metadata.Snapshot()
	for _, w := range made {
		// Without time nobody waits, so nobody is told that the topic is ready, not even if it is.
		if timeout == 0 || !usable(snapshot, w) {
			w.err = fail(codeRequestTimedOut, "")
			continue
		}
		names = append(names, w.name)
	}
	if len(names) > 0 {
		a.waitForBroadcast(ctx, names, time.Until(deadline))
	}
}

// broadcastPatience is how long an answer waits, at most, for the other brokers to hear of a change.
const broadcastPatience = 500 * time.Millisecond

func (a *API) waitForBroadcast(ctx context.Context, topics []string, left time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, min(left, broadcastPatience))
	defer cancel()
	a.Controller.WaitForBroadcast(ctx, topics)
}

func (a *API) createdTopic(w *creation) kmsg.CreateTopicsResponseTopic {
	t := kmsg.NewCreateTopicsResponseTopic()
	t.Topic, t.TopicID = w.name, w.id
	t.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // nil would be null on the wire
	if w.err != nil {
		t.ErrorCode, t.ErrorMessage = a.explain("create topic "+w.name, w.err)
		if t.ErrorCode == codeNotController {
			t.ErrorMessage = new(string)
		}
		return t
	}
	t.NumPartitions, t.ReplicationFactor = int32(w.made), int16(w.replicasEach)
	for _, e := range a.Config.TopicEntries(w.configs) {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		c.Name, c.Value, c.ReadOnly, c.Source, c.IsSensitive = e.Name, e.Value, e.ReadOnly, int8(e.Source), e.Sensitive
		t.Configs = append(t.Configs, c)
	}
	return t
}
