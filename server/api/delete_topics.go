package api

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// deleteTopics asks the controller, through ZooKeeper, to delete topics, and answers when they are gone
// from the metadata, or when the time is over: then they go all the same.
func (a *API) deleteTopics(c *call, req *kmsg.DeleteTopicsRequest) {
	resp := kmsg.NewPtrDeleteTopicsResponse()
	timeout := millis(req.TimeoutMillis)
	ctx, cancel := c.adminContext(timeout)
	defer cancel()
	topics := deletions(req)
	refusal := a.refuseDeletion(c.version, topics)
	// One look for all: a topic that is named twice is deleted twice, not once and then unknown.
	before := a.Metadata.Snapshot()
	for i := range topics {
		d := &topics[i]
		if d.err = refusal; d.err == nil {
			d.err = a.requestDeletion(ctx, before, d)
		}
	}
	gone := func(s *metadata.Snapshot) (all bool) {
		for i := range topics {
			if topics[i].err == nil && topics[i].exists(s) {
				return false
			}
		}
		return true
	}
	if timeout > 0 {
		a.Topics.Await(ctx, timeout, gone)
	}
	snapshot := a.Metadata.Snapshot()
	for i := range topics {
		d := &topics[i]
		if d.err == nil && (timeout == 0 || d.exists(snapshot)) {
			d.err = fail(codeRequestTimedOut, "")
		}
		resp.Topics = append(resp.Topics, a.deletedTopic(d))
	}
	c.reply(resp)
}

// deletion is one topic of a DeleteTopics request and what became of it.
type deletion struct {
	name *string
	id   cluster.TopicID // zero where the name was given
	err  error
}

func deletions(req *kmsg.DeleteTopicsRequest) []deletion {
	var all []deletion
	for i := range req.TopicNames {
		all = append(all, deletion{name: &req.TopicNames[i]})
	}
	for _, t := range req.Topics {
		all = append(all, deletion{name: t.Topic, id: t.TopicID})
	}
	return all
}

// refuseDeletion is the error for all topics of the request at once.
func (a *API) refuseDeletion(version int16, topics []deletion) error {
	switch {
	case !a.Controller.Active():
		return fail(codeNotController, "")
	case !a.Config.Current().DeleteTopics && version < 3:
		return fail(codeInvalidRequest, "")
	case !a.Config.Current().DeleteTopics:
		return fail(codeTopicDeletionDisabled, "")
	}
	for _, d := range topics {
		if d.name != nil && !d.id.IsZero() {
			return fail(codeInvalidRequest, "")
		}
	}
	return nil
}

// requestDeletion finds the topic and asks for its deletion. One that was asked for before is waited for again.
func (a *API) requestDeletion(ctx context.Context, snapshot *metadata.Snapshot, d *deletion) error {
	if d.name == nil {
		if d.id.IsZero() {
			// Kafka takes a topic without name and id for one that may not be seen.
			return fail(codeTopicAuthorizationFailed, "")
		}
		t, ok := snapshot.TopicByID(d.id)
		if !ok {
			return fail(codeUnknownTopicID, "")
		}
		d.name = &t.Name
	}
	if _, ok := snapshot.Topic(*d.name); !ok {
		return fail(codeUnknownTopicOrPartition, "")
	}
	if err := a.ZooKeeper.RequestDeletion(ctx, *d.name); err != nil && !errors.Is(err, zkcoord.ErrNodeExists) {
		return err
	}
	return nil
}

func (d *deletion) exists(s *metadata.Snapshot) bool {
	_, ok := s.Topic(*d.name)
	return ok
}

// deletedTopic has no message: Kafka sends none for any of these errors.
func (a *API) deletedTopic(d *deletion) kmsg.DeleteTopicsResponseTopic {
	t := kmsg.NewDeleteTopicsResponseTopic()
	t.Topic, t.TopicID = d.name, d.id
	name := d.id.String()
	if d.name != nil {
		name = *d.name
	}
	t.ErrorCode, _ = a.explain("delete topic "+name, d.err)
	return t
}
