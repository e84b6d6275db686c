package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What the transactional clients use.
const (
	copies         = "chaos-copies" // of what the idempotent producers send, and what zombies send
	copyPartitions = 4
	copiers        = 2
	zombieGroup    = "chaos-zombies"
	liveReader     = "the committed reader"
	nearReader     = "the committed reader of the nearest replica"
)

// transactionalIDs are those of the copiers and of the zombies.
func transactionalIDs() []string {
	var all []string
	for n := range copiers {
		all = append(all, fmt.Sprintf("chaos-copier-%d", n))
	}
	return append(all, "chaos-zombie")
}

// transactions is the transactional clients, and what they were told.
type transactions struct {
	*txnRecorder
	settings settings
	addrs    []string
	admin    *kadm.Client // of the workload
	readers  []*committedReader

	stopWriting, stopReading context.CancelFunc
	writing, reading         sync.WaitGroup
}

// startTransactions makes the topic and starts the clients beside a workload.
func startTransactions(ctx context.Context, addrs []string, s settings, w *workload) (*transactions, error) {
	t := &transactions{txnRecorder: newTxnRecorder(), settings: s, addrs: addrs, admin: w.admin}
	if err := w.createTopic(ctx, copies, copyPartitions); err != nil {
		return nil, err
	}
	for name, more := range map[string][]kgo.Opt{liveReader: nil, nearReader: {kgo.Rack(rack(1))}} {
		reader, err := newCommittedReader(name, addrs, s, t.polled, more...)
		if err != nil {
			t.closeReaders()
			return nil, err
		}
		t.readers = append(t.readers, reader)
	}
	say := &complaints{say: w.say, left: 30}
	var writeCtx, readCtx context.Context
	writeCtx, t.stopWriting = context.WithCancel(ctx)
	readCtx, t.stopReading = context.WithCancel(ctx)
	for n, id := range transactionalIDs() {
		rng := rand.New(rand.NewPCG(s.seed, uint64(n)))
		if n < copiers {
			c := &copier{id: id, addrs: addrs, careless: s.careless, recorder: t.txnRecorder, say: say, rng: rng}
			t.writing.Go(func() { c.run(writeCtx) })
			continue
		}
		z := &zombies{id: id, addrs: addrs, careless: s.careless, recorder: t.txnRecorder, say: say, rng: rng}
		t.writing.Go(func() { z.run(writeCtx) })
	}
	for _, reader := range t.readers {
		t.reading.Go(func() { reader.run(readCtx) })
	}
	return t, nil
}

// progress returns what tells whether every transactional id has committed a transaction since: an error as long as
// one has not.
func (t *transactions) progress() func() error {
	before := t.commits()
	return func() error {
		now := t.commits()
		var standing []string
		for _, id := range transactionalIDs() {
			if now[id] == before[id] {
				standing = append(standing, id)
			}
		}
		if len(standing) > 0 {
			return fmt.Errorf("no transaction of %s was committed", strings.Join(standing, ", "))
		}
		return nil
	}
}

// settled returns the ends of the copies' partitions, or an error as long as transactions are open.
func (t *transactions) settled(ctx context.Context) (map[int32]int64, error) {
	ends, err := t.admin.ListEndOffsets(ctx, copies)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, err
	}
	stable, err := t.admin.ListCommittedOffsets(ctx, copies)
	if err == nil {
		err = stable.Error()
	}
	if err != nil {
		return nil, err
	}
	all := make(map[int32]int64)
	var open []string
	for partition := range int32(copyPartitions) {
		end, okEnd := ends.Lookup(copies, partition)
		last, okLast := stable.Lookup(copies, partition)
		if !okEnd || !okLast || end.Offset != last.Offset {
			open = append(open, fmt.Sprintf("%s-%d ends at %d, and is stable up to %d", copies, partition, end.Offset, last.Offset))
		}
		all[partition] = end.Offset
	}
	if slices.Sort(open); len(open) > 0 {
		return nil, fmt.Errorf("a transaction hangs: %s", strings.Join(open, "; "))
	}
	return all, nil
}

// committed returns the copiers' offsets, once no transaction holds one back.
func (t *transactions) committed(ctx context.Context, client *kgo.Client) (map[int32]int64, error) {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group, request.RequireStable = copierGroup, true
	of := kmsg.NewOffsetFetchRequestTopic()
	of.Topic = topic
	for partition := range int32(partitions) {
		of.Partitions = append(of.Partitions, partition)
	}
	request.Topics = append(request.Topics, of)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	all := make(map[int32]int64)
	for _, of := range answer.Topics {
		for _, p := range of.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("%s-%d: %w", of.Topic, p.Partition, err)
			}
			all[p.Partition] = max(0, p.Offset)
		}
	}
	return all, kerr.ErrorForCode(answer.ErrorCode)
}

// conclude lets the clients end and reads what is there; trouble is told of what does not come to an end.
func (t *transactions) conclude(ctx context.Context, c *cluster, trouble func(string, ...any)) {
	t.stopWriting()
	t.writing.Wait()
	var ends map[int32]int64
	check := func(what string, ask func() error) {
		if err := c.await(ctx, healTime, what, ask); err != nil {
			trouble("%v", err)
		}
	}
	check("transactions to end", func() (err error) { ends, err = t.settled(ctx); return err })
	for _, reader := range t.readers {
		check(reader.name, func() error {
			if !reader.reached(ends) {
				return fmt.Errorf("it has not come to the ends %v", ends)
			}
			return nil
		})
	}
	t.stopReading()
	t.reading.Wait()
	final := &finalViews{}
	check("the copiers' offsets", func() (err error) { final.offsets, err = t.committed(ctx, t.readers[0].client); return err })
	check("replicas of the copies", func() error { return final.readReplicas(c) })
	if err := final.readLeaders(ctx, t, ends); err != nil {
		trouble("read the copies once more: %v", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.history.Committed, t.mu.history.Views, t.mu.history.Replicas = final.offsets, final.views, final.replicas
}

// finalViews are what committed readers and replicas show in the end.
type finalViews struct {
	offsets  map[int32]int64
	views    []View
	replicas []Read
}

// readReplicas reads every replica of every partition; an error, as long as they are not equally long.
func (f *finalViews) readReplicas(c *cluster) (err error) {
	f.views = nil
	if f.replicas, err = c.readReplicas(copies, copyPartitions); err != nil {
		return err
	}
	for partition := range int32(copyPartitions) {
		for _, b := range c.brokers {
			view, err := committedOf(b, copies, partition)
			if err != nil {
				return err
			}
			f.views = append(f.views, view)
		}
	}
	return nil
}

// readLeaders reads everything once more as a new client does, from the leaders.
func (f *finalViews) readLeaders(ctx context.Context, t *transactions, ends map[int32]int64) error {
	reader, err := newCommittedReader("a new reader", t.addrs, t.settings, func(v View) { f.views = append(f.views, v) })
	if err != nil {
		return err
	}
	defer reader.client.Close()
	ctx, cancel := context.WithTimeout(ctx, healTime)
	defer cancel()
	return reader.readTo(ctx, ends)
}

// close ends all clients, answers or not.
func (t *transactions) close() {
	t.stopWriting()
	t.stopReading()
	t.writing.Wait()
	t.reading.Wait()
	t.closeReaders()
}

func (t *transactions) closeReaders() {
	for _, reader := range t.readers {
		reader.client.Close()
	}
}

// complaints says what clients met, as long as it is not too much.
type complaints struct {
	say func(string, ...any)
	mu  sync.Mutex

	left int // how many more
}

func (c *complaints) about(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left >= 0 {
		c.say(format, args...)
	}
}
