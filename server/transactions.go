package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/server/metadata"
	"ottla/server/peer"
	"ottla/server/replica"
	"ottla/server/txn"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// transactionsTopic is the topic that keeps the state of transactions.
const transactionsTopic = "__transaction_state"

func (b *Broker) startTransactions(context.Context) error {
	c := b.live.Static()
	conf := txn.DefaultConfig()
	conf.MaxTimeout, conf.TimeoutCheckInterval = c.TransactionMaxTimeout, c.TransactionTimeoutCheckInterval
	conf.IDExpiration, conf.ExpiryCheckInterval = c.TransactionalIDExpiration, c.TransactionalIDExpiryCheckInterval
	conf.LoadBufferBytes = int(c.TransactionLoadBufferBytes)
	state := &topicStore{topic: transactionsTopic, replicas: b.replicas, metadata: b.metadata, planned: c.TransactionTopicPartitions}
	log := b.loggers.Named("txn")
	markers := b.newPeers(fmt.Sprintf("broker-%d-txn-marker-sender", b.id), c.RequestTimeout, log)
	b.transactions = txn.New(txn.Options{
		Storage: transactionStore{state}, Leaders: &markerLeaders{b: b, metadata: b.metadata, topics: b.zk, peers: markers}, Config: conf, Partitions: state.partitions,
		ProducerIDs: txn.NewProducerIDs(b.nextProducerIDs), Log: log, Metrics: b.metrics,
	})
	verifiers := b.newPeers("AddPartitionsManager", c.RequestTimeout, log)
	b.verifier = &txnVerifier{b: b, peers: verifiers, metrics: newVerifyMetrics(b.metrics), queues: make(map[cluster.Endpoint]*verifyQueue)}
	b.running("transactions", func() error {
		markers.Close()
		verifiers.Close()
		b.transactions.Close()
		return nil
	}, nil)
	return nil
}

// transactionStore is __transaction_state as the transaction coordinator needs it: txn.Storage on the partitions that
// this broker leads.
type transactionStore struct{ *topicStore }

// Append writes a batch to the whole ISR, if this broker has led without a break since the epoch.
func (t transactionStore) Append(partition, epoch int32, batch []byte, timeout time.Duration, done func(error)) {
	entries := []replica.AppendEntry{{TopicPartition: t.partition(partition), Records: batch, LeadingSince: &epoch}}
	t.replicas.Append(-1, timeout, logdir.OriginCoordinator, batchVersion, entries, nil, func(entries []replica.AppendEntry) {
		done(onTheWire(entries[0].Err))
	})
}

// markerLeaders are the leaders of partitions as the transaction coordinator needs them: txn.Leaders.
type markerLeaders struct {
	b        *Broker
	metadata *metadata.Cache
	topics   topicsOfCluster
	peers    *peer.Client
}

// topicsOfCluster is what ZooKeeper knows of topics: zkcoord.Client.
type topicsOfCluster interface {
	Topic(ctx context.Context, topic string) (zkcoord.TopicAssignment, error)
	Deletions(ctx context.Context) ([]string, error)
}

// Leader is who leads by the metadata. A partition that is not in there need not have been deleted: a new controller names
// the brokers first, with no topic, then the leaders, of which this coordinator may be one, and the topics only after
// that. A marker that was left out then would hold back its partition's last stable offset for good; Kafka leaves it out
// [TransactionMarkerChannelManager.addTxnMarkersToBrokerQueue]. TestMarkersWaitForTheMetadataOfTheirTopics breaks without
// the question to ZooKeeper.
func (l *markerLeaders) Leader(tp cluster.TopicPartition) (leader cluster.BrokerID, exists bool) {
	s := l.metadata.Snapshot()
	p, ok := s.Partition(tp)
	switch {
	case !ok:
		return cluster.NoBroker, !l.deleted(tp.Topic)
	case !s.Alive(p.Leader):
		return cluster.NoBroker, true
	}
	return p.Leader, true
}

// deleted reports whether ZooKeeper says that a topic is gone or about to go. The second counts as well: a deletion waits
// for brokers that are down, and its producers should not.
func (l *markerLeaders) deleted(topic string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), topicQuestionTimeout)
	defer cancel()
	if _, err := l.topics.Topic(ctx, topic); err != nil {
		return errors.Is(err, zkcoord.ErrNoNode)
	}
	deletions, err := l.topics.Deletions(ctx)
	return err == nil && slices.Contains(deletions, topic)
}

