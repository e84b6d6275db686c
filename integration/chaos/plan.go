package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// fault names a way in which things go wrong.
type fault string

// The faults that a plan can hold.
const (
	kill           fault = "kill"            // kill -9 of a broker, which comes back
	restart        fault = "restart"         // a broker shuts down and comes back
	killController fault = "kill-controller" // kill -9 of the controller's broker
	killAll        fault = "kill-all"        // kill -9 of all brokers
	stop           fault = "stop"            // SIGSTOP for longer than the session lives, then SIGCONT
	stopController fault = "stop-controller" // of the controller's broker: it wakes up and has been replaced
	expire         fault = "expire"          // the session of a broker ends
	cut            fault = "cut"             // the links between two brokers
	oneWay         fault = "one-way"         // the link from one broker to another
	isolate        fault = "isolate"         // a broker from the other brokers and from ZooKeeper, not from clients
	cutZooKeeper   fault = "cut-zookeeper"   // a broker from ZooKeeper only, both ways or one
	depose         fault = "depose"          // /controller is deleted
	killZooKeeper  fault = "kill-zookeeper"  // kill -9 of ZooKeeper, which comes back
	// kill -9 of the broker that coordinates the transactions of one of the ids in use
	killCoordinator fault = "kill-coordinator"
	// What operators do, no fault by itself, at times while links are still cut.
	reassign fault = "reassign" // the replicas of a broker go to nobody, and come back in another order
	elect    fault = "elect"    // preferred leaders are elected
	recreate fault = "recreate" // a topic is deleted, and created under the same name
	grow     fault = "grow"     // that topic gets another partition
)

func allFaults() []fault {
	return []fault{kill, cut, stop, expire, oneWay, depose, cutZooKeeper, killController, isolate, stopController, restart, killAll, killZooKeeper, killCoordinator, reassign, recreate, elect, grow}
}

// parseFaults reads names separated by commas.
func parseFaults(names string) ([]fault, error) {
	known := make(map[fault]bool)
	for _, f := range allFaults() {
		known[f] = true
	}
	var all []fault
	for name := range strings.SplitSeq(names, ",") {
		if !known[fault(name)] {
			return nil, fmt.Errorf("unknown fault %q; there are %v", name, allFaults())
		}
		all = append(all, fault(name))
	}
	return all, nil
}

// step is one fault of a plan.
type step struct {
	fault  fault
	broker node // whom it hits; the broker of the controller or a coordinator is known only when it comes to it
	peer   node // the other end of a cut link
	how    passage
	ways   ways
	pause  time.Duration // how long it lasts
	rush   bool          // the next step comes at once, upon a cluster that is not whole, its links still cut
}

// ways are the directions in which a link is cut, seen from the broker that is hit.
type ways int

const (
	bothWays ways = iota
	outwards
	inwards
)

func (w ways) links(of, peer node) []link {
	return map[ways][]link{bothWays: both(of, peer), outwards: {{of, peer}}, inwards: {{peer, of}}}[w]
}

func (s step) String() string {
	if s.rush {
		return s.text() + ", and at once"
	}
	return s.text()
}

func (s step) text() string {
	pause := s.pause.Round(100 * time.Millisecond)
	how := map[passage]string{dropped: "what is sent is dropped", late: "what is sent arrives late"}[s.how]
	way := map[ways]string{bothWays: "to and from", outwards: "to", inwards: "from"}[s.ways]
	switch s.fault {
	case killController, killCoordinator, stopController, killAll, killZooKeeper:
		return fmt.Sprintf("%s for %v", s.fault, pause)
	case depose, elect, recreate, grow:
		return string(s.fault)
	case expire:
		return fmt.Sprintf("expire %v", s.broker)
	case cut, oneWay:
		return fmt.Sprintf("cut %v %s %v for %v; %s", s.broker, way, s.peer, pause, how)
	case cutZooKeeper:
		return fmt.Sprintf("cut %v %s ZooKeeper for %v; %s", s.broker, way, pause, how)
	case isolate:
		return fmt.Sprintf("isolate %v for %v; %s", s.broker, pause, how)
	}
	return fmt.Sprintf("%s %v for %v", s.fault, s.broker, pause)
}

// plan is an endless list of steps that follows from a seed. Every fault comes once before any comes again.
type plan struct {
	rng     *rand.Rand
	faults  []fault
	brokers int
	left    []fault
}

func newPlan(seed uint64, faults []fault, brokers int) *plan {
	return &plan{rng: rand.New(rand.NewPCG(seed, 0)), faults: faults, brokers: brokers}
}

func (p *plan) next() step {
	if len(p.left) == 0 {
		p.left = append(p.left, p.faults...)
		p.rng.Shuffle(len(p.left), func(i, j int) { p.left[i], p.left[j] = p.left[j], p.left[i] })
	}
	s := step{fault: p.left[0]}
	p.left = p.left[1:]
	// Everything is drawn for every step, so that a step depends on its number alone.
	broker, hop := p.rng.IntN(p.brokers), 1+p.rng.IntN(p.brokers-1)
	how, way, share := p.rng.IntN(2), ways(p.rng.IntN(3)), p.rng.Float64()
	s.rush = p.rng.IntN(4) == 0
	s.broker, s.peer = node(1+broker), node(1+(broker+hop)%p.brokers)
	s.how = dropped
	if how == 1 {
		s.how = late
	}
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(share*float64(to-from)) }
	// Some cuts are over before the session is, and before a follower has left the ISR; some are not.
	s.pause = between(sessionTimeout/4, 5*sessionTimeout/2)
	switch s.fault {
	case stop, stopController:
		s.pause = sessionTimeout + between(time.Second, 4*time.Second)
	case oneWay:
		s.ways = outwards
	case cutZooKeeper:
		s.ways = way
	case killAll, killZooKeeper:
		s.pause = between(0, sessionTimeout)
	}
	return s
}
