package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transactor is one transactional producer: it speaks to its coordinator and to the leaders of a topic, and has one
// request in flight.
type transactor struct {
	id, topic   string
	coordinator *connection
	leaders     map[int32]*connection // by partition
	open        []*connection
	producer    int64
	epoch       int16
	sequences   map[int32]int32 // by partition
	batch       []byte
	records     int
}

// transactionRecords is how many a transaction has, all in one batch.
const transactionRecords = 100

// newTransactor finds the coordinator of a transactional id, gets a producer id and connects to the leaders.
func newTransactor(ctx context.Context, c *cluster, topic, id string) (*transactor, error) {
	t := &transactor{id: id, topic: topic, leaders: map[int32]*connection{}, sequences: map[int32]int32{}}
	// A record takes its value and ten bytes around it at most.
	t.batch, t.records = encodeBatch(batchOverhead+transactionRecords*(recordSize+10), recordSize, time.Now().UnixMilli())
	err := c.await(ctx, func() error { return t.findCoordinator(c.addr()) })
	if err == nil {
		err = c.await(ctx, t.initProducerID)
	}
	if err == nil {
		err = t.connectLeaders(c)
	}
	if err != nil {
		t.close()
		return nil, fmt.Errorf("%s: transactional id %s: %w", c.title(), id, err)
	}
	return t, nil
}

func (t *transactor) close() {
	for _, c := range t.open {
		c.Close()
	}
}

func (t *transactor) dial(addr string) (*connection, error) {
	c, err := dial(addr)
	if err == nil {
		t.open = append(t.open, c)
	}
	return c, err
}

func (t *transactor) findCoordinator(addr string) error {
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.Version = 2
	request.CoordinatorKey, request.CoordinatorType = t.id, 1
	answer, err := askAt(addr, request)
	if err != nil {
		return err
	}
	found := answer.(*kmsg.FindCoordinatorResponse)
	if err := kerr.ErrorForCode(found.ErrorCode); err != nil {
		return err
	}
	t.coordinator, err = t.dial(fmt.Sprintf("%s:%d", found.Host, found.Port))
	return err
}

func (t *transactor) initProducerID() error {
	request := kmsg.NewPtrInitProducerIDRequest()
	request.Version = 1
	request.TransactionalID = &t.id
	request.TransactionTimeoutMillis = 60_000
	answer, err := t.coordinator.ask(request)
	if err != nil {
		return err
	}
	made := answer.(*kmsg.InitProducerIDResponse)
	t.producer, t.epoch = made.ProducerID, made.ProducerEpoch
	return kerr.ErrorForCode(made.ErrorCode)
}

func (t *transactor) connectLeaders(c *cluster) error {
	found, err := partitionsOf(c.addr(), t.topic)
	if err != nil {
		return err
	}
	byBroker := map[int32]*connection{}
	for _, s := range c.servers {
		if byBroker[int32(s.place.id)], err = t.dial(s.addr); err != nil {
			return err
		}
	}
	for _, p := range found {
		t.leaders[p.Partition] = byBroker[p.Leader]
	}
	return nil
}

// transaction writes a hundred records to a partition in a transaction of their own, and returns how long its EndTxn
// took.
func (t *transactor) transaction(partition int32) (time.Duration, error) {
	if err := t.addPartition(partition); err != nil {
		return 0, fmt.Errorf("add the partition: %w", err)
	}
	setProducer(t.batch, t.producer, t.epoch, t.sequences[partition])
	t.sequences[partition] += int32(t.records)
	answer, err := t.leaders[partition].roundTrip(encodeProduceIn(t.id, t.topic, acksAll, t.batch, partition))
	if err == nil {
		err = checkProduced(answer)
	}
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := t.end(); err != nil {
		return 0, fmt.Errorf("end the transaction: %w", err)
	}
	return time.Since(begin), nil
}

// addPartition asks until the coordinator has done with the transaction before. It asks again soon: clients take their
// time (20 ms), which would hide how long brokers take.
func (t *transactor) addPartition(partition int32) error {
	request := kmsg.NewPtrAddPartitionsToTxnRequest()
	request.Version = 2
	request.TransactionalID, request.ProducerID, request.ProducerEpoch = t.id, t.producer, t.epoch
	topic := kmsg.NewAddPartitionsToTxnRequestTopic()
	topic.Topic, topic.Partitions = t.topic, []int32{partition}
	request.Topics = append(request.Topics, topic)
	for {
		answer, err := t.coordinator.ask(request)
		if err != nil {
			return err
		}
		err = kerr.ErrorForCode(answer.(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode)
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return err
		}
		time.Sleep(time.Millisecond / 2)
	}
}

func (t *transactor) end() error {
	request := kmsg.NewPtrEndTxnRequest()
	request.Version = 2
	request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Commit = t.id, t.producer, t.epoch, true
	answer, err := t.coordinator.ask(request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.(*kmsg.EndTxnResponse).ErrorCode)
}
