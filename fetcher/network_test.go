package fetcher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// network carries requests between the brokers of a world, as many as it is let. It tells what it carries.
type network struct {
	w  *world
	mu struct {
		sync.Mutex
		changed sync.Cond
		closed  bool
		// left is how many more requests of a broker may pass; a negative number stands for any.
		left     map[cluster.BrokerID]int
		inFlight map[cluster.BrokerID]int
		// hold keeps answers to a broker back until it is lifted.
		hold map[cluster.BrokerID]bool
		tell func(format string, values ...any)
		// lose, if set, says whether an answer gets lost.
		lose func() bool
	}
}

func newNetwork(w *world) *network {
	n := &network{w: w}
	n.mu.changed.L = &n.mu.Mutex
	n.mu.left, n.mu.inFlight, n.mu.hold = map[cluster.BrokerID]int{}, map[cluster.BrokerID]int{}, map[cluster.BrokerID]bool{}
	n.mu.tell = func(string, ...any) {}
	return n
}

func (n *network) close() { n.change(func() { n.mu.closed = true }) }

func (n *network) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	n.mu.changed.Broadcast()
}

func (n *network) tell(format string, values ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.tell(format, values...)
}

var errConnection = errors.New("connection lost")

// await blocks until the condition holds, which is looked at under the lock.
func (n *network) await(ctx context.Context, holds func() bool) error {
	defer context.AfterFunc(ctx, func() { n.change(func() {}) })()
	for !holds() && !n.mu.closed && ctx.Err() == nil {
		n.mu.changed.Wait()
	}
	if n.mu.closed {
		return errConnection
	}
	return ctx.Err()
}

// wireTo is a fetcher's connection.
type wireTo struct {
	n        *network
	from, to cluster.BrokerID
}

func (l *wireTo) Close() {}

// RoundTrip takes the request apart with kmsg and puts the answer together with it, so that both agree with ours.
func (l *wireTo) RoundTrip(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	n := l.n
	n.mu.Lock()
	if err := n.await(ctx, func() bool { return n.mu.left[l.from] != 0 }); err != nil {
		n.mu.Unlock()
		return nil, err
	}
	n.mu.left[l.from] = max(-1, n.mu.left[l.from]-1)
	n.mu.inFlight[l.from]++
	n.mu.Unlock()
	defer n.change(func() { n.mu.inFlight[l.from]-- })

	answer, err := l.serve(ctx, req)
	if err == nil {
		n.mu.Lock()
		err = n.await(ctx, func() bool { return !n.mu.hold[l.from] })
		if err == nil && n.mu.lose != nil && n.mu.lose() {
			err = errConnection
		}
		n.mu.Unlock()
	}
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	return resp, resp.ReadFrom(answer.AppendTo(nil))
}

func (l *wireTo) serve(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	b, up := l.n.w.brokers[l.to].serving()
	if !up {
		l.n.tell("%d cannot reach %d", l.from, l.to)
		return nil, fmt.Errorf("dial broker %d: %w", l.to, errConnection)
	}
	received := kmsg.RequestForKey(req.Key())
	received.SetVersion(req.GetVersion())
	if err := received.ReadFrom(req.AppendTo(nil)); err != nil {
		l.n.w.t.Errorf("%s: %v", kmsg.NameForKey(req.Key()), err)
		return nil, err
	}
	var resp kmsg.Response
	var err error
	switch r := received.(type) {
	case *kmsg.FetchRequest:
		resp, err = l.fetch(ctx, b, r)
	case *kmsg.OffsetForLeaderEpochRequest:
		resp = l.epochs(b, r)
	case *kmsg.ListOffsetsRequest:
		resp = l.offsets(b, r)
	}
	if err != nil {
		return nil, err
	}
	resp.SetVersion(req.GetVersion())
	return resp, nil
}

// served is one life of a broker, which may end while it serves.
type served struct {
	*broker
	replicas *replica.Manager
	dead     chan struct{}
}

func (b *broker) serving() (s *served, up bool) {
	b.sessions.Lock()
	defer b.sessions.Unlock()
	return &served{b, b.replicas, b.dead}, b.replicas != nil
}

// leaderSession is a fetch session as the leader keeps it.
type leaderSession struct {
	epoch int32
	parts []*leaderPart
}

type leaderPart struct {
	topic     string // its name, or the id as a string
	ask       kmsg.FetchRequestTopicPartition
	hw, start int64
}

