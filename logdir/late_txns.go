package logdir

import "time"

// lateness is how much longer than any transaction may be open one has to be silent before it counts as late: time-outs
// are looked for now and then, and markers take their time.
const lateness = 5 * time.Minute

// HasLateTransaction reports whether the transaction that holds the last stable offset back, the oldest that is open here, has
// had no record for longer than any may be open (transaction.max.timeout.ms) and five minutes more. Its coordinator should have
// ended it: it hangs, and so do readers of committed records (KIP-664). It takes no lock.
func (l *Log) HasLateTransaction(now time.Time, longest time.Duration) bool {
	last := l.oldestTxn.Load()
	return last > 0 && now.UnixMilli()-last > (longest+lateness).Milliseconds()
}

// ProducerCount is how many producers the log remembers. It takes no lock.
func (l *Log) ProducerCount() int { return int(l.producerCount.Load()) }

// countProducersLocked publishes both, for a scrape of thousands of logs waits for none that is busy with its disk.
func (l *Log) countProducersLocked() {
	l.oldestTxn.Store(l.mu.producers.oldestTxn())
	l.producerCount.Store(int32(len(l.mu.producers.byID)))
}

// oldestTxn is the timestamp in ms of the newest record of the producer whose transaction is the oldest that is open, 0 if
// none is.
func (s *producers) oldestTxn() int64 {
	if len(s.ongoing) == 0 {
		return 0
	}
	return s.byID[s.ongoing[0].producerID].lastTimestamp
}
