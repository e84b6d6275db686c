package server

import (
	"context"
	"sync"

	"ottla/zkcoord/cluster"
)

// isrWishes are the wishes of this broker's leaders for other ISRs, on their way to the one goroutine that brings them to where
// they are granted: isrChanges to the controller, isrWrites to ZooKeeper.
type isrWishes struct {
	wake chan struct{} // one token: there are wishes
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	wishes []isrWish
}

type isrWish struct {
	tp     cluster.TopicPartition
	id     cluster.TopicID
	want   cluster.LeaderAndISR
	answer func(cluster.LeaderAndISR, int16)
}

// start has run, which waits for wake, go on until Close.
func (q *isrWishes) start(run func(context.Context)) {
	q.wake = make(chan struct{}, 1)
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	q.wg.Go(func() { run(ctx) })
}

// AlterPartition queues a wish. The answer comes from the goroutine that start began.
func (q *isrWishes) AlterPartition(tp cluster.TopicPartition, id cluster.TopicID, want cluster.LeaderAndISR, answer func(cluster.LeaderAndISR, int16)) {
	q.mu.Lock()
	q.wishes = append(q.wishes, isrWish{tp, id, want, answer})
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the wishes that wait.
func (q *isrWishes) take() []isrWish {
	q.mu.Lock()
	defer q.mu.Unlock()
	wishes := q.wishes
	q.wishes = nil
	return wishes
}

// Close drops what is waiting, for the partitions' epochs end with the broker, and what nobody was told of, for the next
// controller reads every state.
func (q *isrWishes) Close() {
	q.stop()
	q.wg.Wait()
}
