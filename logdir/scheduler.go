package logdir

import (
	"sync"
	"time"
)

// scheduler is the background work of all logs: one goroutine that runs jobs in order, one that waits
// for the time of the next. A log owns none.
type scheduler struct {
	mu struct {
		sync.Mutex
		jobs   []func()
		timed  []timedJob // by no order: there are few, and they are looked at when one is due
		closed bool
	}
	wake chan struct{} // for the runner: there are jobs
	set  chan struct{} // for the clock: timed has changed
	stop chan struct{}
	wg   sync.WaitGroup
}

type timedJob struct {
	at    time.Time
	every time.Duration // zero for once
	run   func()
}

func startScheduler() *scheduler {
	s := &scheduler{wake: make(chan struct{}, 1), set: make(chan struct{}, 1), stop: make(chan struct{})}
	s.wg.Go(s.runJobs)
	s.wg.Go(s.runClock)
	return s
}

// do queues a job. It is dropped if the scheduler is closed.
func (s *scheduler) do(job func()) {
	s.mu.Lock()
	if !s.mu.closed {
		s.mu.jobs = append(s.mu.jobs, job)
	}
	s.mu.Unlock()
	poke(s.wake)
}

// after queues a job once the delay has passed.
func (s *scheduler) after(delay time.Duration, job func()) {
	if delay <= 0 {
		s.do(job)
		return
	}
	s.add(timedJob{at: time.Now().Add(delay), run: job})
}

// each queues a job again and again, the first time after another while than the period if first is positive. A period that is
// not positive means never.
func (s *scheduler) each(first, period time.Duration, job func()) {
	if first <= 0 {
		first = period
	}
	if period > 0 {
		s.add(timedJob{at: time.Now().Add(first), every: period, run: job})
	}
}

func (s *scheduler) add(j timedJob) {
	s.mu.Lock()
	s.mu.timed = append(s.mu.timed, j)
	s.mu.Unlock()
	poke(s.set)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *scheduler) runJobs() {
	for {
		job := s.take()
		if job != nil {
			job()
			continue
		}
		select {
		case <-s.stop:
			return
		case <-s.wake:
		}
	}
}

func (s *scheduler) take() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.jobs) == 0 {
		return nil
	}
	job := s.mu.jobs[0]
	s.mu.jobs[0] = nil
	if s.mu.jobs = s.mu.jobs[1:]; len(s.mu.jobs) == 0 {
		s.mu.jobs = nil
	}
	return job
}

func (s *scheduler) runClock() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.runDue(time.Now()))
		select {
		case <-s.stop:
			return
		case <-s.set:
		case <-timer.C:
		}
	}
}

// runDue queues what is due and returns how long until the next.
func (s *scheduler) runDue(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := time.Hour
	kept := s.mu.timed[:0]
	for _, j := range s.mu.timed {
		if !j.at.After(now) {
			s.mu.jobs = append(s.mu.jobs, j.run)
			poke(s.wake)
			if j.every == 0 {
				continue
			}
			j.at = now.Add(j.every)
		}
		next = min(next, j.at.Sub(now))
		kept = append(kept, j)
	}
	clear(s.mu.timed[len(kept):])
	s.mu.timed = kept
	return next
}

// close drops what is queued, waits for the job under way, and returns what was not due yet.
func (s *scheduler) close() {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return
	}
	s.mu.closed = true
	s.mu.jobs, s.mu.timed = nil, nil
	s.mu.Unlock()
	close(s.stop)
	s.wg.Wait()
}

// gate lets at most a number of goroutines through at once.
type gate chan struct{}

func (g gate) enter() { g <- struct{}{} }
func (g gate) leave() { <-g }