// topicQuestionTimeout is how long markers wait for ZooKeeper's answer before they are tried again.
const topicQuestionTimeout = time.Second

// WriteMarkers appends to our own partitions at once and asks other brokers for theirs.
func (l *markerLeaders) WriteMarkers(to cluster.BrokerID, req *kmsg.WriteTxnMarkersRequest, done func(*kmsg.WriteTxnMarkersResponse, error)) {
	if to == l.b.id {
		l.b.api.WriteMarkers(req, func(resp *kmsg.WriteTxnMarkersResponse) { done(resp, nil) })
		return
	}
	l.b.work.Go(func() {
		at, ok := l.b.metadata.Snapshot().Endpoint(to, l.b.live.Static().InterBrokerListener)
		if !ok {
			done(nil, kerr.BrokerNotAvailable)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), l.b.live.Static().RequestTimeout)
		defer cancel()
		req.SetVersion(writeTxnMarkersVersion(l.b.live.Static().Protocol))
		answer, err := l.peers.RoundTrip(ctx, at, req)
		resp, ok := answer.(*kmsg.WriteTxnMarkersResponse)
		if err == nil && !ok {
			err = peer.ErrAnswer
		}
		done(resp, err)
	})
}

// txnVerifier asks coordinators whether partitions belong to transactions [AddPartitionsToTxnManager]. To each broker one
// request is in flight; questions that come meanwhile are gathered into the next.
type txnVerifier struct {
	b       *Broker
	peers   *peer.Client
	metrics *verifyMetrics

	mu     sync.Mutex
	queues map[cluster.Endpoint]*verifyQueue
}

type verifyQueue struct {
	waiting  []verifyQuestion
	inFlight bool
}

type verifyQuestion struct {
	producer txn.Producer
	asked    []cluster.TopicPartition
	done     func(codes []int16)
}

// refuse answers a question with one code for all.
func (q *verifyQuestion) refuse(code int16) {
	codes := make([]int16, len(q.asked))
	for i := range codes {
		codes[i] = code
	}
	q.done(codes)
}

// verifyMetrics are those of Kafka's AddPartitionsToTxnManager.
type verifyMetrics struct {
	failures prometheus.Counter
	millis   prometheus.Histogram
}

func newVerifyMetrics(registry prometheus.Registerer) *verifyMetrics {
	const manager = "kafka_server_addpartitionstotxnmanager_"
	m := &verifyMetrics{
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: manager + "verificationfailurerate_total",
			Help: "Partitions that did not belong to the transaction, or of which nobody could tell."}),
		millis: prometheus.NewHistogram(prometheus.HistogramOpts{Name: manager + "verificationtimems",
			Help: "Milliseconds until another broker's coordinator answered.", Buckets: []float64{0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384}}),
	}
	registry.MustRegister(m.failures, m.millis)
	return m
}

// counting passes codes on, and counts those that are failures.
func (m *verifyMetrics) counting(done func(codes []int16)) func(codes []int16) {
	return func(codes []int16) {
		for _, code := range codes {
			if code != 0 {
				m.failures.Inc()
			}
		}
		done(codes)
	}
}

