package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// zombies are producers with one transactional id, each of which fences the one before: in the middle of a
// transaction, or while that is committed. The fenced one does not know it, and goes on.
type zombies struct {
	id       string // transactional
	addrs    []string
	careless bool
	recorder *txnRecorder
	say      *complaints
	rng      *rand.Rand
}

// zombie is one of them.
type zombie struct {
	client *kgo.Client
	id     string // transactional
	index  int    // in the history
	pid    int64
	epoch  int16
}

// run has one producer after another until ctx ends.
func (z *zombies) run(ctx context.Context) {
	var old *zombie
	for ctx.Err() == nil {
		next, err := z.round(ctx, old)
		if old != nil {
			old.client.Close()
		}
		if old = next; err != nil && ctx.Err() == nil {
			z.say.about("%s: %v", z.id, err)
		}
		_ = wait(ctx, 100*time.Millisecond)
	}
	if old != nil {
		old.client.Close()
	}
}

// round lets a new producer take the place of the old one, and returns it, unless it is of no use any more.
func (z *zombies) round(ctx context.Context, old *zombie) (next *zombie, err error) {
	if old == nil {
		return z.open(ctx)
	}
	// Not ctx: the end of a run may not leave open what has become of a transaction.
	deadline, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	t, err := z.fill(deadline, old)
	if err != nil {
		return nil, err
	}
	race := z.rng.IntN(3) == 0
	raced := make(chan error, 1)
	if race {
		z.recorder.ask(t) // before the other can have its place
		go func() { raced <- z.end(deadline, old, t, kgo.TryCommit) }()
	}
	if next, err = z.open(ctx); race {
		if lost := <-raced; lost != nil {
			z.say.about("%s: the one that committed while it was fenced: %v", z.id, lost)
		}
	}
	if err != nil {
		return nil, err
	}
	t2, err := z.fill(deadline, next)
	if !race {
		z.haunt(deadline, old, t)
	}
	if err == nil {
		end := kgo.TransactionEndTry(z.rng.IntN(4) > 0)
		if end == kgo.TryCommit {
			z.recorder.ask(t2)
		}
		err = z.end(deadline, next, t2, end)
	}
	if err != nil {
		next.client.Close()
		return nil, err
	}
	return next, nil
}

// open makes a producer and fences the one before.
func (z *zombies) open(ctx context.Context) (*zombie, error) {
	id := z.id
	if z.careless {
		id += fmt.Sprint("-", z.rng.Uint32()) // so that nobody is fenced
	}
	client, err := kgo.NewClient(txnOptions(z.addrs, id)...)
	if err != nil {
		return nil, err
	}
	if err := initProducer(ctx, client); err != nil {
		client.Close()
		return nil, err
	}
	o := &zombie{client: client, id: id, index: z.recorder.producer(z.id)}
	o.pid, o.epoch, err = client.ProducerID(ctx)
	if err != nil {
		client.Close()
		return nil, err
	}
	return o, nil
}

// fill begins a transaction and sends some records.
func (z *zombies) fill(ctx context.Context, of *zombie) (t int, err error) {
	if err := of.client.BeginTransaction(); err != nil {
		return 0, fmt.Errorf("begin: %w", err)
	}
	t = z.recorder.begin(of.index)
	return t, z.send(ctx, of, t, 1+z.rng.IntN(8))
}

func (z *zombies) send(ctx context.Context, of *zombie, t, records int) error {
	var sent kgo.FirstErrPromise
	for range records {
		send(ctx, of.client, z.recorder, t, z.rng.Int32N(copyPartitions), noSource, sent.Promise())
	}
	if err := sent.Err(); err != nil {
		return fmt.Errorf("transaction %d: %w", t, err)
	}
	return nil
}

// end ends a transaction; that a commit is to be asked for was noted before.
func (z *zombies) end(ctx context.Context, of *zombie, t int, how kgo.TransactionEndTry) error {
	if err := of.client.EndTransaction(ctx, how); err != nil {
		return fmt.Errorf("end transaction %d: %w", t, err)
	}
	outcome := aborted
	if how == kgo.TryCommit {
		outcome = committed
	}
	z.recorder.end(t, outcome)
	return nil
}

// haunt is what a fenced producer tries, in some order. Everything is to be refused.
func (z *zombies) haunt(ctx context.Context, of *zombie, t int) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	deeds := []func(){
		func() { z.deed(of, "AddPartitionsToTxn", func() error { return addPartition(ctx, of) }) },
		func() { z.deed(of, "AddOffsetsToTxn", func() error { return addOffsets(ctx, of) }) },
		func() { z.deed(of, "TxnOffsetCommit", func() error { return commitOffsets(ctx, of) }) },
		func() {
			z.recorder.ask(t)
			z.deed(of, "EndTxn", func() error { return endTxn(ctx, of) })
		},
		func() { _ = z.send(ctx, of, t, 1) }, // by the client itself, which may find out
	}
	z.rng.Shuffle(len(deeds), func(i, j int) { deeds[i], deeds[j] = deeds[j], deeds[i] })
	for _, deed := range deeds[:1+z.rng.IntN(len(deeds))] {
		deed()
	}
}

func (z *zombies) deed(of *zombie, what string, do func() error) {
	accepted := z.recorder.deed(of.index, what)
	if do() == nil {
		accepted()
	}
}

// The requests of a fenced producer, past its client, which would send none of them.

func addPartition(ctx context.Context, of *zombie) error {
	request := kmsg.NewPtrAddPartitionsToTxnRequest()
	request.TransactionalID, request.ProducerID, request.ProducerEpoch = of.id, of.pid, of.epoch
	to := kmsg.NewAddPartitionsToTxnRequestTopic()
	to.Topic, to.Partitions = copies, []int32{0}
	request.Topics = append(request.Topics, to)
	answer, err := request.RequestWith(ctx, of.client)
	if err != nil {
		return err
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			return kerr.ErrorForCode(p.ErrorCode)
		}
	}
	return fmt.Errorf("no partition in the answer: %v", kerr.ErrorForCode(answer.ErrorCode))
}

func addOffsets(ctx context.Context, of *zombie) error {
	request := kmsg.NewPtrAddOffsetsToTxnRequest()
	request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Group = of.id, of.pid, of.epoch, zombieGroup
	answer, err := request.RequestWith(ctx, of.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.ErrorCode)
}

func commitOffsets(ctx context.Context, of *zombie) error {
	request := kmsg.NewPtrTxnOffsetCommitRequest()
	request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Group = of.id, of.pid, of.epoch, zombieGroup
	partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	partition.Offset = 1
	to := kmsg.NewTxnOffsetCommitRequestTopic()
	to.Topic, to.Partitions = topic, append(to.Partitions, partition)
	request.Topics = append(request.Topics, to)
	answer, err := request.RequestWith(ctx, of.client)
	if err != nil {
		return err
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			return kerr.ErrorForCode(p.ErrorCode)
		}
	}
	return fmt.Errorf("no partition in the answer")
}

func endTxn(ctx context.Context, of *zombie) error {
	request := kmsg.NewPtrEndTxnRequest()
	request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Commit = of.id, of.pid, of.epoch, true
	answer, err := request.RequestWith(ctx, of.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.ErrorCode)
}
