package fetcher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir"
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

// noteLocked judges what a deed on a partition has come to.
func (f *fetcher) noteLocked(p *partition, err error) {
	now := time.Now()
	switch {
	case errors.Is(err, ErrReignOver):
		f.log.Infof("%s: epoch %d is over, waiting for the controller's decision", p.TopicPartition, p.LeaderEpoch)
		p.setAside(err, now)
	case errors.Is(err, logdir.ErrStorage) && !errors.Is(err, syscall.ENOSPC) || errors.Is(err, logdir.ErrClosed):
		f.log.Errorf("%s: set aside at offset %d until the controller decides anew: %v", p.TopicPartition, p.offset, err)
		p.setAside(err, now)
	default:
		f.failedLocked(p, err, now)
	}
	if p.phase != aside {
		p.phase = starting // part of it may have been done: the position is looked up again
	}
}

// recovered notes that a partition is copied.
func (f *fetcher) recovered(p *partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.trouble != nil {
		f.log.Infof("%s: copied again from offset %d, after %v", p.TopicPartition, p.offset, time.Since(p.since).Round(time.Millisecond))
	}
	p.recovered()
}

// failedLocked lets a partition rest, and logs what is new about it.
func (f *fetcher) failedLocked(p *partition, err error, now time.Time) {
	if p.trouble == nil || p.trouble.Error() != err.Error() {
		level := f.log.Warnf
		if transient(err) && p.attempts < 8 {
			level = f.log.Debugf // the leader will hear of its election in a moment
		}
		level("%s: not copied from offset %d: %v", p.TopicPartition, p.offset, err)
	}
	p.failed(err, now, f.config().Backoff)
}

// transient errors belong to every change of leaders.
func transient(err error) bool {
	return errors.Is(err, kerr.UnknownLeaderEpoch) || errors.Is(err, kerr.NotLeaderForPartition) ||
		errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition)
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

// fetch is one round trip and what comes of it. It reports whether to go on at once.
func (f *fetcher) fetch(ctx context.Context) (again bool) {
	if time.Now().Before(f.resume) || !f.compose() {
		return false
	}
	resp, err := f.leader.RoundTrip(ctx, &f.request)
	if ctx.Err() != nil {
		return false
	}
	answer, ok := resp.(*fetchAnswer)
	if err == nil && !ok {
		err = errAnswer
	}
	if err != nil {
		f.session.restart()
		f.unreachable(err)
		return false
	}
	f.stats.requests.Add(1)
	if !f.session.answered(answer) {
		return f.disagreed(answer.ErrorCode)
	}
	f.reached()
	for i := range answer.partitions {
		f.receive(&answer.partitions[i])
	}
	return true
}

var errAnswer = errors.New("not the answer that was asked for")

// disagreed begins a new session, the second time in a row after a rest.
func (f *fetcher) disagreed(code int16) (again bool) {
	f.log.Debugf("fetch session %d: %v, beginning anew", f.session.id, kerr.ErrorForCode(code))
	if f.session.failures++; f.session.failures == 1 {
		return true
	}
	f.unreachable(kerr.ErrorForCode(code))
	return false
}

// unreachable lets the whole leader rest.
func (f *fetcher) unreachable(err error) {
	now := time.Now()
	f.resume = now.Add(rest(f.attempts, f.config().Backoff))
	f.attempts++
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.down == nil {
		f.mu.since = now
		f.log.Warnf("cannot fetch %d partitions from broker %s: %v", len(f.mu.partitions), f.id.leader, err)
	}
	f.mu.down = err
}

func (f *fetcher) reached() {
	f.resume, f.attempts, f.session.failures = time.Time{}, 0, 0
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.down != nil {
		f.log.Infof("fetching from broker %s again, after %v", f.id.leader, time.Since(f.mu.since).Round(time.Millisecond))
	}
	f.mu.down = nil
}

