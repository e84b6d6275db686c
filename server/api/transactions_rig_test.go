package api

import (
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/group"
	"ottla/server/txn"
	"ottla/zkcoord/cluster"
)

// noState is a __transaction_state without partitions: whoever asks the rig is not at the right coordinator.
type noState struct{}

func (noState) Append(_, _ int32, _ []byte, _ time.Duration, done func(error)) {
	done(kerr.NotLeaderForPartition)
}
func (noState) Read(int32, int64, int) ([]byte, error) { return nil, kerr.NotLeaderForPartition }
func (noState) LogStart(int32) (int64, error)          { return 0, kerr.NotLeaderForPartition }
func (noState) LogEnd(int32) (int64, error)            { return 0, kerr.NotLeaderForPartition }

// noLeaders knows nobody to send markers to.
type noLeaders struct{}

func (noLeaders) Leader(cluster.TopicPartition) (cluster.BrokerID, bool) {
	return cluster.NoBroker, true
}
func (noLeaders) WriteMarkers(_ cluster.BrokerID, _ *kmsg.WriteTxnMarkersRequest, done func(*kmsg.WriteTxnMarkersResponse, error)) {
	done(nil, kerr.BrokerNotAvailable)
}

func (r *rig) newTransactions() *txn.Coordinator {
	c := txn.New(txn.Options{Storage: noState{}, Leaders: noLeaders{}, Config: txn.DefaultConfig(), Partitions: func() int32 { return 1 },
		ProducerIDs: txn.NewProducerIDs(r.controller.allocate), Log: r.logger()})
	r.t.Cleanup(c.Close)
	return c
}

func (r *rig) logger() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(&r.log)
	return log
}

// verify is VerifyTransaction: the verdict is the rig's.
func (r *rig) verify(_ txn.Producer, asked []cluster.TopicPartition, done func(codes []int16)) {
	codes := make([]int16, len(asked))
	for i, tp := range asked {
		codes[i] = codeInvalidProducerIDMapping
		if verdict, ok := r.verdicts[tp]; ok {
			codes[i] = verdict
		}
	}
	go done(codes)
}

func (g *fakeGroups) TxnOffsetCommit(req *kmsg.TxnOffsetCommitRequest, verify group.Verify, reply func(*kmsg.TxnOffsetCommitResponse)) {
	verify(0, func(_ uint64, code int16) {
		resp := kmsg.NewPtrTxnOffsetCommitResponse()
		for _, t := range req.Topics {
			topic := kmsg.TxnOffsetCommitResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				topic.Partitions = append(topic.Partitions, kmsg.TxnOffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
			}
			resp.Topics = append(resp.Topics, topic)
		}
		reply(resp)
	})
}

func (g *fakeGroups) TransactionEnded(producerID int64, _ int32, commit bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended == nil {
		g.ended = map[int64]bool{}
	}
	g.ended[producerID] = commit
}
