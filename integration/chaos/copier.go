package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	copierGroup = "chaos-copiers"
	// txnTimeout is when a coordinator aborts what nobody ends: within the time of a fault.
	txnTimeout = 10 * time.Second
	// endTime is how long a client waits for the end of a transaction before it gives its producer up.
	endTime = 30 * time.Second
)

// copier is a member of a group that copies the idempotent producers' topic, each batch it polls in a transaction,
// with its offsets. After an error it goes on with a new producer of the same transactional id.
type copier struct {
	id       string // transactional
	addrs    []string
	careless bool
	recorder *txnRecorder
	say      *complaints
	rng      *rand.Rand
}

// errLeftOpen is the death of a producer in the middle of a transaction, as it is wanted now and then.
var errLeftOpen = errors.New("left open")

// run copies until ctx ends.
func (c *copier) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.live(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errLeftOpen) {
			c.say.about("%s goes on with a new producer: %v", c.id, err)
			_ = wait(ctx, 200*time.Millisecond)
		}
	}
}

// txnOptions are those of every transactional client.
func txnOptions(addrs []string, id string) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(addrs...), kgo.ClientID(id), kgo.TransactionalID(id), kgo.TransactionTimeout(txnTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(copies), kgo.UnknownTopicRetries(-1),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProduceRequestTimeout(2 * time.Second), kgo.RequestTimeoutOverhead(2 * time.Second), kgo.DialTimeout(2 * time.Second),
		kgo.MetadataMinAge(200 * time.Millisecond), kgo.MetadataMaxAge(3 * time.Second),
	}
}

// live is the life of one producer.
func (c *copier) live(ctx context.Context) error {
	options := append(txnOptions(c.addrs, c.id),
		kgo.ConsumerGroup(copierGroup), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second), kgo.RebalanceTimeout(10*time.Second),
	)
	session, err := kgo.NewGroupTransactSession(options...)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := initProducer(ctx, session.Client()); err != nil {
		return err
	}
	producer := c.recorder.producer(c.id)
	for ctx.Err() == nil {
		const most = 200 // records in a transaction
		fetches := session.PollRecords(ctx, most)
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := c.transact(session, producer, fetches.Records()); err != nil {
			return err
		}
	}
	return nil
}

// initProducer asks for a producer id, which fences the one before.
func initProducer(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	if _, _, err := client.ProducerID(ctx); err != nil {
		return fmt.Errorf("ask for a producer id: %w", err)
	}
	return nil
}

// transact copies records in one transaction: some are aborted, and some left behind by a producer that dies.
func (c *copier) transact(session *kgo.GroupTransactSession, producer int, records []*kgo.Record) error {
	if err := session.Begin(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// The end of a run may not cut off a transaction: it says nothing of what becomes of it.
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	t := c.recorder.begin(producer)
	var sent kgo.FirstErrPromise
	for _, r := range records {
		from := source{r.Partition, r.Offset}
		send(ctx, session.Client(), c.recorder, t, int32((r.Offset+int64(r.Partition))%copyPartitions), from, sent.Promise())
	}
	if c.careless {
		// As one does who has not heard of TxnOffsetCommit: the offsets do not wait for the transaction.
		if err := session.Client().CommitUncommittedOffsets(ctx); err != nil {
			return err
		}
	}
	err := sent.Err()
	switch c.rng.IntN(20) {
	case 0:
		return errLeftOpen
	case 1, 2, 3:
		_ = wait(ctx, time.Duration(c.rng.IntN(300))*time.Millisecond)
		return c.abort(ctx, session, t)
	}
	if err != nil {
		return fmt.Errorf("transaction %d: %w", t, err)
	}
	c.recorder.ask(t)
	done, err := session.End(ctx, kgo.TryCommit)
	switch {
	case err != nil:
		return fmt.Errorf("commit transaction %d: %w", t, err)
	case done:
		c.recorder.end(t, committed)
	}
	return nil
}

func (c *copier) abort(ctx context.Context, session *kgo.GroupTransactSession, t int) error {
	if _, err := session.End(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("abort transaction %d: %w", t, err)
	}
	c.recorder.end(t, aborted)
	return nil
}

// send sends one record of a transaction.
func send(ctx context.Context, client *kgo.Client, recorder *txnRecorder, t int, partition int32, from source, promise func(*kgo.Record, error)) {
	record := recorder.send(t, partition, from)
	client.Produce(ctx, &kgo.Record{Partition: partition, Value: payload(partition, record)}, func(r *kgo.Record, err error) {
		if err == nil {
			recorder.acked(record, r.Offset)
		}
		promise(r, err)
	})
}