// verify is api.VerifyTransaction. Of this broker's own transactions it asks its coordinator directly.
func (v *txnVerifier) verify(p txn.Producer, asked []cluster.TopicPartition, done func(codes []int16)) {
	q := verifyQuestion{p, asked, v.metrics.counting(done)}
	s := v.b.metadata.Snapshot()
	state, ok := s.Partition(cluster.TopicPartition{Topic: transactionsTopic, Partition: v.b.transactions.PartitionFor(p.TransactionalID)})
	if ok && state.Leader == v.b.id {
		codes, code := v.b.transactions.VerifyPartitions(p, asked)
		if code != 0 {
			q.refuse(code)
			return
		}
		q.done(codes)
		return
	}
	at, alive := s.Endpoint(state.Leader, v.b.live.Static().InterBrokerListener)
	if !ok || !alive {
		q.refuse(kerr.CoordinatorNotAvailable.Code)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	queue := v.queues[at]
	if queue == nil {
		queue = &verifyQueue{}
		v.queues[at] = queue
	}
	queue.waiting = append(queue.waiting, q)
	if !queue.inFlight {
		queue.inFlight = true
		v.b.work.Go(func() { v.run(at, queue) })
	}
}

// run asks until nothing waits.
func (v *txnVerifier) run(at cluster.Endpoint, queue *verifyQueue) {
	for {
		v.mu.Lock()
		questions := take(queue)
		queue.inFlight = len(questions) > 0
		v.mu.Unlock()
		if len(questions) == 0 {
			return
		}
		v.ask(at, questions)
	}
}

// take removes from the queue what goes into one request: of each transactional id one question, since the answer tells
// them apart by that.
func take(queue *verifyQueue) (questions []verifyQuestion) {
	var rest []verifyQuestion
	seen := make(map[string]bool)
	for _, q := range queue.waiting {
		if id := q.producer.TransactionalID; seen[id] {
			rest = append(rest, q)
		} else {
			seen[id] = true
			questions = append(questions, q)
		}
	}
	queue.waiting = rest
	return questions
}

// firstVerifying is the version of AddPartitionsToTxn from which on brokers may ask whether a partition is in a transaction.
const firstVerifying = 4

// ask sends one request. Whoever gets no answer is told that the network failed, and tries again.
func (v *txnVerifier) ask(at cluster.Endpoint, questions []verifyQuestion) {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.SetVersion(5) // or what the coordinator knows
	for _, q := range questions {
		t := kmsg.NewAddPartitionsToTxnRequestTransaction()
		t.TransactionalID, t.ProducerID, t.ProducerEpoch, t.VerifyOnly = q.producer.TransactionalID, q.producer.ID, q.producer.Epoch, true
		for _, tp := range q.asked {
			t.Topics = append(t.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: tp.Topic, Partitions: []int32{tp.Partition}})
		}
		req.Transactions = append(req.Transactions, t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), v.b.live.Static().RequestTimeout)
	defer cancel()
	began := time.Now()
	answer, err := v.peers.RoundTripNegotiated(ctx, at, req, firstVerifying)
	v.metrics.millis.Observe(float64(time.Since(began)) / float64(time.Millisecond))
	resp, ok := answer.(*kmsg.AddPartitionsToTxnResponse)
	switch {
	case errors.Is(err, peer.ErrVersion):
		// A coordinator of before 3.5 verifies nothing. While a cluster is rolled, transactions are as safe as they were there.
		for i := range questions {
			questions[i].done(make([]int16, len(questions[i].asked)))
		}
	case err != nil || !ok:
		v.b.log.Warnf("Verify %d transactions at %s: %v", len(questions), at.Address(), err)
		v.refuse(questions, kerr.NetworkException.Code)
	case resp.ErrorCode == kerr.ClusterAuthorizationFailed.Code:
		v.refuse(questions, kerr.InvalidTxnState.Code) // clients would not expect that of a produce
	case resp.ErrorCode != 0:
		v.refuse(questions, resp.ErrorCode)
	default:
		v.tell(questions, resp)
	}
}

func (v *txnVerifier) refuse(questions []verifyQuestion, code int16) {
	for i := range questions {
		questions[i].refuse(code)
	}
}

func (v *txnVerifier) tell(questions []verifyQuestion, resp *kmsg.AddPartitionsToTxnResponse) {
	verdicts := make(map[string]map[cluster.TopicPartition]int16)
	for _, t := range resp.Transactions {
		of := make(map[cluster.TopicPartition]int16)
		for _, topic := range t.Topics {
			for _, p := range topic.Partitions {
				of[cluster.TopicPartition{Topic: topic.Topic, Partition: p.Partition}] = p.ErrorCode
			}
		}
		verdicts[t.TransactionalID] = of
	}
	for _, q := range questions {
		codes := make([]int16, len(q.asked))
		for i, tp := range q.asked {
			code, answered := verdicts[q.producer.TransactionalID][tp]
			if codes[i] = code; !answered {
				codes[i] = kerr.UnknownServerError.Code
			}
		}
		q.done(codes)
	}
}
