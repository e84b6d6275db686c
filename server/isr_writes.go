package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// How changed partitions are reported: those that nobody knows of are looked at every isrCheck, and named when it has been
// quiet for isrLinger, or when the last report is isrMaxDelay ago. So one change is known within seconds, and a storm of
// them does not become a storm of reports.
const (
	isrCheck    = 2500 * time.Millisecond
	isrLinger   = 5 * time.Second
	isrMaxDelay = time.Minute
	// isrReport is how many partitions a report names at most: a znode holds a megabyte.
	isrReport = 2000
)

// isrWrites is how leaders change ISRs where the protocol is older than 2.7-IV2: they write the state themselves, and tell the
// controller afterwards, which tells everybody else [ZkAlterPartitionManager].
type isrWrites struct {
	isrWishes
	zk      stateWriter
	timeout time.Duration // of one write
	log     logrus.FieldLogger

	// What follows belongs to run.

	unreported             []cluster.TopicPartition
	lastChange, lastReport time.Time
	trouble                string // why the last write failed, "" if it did not; as with isrChanges, it is said once
}

// stateWriter is ZooKeeper.
type stateWriter interface {
	WriteStateAsLeader(ctx context.Context, tp cluster.TopicPartition, want cluster.LeaderAndISR) (partitionEpoch int32, err error)
	NotifyISRChanges(ctx context.Context, tps []cluster.TopicPartition) error
}

func startISRWrites(zk stateWriter, timeout time.Duration, log logrus.FieldLogger) *isrWrites {
	w := &isrWrites{zk: zk, timeout: timeout, log: log, lastReport: time.Now()}
	w.start(w.run)
	return w
}

func (w *isrWrites) run(ctx context.Context) {
	check := time.NewTicker(isrCheck)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-check.C:
			w.report(ctx)
		case <-w.wake:
			for _, wish := range w.take() {
				w.write(ctx, wish)
			}
		}
	}
}

// write writes one state and answers. What ZooKeeper did not take for another reason than its version is
// answered UNKNOWN_SERVER_ERROR: the partition asks again after a rest.
func (w *isrWrites) write(ctx context.Context, wish isrWish) {
	timed, cancel := context.WithTimeout(ctx, w.timeout)
	epoch, err := w.zk.WriteStateAsLeader(timed, wish.tp, wish.want)
	cancel()
	if ctx.Err() != nil {
		return
	}
	granted := wish.want
	switch {
	case err == nil:
		w.wrote(nil)
		granted.PartitionEpoch = epoch
		w.lastChange = time.Now()
		if !slices.Contains(w.unreported, wish.tp) {
			w.unreported = append(w.unreported, wish.tp)
		}
		wish.answer(granted, 0)
	case errors.Is(err, zkcoord.ErrBadVersion):
		// The controller has written meanwhile; its LeaderAndIsr is on the way.
		w.wrote(nil)
		wish.answer(cluster.LeaderAndISR{}, kerr.InvalidUpdateVersion.Code)
	default:
		w.wrote(err)
		wish.answer(cluster.LeaderAndISR{}, kerr.UnknownServerError.Code)
	}
}

// wrote logs a failure, unless it is the one that was logged before, and its end.
func (w *isrWrites) wrote(err error) {
	switch {
	case err == nil && w.trouble != "":
		w.trouble = ""
		w.log.Info("ISRs are written to ZooKeeper again")
	case err != nil && err.Error() != w.trouble:
		w.trouble = err.Error()
		w.log.Warnf("ISR: %v; trying again until it is written", err)
	}
}

// report tells the controller of changed states, if it is time.
func (w *isrWrites) report(ctx context.Context) {
	now := time.Now()
	if len(w.unreported) == 0 || now.Sub(w.lastChange) < isrLinger && now.Sub(w.lastReport) < isrMaxDelay {
		return
	}
	for part := range slices.Chunk(slices.Clone(w.unreported), isrReport) {
		timed, cancel := context.WithTimeout(ctx, w.timeout)
		err := w.zk.NotifyISRChanges(timed, part)
		cancel()
		if err != nil {
			w.wrote(err)
			return // the rest is told at the next look
		}
		w.unreported = w.unreported[len(part):]
	}
	w.unreported, w.lastReport = nil, now
}
