package group

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// OffsetCommit keeps how far a group has read. Version 0 keeps offsets in ZooKeeper and is not for here. The caller
// has taken out the partitions that do not exist.
func (c *Coordinator) OffsetCommit(req *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse)) {
	refuse := func(code int16) { reply(encodeCommitted(req, func(int, int) int16 { return code })) }
	if code := c.check(req.Group, allowEmptyID); code != 0 {
		refuse(code)
		return
	}
	g := c.get(req.Group)
	if g == nil && req.Generation >= 0 {
		refuse(kerr.IllegalGeneration.Code) // of a group that is gone
		return
	}
	if g == nil { // a consumer without a group's management: its offsets are kept all the same
		if g = c.create(req.Group); g == nil {
			refuse(kerr.NotCoordinator.Code)
			return
		}
	}
	g.turn(func() { g.commitLocked(req, reply) })
}

// encodeCommitted answers each partition with a code, found by the indexes of topic and partition.
func encodeCommitted(req *kmsg.OffsetCommitRequest, code func(topic, partition int) int16) *kmsg.OffsetCommitResponse {
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for i := range req.Topics {
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = req.Topics[i].Partitions[j].Partition, code(i, j)
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func (g *Group) commitLocked(req *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse)) {
	answer := func(code int16) {
		g.laterLocked(func() { reply(encodeCommitted(req, func(int, int) int16 { return code })) })
	}
	if code := g.validateCommitLocked(req); code != 0 {
		answer(code)
		return
	}
	if m := g.mu.members[req.MemberID]; m != nil {
		g.expectHeartbeatLocked(m)
	}
	if g.mu.state == completingRebalance {
		// The member's generation is right, so it knows of the rebalance; its partitions are being given away.
		answer(kerr.RebalanceInProgress.Code)
		return
	}
	g.writeCommitLocked(newCommitting(req, g.c.config.OffsetMetadataMax), reply)
}

func (g *Group) validateCommitLocked(req *kmsg.OffsetCommitRequest) int16 {
	switch {
	case g.mu.state == dead:
		return kerr.CoordinatorNotAvailable.Code
	case req.Generation < 0 && g.mu.state == empty:
		return 0 // an administrator, or a consumer that manages its partitions itself
	case req.Generation < 0 && req.MemberID == "" && req.InstanceID == nil:
		return kerr.UnknownMemberID.Code // only members may commit in a group that has some
	}
	if code := g.validateLocked(req.MemberID, req.InstanceID); code != 0 {
		return code
	}
	if req.Generation != g.mu.generation {
		return kerr.IllegalGeneration.Code
	}
	return 0
}

// committing is an OffsetCommit on its way into the log.
type committing struct {
	req *kmsg.OffsetCommitRequest
	// commits are what is written; a partition that comes twice counts with the last.
	commits map[cluster.TopicPartition]commit
	order   []cluster.TopicPartition
	// tooLarge are partitions whose metadata is over offset.metadata.max.bytes.
	tooLarge map[cluster.TopicPartition]struct{}
	// within is the transaction that the commit belongs to, nil for most.
	within *transaction
}

func newCommitting(req *kmsg.OffsetCommitRequest, metadataMax int) *committing {
	now := nowMillis()
	w := &committing{req: req, commits: make(map[cluster.TopicPartition]commit), tooLarge: make(map[cluster.TopicPartition]struct{})}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			key := tp(req.Topics[i].Topic, p.Partition)
			c := newCommit(req, p, now)
			if utf16Length(c.metadata) > metadataMax || len(c.metadata) > math.MaxInt16 {
				w.tooLarge[key] = struct{}{}
				continue
			}
			if _, twice := w.commits[key]; !twice {
				w.order = append(w.order, key)
			}
			w.commits[key] = c
		}
	}
	return w
}

func newCommit(req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition, now int64) commit {
	c := commit{offset: p.Offset, leaderEpoch: -1, timestamp: now, expires: -1}
	if p.LeaderEpoch >= 0 && req.Version >= 6 {
		c.leaderEpoch = p.LeaderEpoch
	}
	if p.Metadata != nil {
		c.metadata = *p.Metadata
	}
	if req.Version == 1 && p.Timestamp != -1 {
		c.timestamp = p.Timestamp
	}
	if req.Version >= 2 && req.Version <= 4 && req.RetentionTimeMillis != -1 {
		c.expires = now + req.RetentionTimeMillis
	}
	return c
}

// code is a partition's answer when the write ended with a code.
func (w *committing) code(topic, partition int, written int16) int16 {
	t := &w.req.Topics[topic]
	if _, tooLarge := w.tooLarge[tp(t.Topic, t.Partitions[partition].Partition)]; tooLarge {
		return kerr.OffsetMetadataTooLarge.Code
	}
	return written
}

func (g *Group) writeCommitLocked(w *committing, reply func(*kmsg.OffsetCommitResponse)) {
	answer := func(code int16) {
		g.laterLocked(func() {
			reply(encodeCommitted(w.req, func(topic, partition int) int16 { return w.code(topic, partition, code) }))
		})
	}
	if len(w.commits) == 0 {
		answer(0)
		return
	}
	options := batch.PlainOptions(g.c.config.Compression)
	options.BaseSequence = 0 // as Kafka writes it, with or without a producer
	begin, end, guard := g.mu.offsets.begin, g.mu.offsets.end, uint64(0)
	if t := w.within; t != nil {
		options.ProducerID, options.ProducerEpoch, options.Transactional = t.producerID, t.producerEpoch, true
		begin = func(key cluster.TopicPartition) { g.mu.offsets.beginOpen(t.producerID, key) }
		end = func(key cluster.TopicPartition, s stored, ok bool) { g.mu.offsets.endOpen(t.producerID, key, s, ok) }
		guard = t.guard
	}
	b := batch.NewBuilder(options)
	now := nowMillis()
	for _, key := range w.order {
		b.Append(now, offsetKey{g.id, key}.encode(), w.commits[key].encode(g.c.config.OffsetValue))
		begin(key)
	}
	g.appendVerifiedLocked(b, guard, func(baseOffset int64, err error) {
		for _, key := range w.order {
			end(key, stored{w.commits[key], baseOffset}, err == nil)
		}
		code := appendCode(err)
		if code == 0 && g.mu.state == dead {
			// It is in the log, but a load that began before may have missed it: the client shall say it again.
			code = kerr.NotCoordinator.Code
		}
		if code == 0 {
			g.c.metrics.commits.Add(float64(len(w.order)))
		}
		answer(code)
	})
}
