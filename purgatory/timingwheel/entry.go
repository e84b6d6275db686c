package timingwheel

// Task is what an Entry runs when its time is over.
type Task interface {
	// Expire runs on the Timer's goroutine with no lock held, and must not block. It may add its Entry again.
	Expire()
}

// Entry is one thing that waits. It belongs into the struct that waits, by value: then adding it allocates
// nothing. It must not be copied once it was added, and belongs to one Timer at a time.
type Entry struct {
	// The links of the bucket, guarded by the Timer's lock. Both are nil while the entry is in none. Which
	// bucket it is need not be known: the sentinel makes unlinking the same everywhere.
	next, prev *Entry
	// due is the tick, counted from the Timer's start, at which the entry fires.
	due  int64
	task Task
}

// Init sets what the entry runs. It must be called once, before the entry is added.
func (e *Entry) Init(f func()) { e.task = function(f) }

// InitTask is Init for something that has an Expire method already: it saves the closure.
func (e *Entry) InitTask(t Task) { e.task = t }

type function func()

func (f function) Expire() { f() }

func (e *Entry) linked() bool { return e.next != nil }

func (e *Entry) unlink() {
	e.prev.next = e.next
	e.next.prev = e.prev
	e.next, e.prev = nil, nil
}