func (l *wireTo) fetch(ctx context.Context, b *served, req *kmsg.FetchRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrFetchResponse()
	parts, full, code := b.session(req, resp)
	if resp.ErrorCode = code; code != 0 {
		l.n.tell("%d fetches from %d: %v", l.from, l.to, kerr.ErrorForCode(code))
		return resp, nil
	}
	id := req.ReplicaID
	if req.Version >= 15 {
		id = req.ReplicaState.ID
	}
	if cluster.BrokerID(id) != l.from {
		l.n.w.t.Errorf("replica id %d in a fetch of broker %d", id, l.from)
	}
	params := replica.FetchParams{Replica: l.from, ReplicaEpoch: -1, MaxWait: time.Duration(req.MaxWaitMillis) * time.Millisecond,
		MinBytes: req.MinBytes, MaxBytes: req.MaxBytes}
	reads := make([]replica.FetchPartition, len(parts))
	for i, p := range parts {
		reads[i] = replica.FetchPartition{TopicPartition: cluster.TopicPartition{Topic: orders.Topic, Partition: p.ask.Partition}, TopicID: ordersID,
			FetchOffset: p.ask.FetchOffset, LogStartOffset: p.ask.LogStartOffset, MaxBytes: p.ask.PartitionMaxBytes,
			CurrentLeaderEpoch: p.ask.CurrentLeaderEpoch, LastFetchedEpoch: p.ask.LastFetchedEpoch}
		l.n.tell("%d fetches from %d: offset %d%s", l.from, l.to, p.ask.FetchOffset, after(p.ask.LastFetchedEpoch))
	}
	reads, err := b.read(ctx, params, reads)
	if err != nil {
		return nil, err
	}
	for i, p := range parts {
		out := l.answer(&reads[i])
		named := full || out.ErrorCode != 0 || out.HighWatermark != p.hw || out.LogStartOffset != p.start || len(out.RecordBatches) > 0 || reads[i].Diverging != nil
		if p.hw, p.start = out.HighWatermark, out.LogStartOffset; out.ErrorCode != 0 {
			p.hw = -1
		}
		if !named {
			continue
		}
		t := kmsg.NewFetchResponseTopic()
		if req.Version >= 13 {
			copy(t.TopicID[:], p.topic)
		} else {
			t.Topic = p.topic
		}
		t.Partitions = append(t.Partitions, out)
		resp.Topics = append(resp.Topics, t)
	}
	return resp, nil
}

// read waits for the records, or for the end of either side.
func (b *served) read(ctx context.Context, params replica.FetchParams, reads []replica.FetchPartition) ([]replica.FetchPartition, error) {
	var mu sync.Mutex
	gone := false
	done := make(chan []replica.FetchPartition, 1)
	b.replicas.Fetch(params, reads, func(r []replica.FetchPartition) {
		mu.Lock()
		defer mu.Unlock()
		if done <- r; gone {
			release(<-done)
		}
	})
	var err error
	select {
	case r := <-done:
		return r, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-b.dead:
		err = errConnection
	}
	mu.Lock()
	defer mu.Unlock()
	gone = true
	select {
	case r := <-done:
		release(r)
	default:
	}
	return nil, err
}

func release(reads []replica.FetchPartition) {
	for _, r := range reads {
		r.Data.Release()
	}
}

func (l *wireTo) answer(r *replica.FetchPartition) kmsg.FetchResponseTopicPartition {
	out := kmsg.NewFetchResponseTopicPartition()
	out.Partition, out.ErrorCode = r.Partition, codeOf(r.Err)
	out.HighWatermark, out.LastStableOffset, out.LogStartOffset = r.Data.HighWatermark, r.Data.LastStableOffset, r.Data.LogStartOffset
	bytes, err := r.Data.Bytes()
	r.Data.Release()
	if err != nil {
		l.n.w.t.Error(err)
	}
	out.RecordBatches = bytes
	switch {
	case r.Err != nil:
		l.n.tell("  %v", kerr.ErrorForCode(out.ErrorCode))
	case r.Diverging != nil:
		out.DivergingEpoch.Epoch, out.DivergingEpoch.EndOffset = r.Diverging.Epoch, r.Diverging.EndOffset
		l.n.tell("  the logs part: its epoch %d ended at %d", r.Diverging.Epoch, r.Diverging.EndOffset)
	case len(bytes) > 0:
		l.n.tell("  records, high watermark %d", out.HighWatermark)
	default:
		l.n.tell("  nothing new, high watermark %d", out.HighWatermark)
	}
	return out
}

