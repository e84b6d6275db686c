package txn

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// client is a producer as its library behaves: it asks again while it is told to, and begins a new life when it is fenced.
type client struct {
	p        *play
	id       string
	producer Producer
	ready    bool
	open     int // the number of its transaction, 0 without one
	written  map[cluster.TopicPartition]bool
}

// play is a random day of producers whose coordinator crashes once, and what they were promised.
type play struct {
	t        *testing.T
	w        *world
	c        *Coordinator
	epoch    int32
	random   *rand.Rand
	promised map[int]bool        // transactions that a client was told are committed, or aborted
	lives    map[string]Producer // the latest of each transactional id
	last     int
}

// ask repeats a request until it is answered for good. A coordinator that has crashed answers nobody; the client finds the
// next one.
func (p *play) ask(request func(c *Coordinator, done func(code int16))) int16 {
	for range 1000 {
		answer := make(chan int16, 1)
		request(p.c, func(code int16) { answer <- code })
		synctest.Wait()
		var code int16
		select {
		case code = <-answer:
		default:
			p.fallen()
			continue
		}
		switch code {
		case kerr.ConcurrentTransactions.Code, kerr.CoordinatorLoadInProgress.Code, kerr.CoordinatorNotAvailable.Code, kerr.NotCoordinator.Code:
			time.Sleep(20 * time.Millisecond)
			p.fallen()
			continue
		}
		return code
	}
	p.t.Fatal("the coordinator puts a producer off for ever")
	return 0
}

// fallen replaces a coordinator that has crashed. The old one is not told: it goes on as a zombie under its old epoch, and
// must do no harm.
func (p *play) fallen() {
	p.w.mu.Lock()
	crashed := p.w.mu.crashed
	p.w.mu.Unlock()
	select {
	case <-crashed:
	default:
		return
	}
	p.w.mu.Lock()
	p.w.mu.crashAt, p.w.mu.crashed = -1, make(chan struct{})
	p.w.mu.Unlock()
	zombie := p.c
	p.t.Cleanup(zombie.Close)
	p.epoch++
	p.c = p.w.start(p.epoch, quick)
}

func quick(c *Config) { c.TimeoutCheckInterval = time.Second }

func (c *client) init() {
	var got *kmsg.InitProducerIDResponse
	code := c.p.ask(func(co *Coordinator, done func(int16)) {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.SetVersion(4)
		req.TransactionalID, req.TransactionTimeoutMillis = &c.id, 5000
		co.InitProducerID(req, func(resp *kmsg.InitProducerIDResponse) { got = resp; done(resp.ErrorCode) })
	})
	if code != 0 {
		c.p.t.Fatalf("%s: InitProducerId: %v", c.id, kerr.ErrorForCode(code))
	}
	c.producer = Producer{TransactionalID: c.id, ID: got.ProducerID, Epoch: got.ProducerEpoch}
	c.p.lives[c.id] = c.producer
	c.ready, c.open, c.written = true, 0, map[cluster.TopicPartition]bool{}
}

// write adds a partition and writes to it, as its leader would let it.
func (c *client) write(to cluster.TopicPartition) {
	if c.open == 0 {
		c.p.last++
		c.open = c.p.last
	}
	if code := c.p.ask(func(co *Coordinator, done func(int16)) {
		co.AddPartitions(c.producer, []cluster.TopicPartition{to}, done)
	}); code != 0 {
		c.ready = false
		return
	}
	if c.producer != c.p.lives[c.id] {
		c.p.t.Errorf("%+v adds a partition in the life of %+v", c.producer, c.p.lives[c.id])
	}
	code := c.p.ask(func(co *Coordinator, done func(int16)) {
		codes, code := co.VerifyPartitions(c.producer, []cluster.TopicPartition{to})
		if code == 0 {
			code = codes[0]
		}
		done(code)
	})
	if code != 0 {
		c.ready = false
		return
	}
	c.p.w.mu.Lock()
	defer c.p.w.mu.Unlock()
	l := c.p.w.log(to)
	if l.epochs[c.producer.ID] > c.producer.Epoch {
		c.ready = false
		return
	}
	l.epochs[c.producer.ID], l.open[c.producer.ID] = c.producer.Epoch, c.open
	c.written[to] = true
}

func (c *client) end(commit bool) {
	if c.open == 0 || len(c.written) == 0 {
		return
	}
	code := c.p.ask(func(co *Coordinator, done func(int16)) { co.End(c.producer, commit, done) })
	if code == 0 {
		c.p.promised[c.open] = commit
	} else {
		c.ready = false
	}
	c.open, c.written = 0, map[cluster.TopicPartition]bool{}
}

// run plays the day; it is the same for the same seed, but for the crash.
func (p *play) run(clients []*client) {
	topics := []cluster.TopicPartition{tp("a"), tp("b"), tp("c")}
	for range 40 {
		c := clients[p.random.IntN(len(clients))]
		deed := p.random.IntN(10)
		topic := topics[p.random.IntN(len(topics))]
		switch {
		case !c.ready || deed == 0:
			c.init()
		case deed < 7:
			c.write(topic)
		default:
			c.end(deed < 9)
		}
	}
}

// check lets all time-outs pass and then compares what stands in the partitions with what was promised.
func (p *play) check() {
	for range 10 {
		time.Sleep(2 * time.Second)
		synctest.Wait()
		p.fallen()
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	ends := map[int]bool{}
	for name, l := range p.w.mu.data {
		for id, n := range l.open {
			p.t.Errorf("%v: transaction %d of producer %d hangs", name, n, id)
		}
		for n, commit := range l.ends {
			if before, ok := ends[n]; ok && before != commit {
				p.t.Errorf("transaction %d is torn: %v has commit=%t", n, name, commit)
			}
			ends[n] = commit
		}
	}
	for n, commit := range p.promised {
		if end, ok := ends[n]; !ok || end != commit {
			p.t.Errorf("transaction %d: promised commit=%t, in the logs: %t, %t", n, commit, end, ok)
		}
	}
}

// A coordinator may crash between any two of its writes, with the last one done or not, and its successor finishes what was
// decided and aborts what was not. Two of the clients share a transactional id, so that one is a zombie at any time.
func TestACrashAtAnyStepTearsNoTransaction(t *testing.T) {
	seeds := 8
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		steps := crashAt(t, seed, -1, false)
		if steps < 20 {
			t.Fatalf("only %d steps", steps)
		}
		for step := range steps {
			for _, done := range []bool{false, true} {
				if crashAt(t, seed, step, done); t.Failed() {
					t.Fatalf("seed %d, crash at step %d of %d, done %t", seed, step, steps, done)
				}
			}
		}
	}
}

func crashAt(t *testing.T, seed, step int, done bool) (steps int) {
	t.Run(fmt.Sprintf("seed %d step %d %t", seed, step, done), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			p := &play{t: t, w: w, epoch: 1, random: rand.New(rand.NewPCG(uint64(seed), 7)), promised: map[int]bool{}, lives: map[string]Producer{}}
			w.mu.crashAt, w.mu.lastStep = step, done
			p.c = w.start(1, quick)
			defer func() { p.c.Close() }()
			clients := []*client{{p: p, id: "one"}, {p: p, id: "two"}, {p: p, id: "two"}}
			p.run(clients)
			w.mu.Lock()
			steps = w.mu.steps
			w.mu.Unlock()
			p.check()
		})
	})
	return steps
}