// compose writes the next request, and reports whether there is anything to fetch.
func (f *fetcher) compose() bool {
	c, now := f.config(), time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.list = slices.DeleteFunc(f.mu.list, func(p *partition) bool { return p.gone && !p.inSession })
	wait, wanted := f.waitLocked(now, c.MaxWait)
	if wanted == 0 {
		return false
	}
	r := &f.request
	r.Version = f.options.Versions.Fetch
	byID := f.mu.unnamed == 0 && r.Version >= byID
	if !byID {
		r.Version = min(r.Version, byIDBefore)
	}
	if byID != f.session.byID {
		f.session.restart()
		f.session.byID = byID
	}
	r.asked, r.forgotten = r.asked[:0], r.forgotten[:0]
	r.replica, r.replicaEpoch = f.options.ID, f.options.BrokerEpoch()
	r.SessionID, r.SessionEpoch = f.session.id, f.session.epoch
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes = int32(wait.Milliseconds()), c.MinBytes, c.ResponseMaxBytes
	if f.session.full() {
		f.rotateLocked()
	}
	f.forgetLocked(now)
	for _, p := range f.mu.list {
		if !p.ready(fetching, now) {
			continue
		}
		if now := p.position(); !p.inSession || now != p.told {
			r.asked = append(r.asked, ask{f.session.include(p, now), now, c.MaxBytes})
		}
	}
	r.answer.Version = r.Version
	return true
}

// waitLocked is how long the leader may wait for records: not beyond the next end of a rest. wanted counts the partitions to fetch.
func (f *fetcher) waitLocked(now time.Time, most time.Duration) (wait time.Duration, wanted int) {
	wait = most
	for _, p := range f.mu.list {
		switch {
		case p.ready(fetching, now):
			wanted++
		case !p.gone && p.phase != aside:
			wait = min(wait, max(p.resume.Sub(now), 0))
		}
	}
	return wait, wanted
}

// forgetLocked takes out of the session what is not fetched any more. A partition that is gone may have come back in a new
// reign: the leader applies what it shall forget after what it shall fetch, so it must hear of one of the two only.
func (f *fetcher) forgetLocked(now time.Time) {
	for _, p := range f.mu.list {
		if !p.inSession || p.ready(fetching, now) {
			continue
		}
		next, ok := f.mu.partitions[p.TopicPartition]
		told := p.told
		k := f.session.exclude(p)
		if ok && next != p && !next.inSession && next.key(f.session.byID) == k && next.ready(fetching, now) {
			f.session.include(next, told)
			continue
		}
		f.request.forgotten = append(f.request.forgotten, k)
	}
}

// rotateLocked begins a full fetch with the partition behind those that had their turn: the leader fills its answer in our order.
func (f *fetcher) rotateLocked() {
	n := len(f.mu.list)
	at := f.from % n
	if at > 0 {
		f.mu.list = slices.Concat(f.mu.list[at:], f.mu.list[:at])
	}
	f.from = 0
}

// receive takes one partition of the answer.
func (f *fetcher) receive(a *answered) {
	p, ok := f.session.known[a.key]
	if !ok {
		// The leader speaks of what was not asked for; whatever it holds to be our session, it is not.
		f.session.restart()
		return
	}
	f.from++
	f.stats.bytes.Add(int64(len(a.records)))
	ok = f.use(p, func() error {
		switch {
		case a.code == kerr.OffsetOutOfRange.Code:
			f.lost = append(f.lost, p)
			return nil
		case waitsForDecision(a.code):
			return ErrReignOver
		case a.code != 0:
			return kerr.ErrorForCode(a.code)
		case a.diverging != nowhere:
			return f.diverged(p, a.diverging)
		default:
			p.leaderHW = a.highWatermark
			return p.take(a)
		}
	})
	switch {
	case a.code != 0:
		// The leader repeats an error until it is over.
	case !ok:
		// It holds to be told what we have not taken, a high watermark perhaps. In a new session it tells again.
		f.session.restart()
	case p.trouble != nil && a.diverging == nowhere:
		f.recovered(p)
	}
}

// diverged cuts the log where it parts from the leader's.
func (f *fetcher) diverged(p *partition, leader epochEnd) error {
	offset, lastEpoch := p.offset, p.lastEpoch
	f.log.Infof("%s: at offset %d, after epoch %d, the leader says that its epoch %d ended at %d", p.TopicPartition, offset, lastEpoch, leader.epoch, leader.end)
	if _, err := p.truncate(leader); err != nil {
		return err
	}
	if p.offset == offset && p.lastEpoch == lastEpoch {
		return errNotCut
	}
	return nil
}
