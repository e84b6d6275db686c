package fetcher

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"ottla/zkcoord/cluster"
)

// fetcher copies partitions from one leader. It owns one goroutine until close.
type fetcher struct {
	id       fetcherID
	options  *Options
	leader   Leader
	log      logrus.FieldLogger
	stats    stats
	wake     chan struct{} // holds a token when somebody has changed what there is to do
	stop     context.CancelFunc
	finished sync.WaitGroup

	mu struct {
		sync.Mutex
		partitions map[cluster.TopicPartition]*partition
		// list is the same in the order of the requests, with some that are gone.
		list []*partition
		// working is the partition whose Replica the goroutine uses at the moment; idle is told when it ends.
		working *partition
		idle    sync.Cond
		// unnamed counts partitions without a topic id.
		unnamed int
		hurry   hurry
		// down is why the leader cannot be reached, or nil, and since when.
		down  error
		since time.Time
	}

	// What follows is the goroutine's alone.

	session session
	request fetchRequest
	// resume is when to try the leader again, after so many attempts.
	resume   time.Time
	attempts int
	// from is where the next full fetch begins in the list, so that all get their turn where a leader keeps no session.
	from int
	lost []*partition // whose offset the leader does not have
}

type fetcherID struct {
	leader cluster.BrokerID
	number int
}

type stats struct{ bytes, requests atomic.Int64 }

func startFetcher(id fetcherID, o *Options) *fetcher {
	ctx, stop := context.WithCancel(context.Background())
	f := &fetcher{id: id, options: o, leader: o.Connect(id.leader, id.number), wake: make(chan struct{}, 1), stop: stop, session: newSession()}
	f.log = o.Log.WithFields(logrus.Fields{"leader": id.leader.String(), "fetcher": id.number})
	f.mu.partitions = make(map[cluster.TopicPartition]*partition)
	f.mu.idle.L = &f.mu.Mutex
	f.request.answer = &fetchAnswer{}
	f.finished.Go(func() { f.run(ctx) })
	return f
}

// close ends the round trip in flight and waits for the goroutine.
func (f *fetcher) close() {
	f.stop()
	f.finished.Wait()
	f.leader.Close()
}

// add begins to copy partitions, which the fetcher does not have.
func (f *fetcher) add(parts []Following) {
	f.mu.Lock()
	for _, each := range parts {
		p := &partition{Following: each, offset: -1, lastEpoch: -1, leaderHW: -1}
		f.mu.partitions[each.TopicPartition] = p
		f.mu.list = append(f.mu.list, p)
		if each.TopicID.IsZero() {
			f.mu.unnamed++
		}
	}
	f.mu.hurry.upLocked()
	f.mu.Unlock()
	f.poke()
}

func (f *fetcher) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// copies reports whether the fetcher copies the partition in that reign already.
func (f *fetcher) copies(w Following) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.mu.partitions[w.TopicPartition]
	return ok && p.LeaderEpoch == w.LeaderEpoch && p.TopicID == w.TopicID && p.Replica == w.Replica
}

// remove returns when nothing is copied into the partitions any more, and reports whether none is left.
func (f *fetcher) remove(tps []cluster.TopicPartition) (empty bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, tp := range tps {
		p, ok := f.mu.partitions[tp]
		if !ok {
			continue
		}
		p.gone = true
		delete(f.mu.partitions, tp)
		if p.TopicID.IsZero() {
			f.mu.unnamed--
		}
	}
	for f.mu.working != nil && f.mu.working.gone {
		f.mu.idle.Wait()
	}
	return len(f.mu.partitions) == 0
}

// run asks and appends until the end of ctx.
func (f *fetcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		f.begin()
		if f.askEpochs(ctx) && f.fetch(ctx) {
			f.askOffsets(ctx)
			continue
		}
		f.sleep(ctx)
	}
}

// sleep waits until somebody pokes, or a rest is over.
func (f *fetcher) sleep(ctx context.Context) {
	var over <-chan time.Time
	if at, ok := f.nextResume(); ok {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
	case <-over:
	case <-f.wake:
		// Whoever added partitions was told who leads now, so the leader may be back.
		f.resume = time.Time{}
	}
}

// nextResume is the earliest end of a rest of the leader, or of a partition.
func (f *fetcher) nextResume() (at time.Time, ok bool) {
	if time.Now().Before(f.resume) {
		return f.resume, true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.mu.list {
		if !p.gone && p.phase != aside && !p.resume.IsZero() && (!ok || p.resume.Before(at)) {
			at, ok = p.resume, true
		}
	}
	return at, ok
}

// use runs a deed on a partition, with no lock held, unless it is gone. Removing the partition waits for the end of the deed.
// An error is noted as the partition's trouble.
func (f *fetcher) use(p *partition, deed func() error) (ok bool) {
	f.mu.Lock()
	if p.gone {
		f.mu.Unlock()
		return false
	}
	f.mu.working = p
	f.mu.Unlock()

	err := deed()

	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.working = nil
	f.mu.idle.Broadcast()
	if err != nil {
		f.noteLocked(p, err)
	}
	p.show()
	return err == nil
}

func (f *fetcher) config() Config {
	if f.options.Config == nil {
		return Config{}.withDefaults()
	}
	return f.options.Config().withDefaults()
}

// begin finds the position of partitions that have none. Where the leader's fetch cannot tell where logs part, it has to be asked
// before the first fetch of each reign.
func (f *fetcher) begin() {
	next := fetching
	if f.options.Versions.Fetch < divergingSince {
		next = truncating
	}
	for _, p := range f.inPhase(starting) {
		f.use(p, func() error {
			if err := p.locate(); err != nil {
				return err
			}
			p.phase = next
			if p.lastEpoch < 0 {
				p.phase = fetching // an empty log, or one without epochs, which has been cut
			}
			return nil
		})
	}
}

// inPhase lists the partitions in a phase that do not rest.
func (f *fetcher) inPhase(in phase) []*partition {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []*partition
	now := time.Now()
	for _, p := range f.mu.list {
		if p.ready(in, now) {
			found = append(found, p)
		}
	}
	return found
}
