package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// markerVersion is the version of Produce whose rules markers obey: the newest.
const markerVersion = 11

// writeTxnMarkers ends transactions in partitions that this broker leads, for a coordinator or for an operator who wants to
// be rid of one that hangs.
func (a *API) writeTxnMarkers(c *call, req *kmsg.WriteTxnMarkersRequest) {
	a.WriteMarkers(req, replyWith[*kmsg.WriteTxnMarkersResponse](c))
}

// WriteMarkers appends a marker to each partition, and when it is safe tells the groups whose offsets it has ended. reply
// is called once, from any goroutine.
func (a *API) WriteMarkers(req *kmsg.WriteTxnMarkersRequest, reply func(*kmsg.WriteTxnMarkersResponse)) {
	var entries []replica.AppendEntry
	now := time.Now().UnixMilli()
	for i := range req.Markers {
		m := &req.Markers[i]
		b := batch.NewBuilder(batch.Options{ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch, BaseSequence: batch.NoSequence,
			Transactional: true, Control: true, LeaderEpoch: -1})
		b.AppendMarker(now, batch.Marker{Commit: m.Committed, CoordinatorEpoch: m.CoordinatorEpoch})
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				entries = append(entries, replica.AppendEntry{TopicPartition: cluster.TopicPartition{Topic: t.Topic, Partition: p}, Records: b.Bytes()})
			}
		}
	}
	a.Replicas.Append(-1, a.Config.Static().RequestTimeout, logdir.OriginCoordinator, markerVersion, entries, nil, func(entries []replica.AppendEntry) {
		reply(a.markersWritten(req, entries))
	})
}

func (a *API) markersWritten(req *kmsg.WriteTxnMarkersRequest, entries []replica.AppendEntry) *kmsg.WriteTxnMarkersResponse {
	resp := kmsg.NewPtrWriteTxnMarkersResponse()
	next := 0
	for i := range req.Markers {
		m := &req.Markers[i]
		marker := kmsg.NewWriteTxnMarkersResponseMarker()
		marker.ProducerID = m.ProducerID
		for _, t := range m.Topics {
			topic := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			topic.Topic = t.Topic
			for _, p := range t.Partitions {
				err := entries[next].Err
				next++
				if err == nil && t.Topic == offsetsTopic {
					a.Groups.TransactionEnded(m.ProducerID, p, m.Committed)
				}
				topic.Partitions = append(topic.Partitions, kmsg.WriteTxnMarkersResponseMarkerTopicPartition{Partition: p, ErrorCode: code(err)})
			}
			marker.Topics = append(marker.Topics, topic)
		}
		resp.Markers = append(resp.Markers, marker)
	}
	return resp
}
