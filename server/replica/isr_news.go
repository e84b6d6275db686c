package replica

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"ottla/zkcoord/cluster"
)

// isrNewsAfter is how long news of ISRs are gathered before they are told.
const isrNewsAfter = time.Second

// isrNews gathers what there is to tell of ISRs: when a broker comes back or goes, the same happens to thousands of
// partitions within a second, and an operator wants to read it once, with how many there are.
type isrNews struct {
	log logrus.FieldLogger
	mu  struct {
		sync.Mutex
		gathered []*isrEvent
		timer    *time.Timer // runs while there is something to tell
		closed   bool
	}
}

// isrEvent is one cause, and the partitions whose ISR it concerned.
type isrEvent struct {
	level      logrus.Level
	cause      string
	partitions int
	first      []string // what became of a few of them
}

// tell notes what happened to a partition, and why: "orders-0", "[1 2] -> [1 2 3]", "3 has joined".
func (n *isrNews) tell(level logrus.Level, tp cluster.TopicPartition, change, cause string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.eventLocked(level, cause)
	const few = 5
	if e.partitions++; e.partitions <= few {
		e.first = append(e.first, tp.String()+": ISR "+change)
	}
	switch {
	case n.mu.closed:
		n.tellLocked()
	case n.mu.timer == nil:
		n.mu.timer = time.AfterFunc(isrNewsAfter, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.tellLocked()
		})
	}
}

func (n *isrNews) eventLocked(level logrus.Level, cause string) *isrEvent {
	for _, e := range n.mu.gathered {
		if e.level == level && e.cause == cause {
			return e
		}
	}
	e := &isrEvent{level: level, cause: cause}
	n.mu.gathered = append(n.mu.gathered, e)
	return e
}

// tellLocked logs a line for each cause.
func (n *isrNews) tellLocked() {
	for _, e := range n.mu.gathered {
		n.log.WithFields(nil).Log(e.level, e.String())
	}
	n.mu.gathered, n.mu.timer = nil, nil
}

// String is the line: of one partition what became of it, of many how many they are and what became of a few.
func (e *isrEvent) String() string {
	text := strings.Join(e.first, "; ")
	if e.partitions == 1 {
		return text + "; " + e.cause
	}
	if more := e.partitions - len(e.first); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return fmt.Sprintf("ISRs of %d partitions: %s: %s", e.partitions, e.cause, text)
}

// close tells what is left. What comes later is told at once.
func (n *isrNews) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.closed = true
	if n.mu.timer != nil {
		n.mu.timer.Stop()
	}
	n.tellLocked()
}

// movement tells in words who joined and who left an ISR.
func movement(before, after []cluster.BrokerID) string {
	var text []string
	for _, m := range []struct {
		who  []cluster.BrokerID
		what string
	}{{cluster.Without(after, before), "joined"}, {cluster.Without(before, after), "left"}} {
		if len(m.who) > 0 {
			text = append(text, idList(m.who)+" "+m.what)
		}
	}
	if len(text) == 0 {
		return "they stand in a new order"
	}
	return strings.Join(text, ", ")
}