func after(epoch int32) string {
	if epoch < 0 {
		return ""
	}
	return fmt.Sprintf(" after epoch %d", epoch)
}

// session finds the partitions that a fetch is about.
func (b *broker) session(req *kmsg.FetchRequest, resp *kmsg.FetchResponse) (parts []*leaderPart, full bool, code int16) {
	b.sessions.Lock()
	defer b.sessions.Unlock()
	s := &leaderSession{epoch: 1}
	if req.SessionEpoch > 0 {
		known, ok := b.sessions.byID[req.SessionID]
		if !ok {
			return nil, false, kerr.FetchSessionIDNotFound.Code
		}
		if known.epoch != req.SessionEpoch {
			return nil, false, kerr.InvalidFetchSessionEpoch.Code
		}
		s = known
		s.epoch++
	} else {
		delete(b.sessions.byID, req.SessionID)
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			s.put(topicName(t.Topic, t.TopicID), p)
		}
	}
	for _, t := range req.ForgottenTopics {
		for _, p := range t.Partitions {
			s.forget(topicName(t.Topic, t.TopicID), p)
		}
	}
	if req.SessionEpoch > 0 {
		resp.SessionID = req.SessionID
	} else if b.w.sessions {
		b.sessions.next++
		resp.SessionID = b.sessions.next
		b.sessions.byID[resp.SessionID] = s
	}
	return s.parts, req.SessionEpoch <= 0, 0
}

func topicName(name string, id [16]byte) string {
	if name != "" {
		return name
	}
	return string(id[:])
}

func (s *leaderSession) put(topic string, ask kmsg.FetchRequestTopicPartition) {
	for _, p := range s.parts {
		if p.topic == topic && p.ask.Partition == ask.Partition {
			p.ask = ask
			return
		}
	}
	s.parts = append(s.parts, &leaderPart{topic: topic, ask: ask, hw: -1, start: -1})
}

func (s *leaderSession) forget(topic string, partition int32) {
	for i, p := range s.parts {
		if p.topic == topic && p.ask.Partition == partition {
			s.parts = append(s.parts[:i:i], s.parts[i+1:]...)
			return
		}
	}
}

func (l *wireTo) epochs(b *served, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			epoch, end, err := b.replicas.EpochEndOffset(orders, p.CurrentLeaderEpoch, p.LeaderEpoch)
			out := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			out.Partition, out.ErrorCode, out.LeaderEpoch, out.EndOffset = p.Partition, codeOf(err), epoch, end
			topic.Partitions = append(topic.Partitions, out)
			l.n.tell("%d asks %d where epoch %d ended", l.from, l.to, p.LeaderEpoch)
			if err != nil {
				l.n.tell("  %v", kerr.ErrorForCode(out.ErrorCode))
			} else {
				l.n.tell("  epoch %d ended at %d", epoch, end)
			}
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func (l *wireTo) offsets(b *served, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := kmsg.NewPtrListOffsetsResponse()
	for _, t := range req.Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			offset, _, epoch, err := b.replicas.ListOffset(orders, p.CurrentLeaderEpoch, p.Timestamp, 0, l.from)
			out := kmsg.NewListOffsetsResponseTopicPartition()
			out.Partition, out.ErrorCode, out.Offset, out.LeaderEpoch = p.Partition, codeOf(err), offset, epoch
			topic.Partitions = append(topic.Partitions, out)
			l.n.tell("%d asks %d for its log's %s", l.from, l.to, map[int64]string{-1: "end", -2: "start"}[p.Timestamp])
			if err != nil {
				l.n.tell("  %v", kerr.ErrorForCode(out.ErrorCode))
			} else {
				l.n.tell("  %d", offset)
			}
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func codeOf(err error) int16 {
	for is, code := range map[error]*kerr.Error{
		replica.ErrNotLeader: kerr.NotLeaderForPartition, replica.ErrFencedLeaderEpoch: kerr.FencedLeaderEpoch,
		replica.ErrUnknownLeaderEpoch: kerr.UnknownLeaderEpoch, replica.ErrUnknownPartition: kerr.UnknownTopicOrPartition,
		replica.ErrOffsetNotAvailable: kerr.OffsetNotAvailable, logdir.ErrOffsetOutOfRange: kerr.OffsetOutOfRange,
		logdir.ErrTopicID: kerr.InconsistentTopicID, logdir.ErrStorage: kerr.KafkaStorageError,
	} {
		if errors.Is(err, is) {
			return code.Code
		}
	}
	if err != nil {
		return kerr.UnknownServerError.Code
	}
	return 0
}
