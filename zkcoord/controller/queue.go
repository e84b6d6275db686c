package controller

import "sync"

// event is something that happened. run handles it on the controller's goroutine; drop is called
// instead when this broker no longer is, or never was, the controller that it was meant for.
type event struct {
	name       string
	generation int64 // of the ZooKeeper session; 0 for any
	// anyway says that the event is for brokers that are not the controller, too.
	anyway bool
	run    func() error
	drop   func()
}

// queue is what the controller's goroutine reads. It has no bound: what enters it is bounded by
// ZooKeeper's one-shot watches and by the requests in flight to this broker.
type queue struct {
	mu     sync.Mutex
	ready  *sync.Cond
	events []event
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.ready = sync.NewCond(&q.mu)
	return q
}

// put appends an event; after close it is dropped at once.
func (q *queue) put(e event) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		if e.drop != nil {
			e.drop()
		}
		return
	}
	q.events = append(q.events, e)
	q.ready.Signal()
	q.mu.Unlock()
}

// preempt drops everything that waits and puts e in its place.
func (q *queue) preempt(e event) {
	q.mu.Lock()
	dropped := q.events
	q.events = nil
	q.mu.Unlock()
	for _, d := range dropped {
		if d.drop != nil {
			d.drop()
		}
	}
	q.put(e)
}

// take waits for the next event; false when the queue is closed.
func (q *queue) take() (event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.events) == 0 && !q.closed {
		q.ready.Wait()
	}
	if q.closed {
		return event{}, false
	}
	e := q.events[0]
	q.events[0] = event{}
	q.events = q.events[1:]
	return e, true
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events)
}

// close drops what waits and ends take.
func (q *queue) close() {
	q.mu.Lock()
	dropped := q.events
	q.events, q.closed = nil, true
	q.ready.Broadcast()
	q.mu.Unlock()
	for _, e := range dropped {
		if e.drop != nil {
			e.drop()
		}
	}
}

// startsWith reports whether the next event has that name.
func (q *queue) startsWith(name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events) > 0 && q.events[0].name == name
}
