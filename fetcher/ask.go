package fetcher

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// What a fetcher asks besides records: where epochs ended, where the leader's log starts and ends.

// askEpochs asks OffsetsForLeaderEpoch for the partitions that have to know before they fetch, until none is left. It reports false
// if the leader does not answer.
func (f *fetcher) askEpochs(ctx context.Context) (ok bool) {
	for {
		parts := f.inPhase(truncating)
		if len(parts) == 0 {
			return true
		}
		if time.Now().Before(f.resume) {
			return false
		}
		req := f.epochsRequest(parts)
		resp, err := f.leader.RoundTrip(ctx, req)
		if ctx.Err() != nil {
			return false
		}
		answer, right := resp.(*kmsg.OffsetForLeaderEpochResponse)
		if err == nil && !right {
			err = errAnswer
		}
		if err != nil {
			f.unreachable(err)
			return false
		}
		f.reached()
		f.cutByEpochs(parts, answer)
	}
}

func (f *fetcher) epochsRequest(parts []*partition) *kmsg.OffsetForLeaderEpochRequest {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.Version, req.ReplicaID = f.options.Versions.OffsetForLeaderEpoch, int32(f.options.ID)
	for _, p := range byTopic(parts) {
		n := len(req.Topics)
		if n == 0 || req.Topics[n-1].Topic != p.Topic {
			t := kmsg.NewOffsetForLeaderEpochRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
		}
		t := &req.Topics[len(req.Topics)-1]
		each := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		each.Partition, each.CurrentLeaderEpoch, each.LeaderEpoch = p.Partition, p.LeaderEpoch, p.lastEpoch
		t.Partitions = append(t.Partitions, each)
	}
	return req
}

func (f *fetcher) cutByEpochs(parts []*partition, resp *kmsg.OffsetForLeaderEpochResponse) {
	type end struct {
		code int16
		epochEnd
	}
	ends := map[cluster.TopicPartition]end{}
	for _, t := range resp.Topics {
		for _, e := range t.Partitions {
			ends[cluster.TopicPartition{Topic: t.Topic, Partition: e.Partition}] = end{e.ErrorCode, epochEnd{e.LeaderEpoch, e.EndOffset}}
		}
	}
	for _, p := range parts {
		f.use(p, func() error {
			e, ok := ends[p.TopicPartition]
			switch {
			case !ok:
				return errAnswer
			case waitsForDecision(e.code):
				return ErrReignOver
			case e.code != 0:
				return kerr.ErrorForCode(e.code)
			}
			settled, err := p.truncate(e.epochEnd)
			if err == nil && (settled || p.lastEpoch < 0) {
				p.phase = fetching
			}
			return err
		})
	}
}

// askOffsets brings partitions whose offset the leader does not have in line with its log.
func (f *fetcher) askOffsets(ctx context.Context) {
	if len(f.lost) == 0 {
		return
	}
	lost := slices.Clone(f.lost)
	f.lost = f.lost[:0]
	const latest, earliest = -1, -2
	ends, err := f.listOffsets(ctx, lost, latest)
	if err != nil {
		return
	}
	starts, err := f.listOffsets(ctx, lost, earliest)
	if err != nil {
		return
	}
	for _, p := range lost {
		f.use(p, func() error {
			start, end := starts[p.TopicPartition], ends[p.TopicPartition]
			for _, code := range []int16{end.code, start.code} {
				if waitsForDecision(code) {
					return ErrReignOver
				} else if code != 0 {
					return kerr.ErrorForCode(code)
				}
			}
			before := p.offset
			if err := p.reset(start.offset, end.offset); err != nil {
				return err
			}
			f.log.Warnf("%s: the leader has nothing at offset %d, its log is %d to %d; going on at %d", p.TopicPartition, before, start.offset, end.offset, p.offset)
			if p.offset == before {
				return kerr.OffsetOutOfRange // it will pass, but not by asking again at once
			}
			return nil
		})
	}
}

type listed struct {
	code   int16
	offset int64
}

// listOffsets asks for the end or the start of the leader's logs. An error is the leader's, and has been noted.
func (f *fetcher) listOffsets(ctx context.Context, parts []*partition, timestamp int64) (map[cluster.TopicPartition]listed, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = f.options.Versions.ListOffsets, int32(f.options.ID)
	found := map[cluster.TopicPartition]listed{}
	for _, p := range byTopic(parts) {
		n := len(req.Topics)
		if n == 0 || req.Topics[n-1].Topic != p.Topic {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
		}
		t := &req.Topics[len(req.Topics)-1]
		each := kmsg.NewListOffsetsRequestTopicPartition()
		each.Partition, each.CurrentLeaderEpoch, each.Timestamp = p.Partition, p.LeaderEpoch, timestamp
		t.Partitions = append(t.Partitions, each)
		found[p.TopicPartition] = listed{code: kerr.UnknownServerError.Code}
	}
	resp, err := f.leader.RoundTrip(ctx, req)
	answer, ok := resp.(*kmsg.ListOffsetsResponse)
	if err == nil && !ok {
		err = errAnswer
	}
	if err != nil {
		if ctx.Err() == nil {
			f.session.restart()
			f.unreachable(err)
		}
		return nil, err
	}
	for _, t := range answer.Topics {
		for _, o := range t.Partitions {
			found[cluster.TopicPartition{Topic: t.Topic, Partition: o.Partition}] = listed{o.ErrorCode, o.Offset}
		}
	}
	return found, nil
}

// byTopic has the partitions of a topic stand together.
func byTopic(parts []*partition) []*partition {
	sorted := slices.Clone(parts)
	slices.SortStableFunc(sorted, func(a, b *partition) int {
		switch {
		case a.Topic < b.Topic:
			return -1
		case a.Topic > b.Topic:
			return 1
		default:
			return 0
		}
	})
	return sorted
}
