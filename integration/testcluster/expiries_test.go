package testcluster_test

import (
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"ottla/integration/testcluster"
)

// Sessions end and end again: of followers and leaders, of the controller, of several brokers at once, while records flow.
// What comes of it is a cluster like on the first day: everybody registered, every partition led and in sync, no goroutine
// too many and no memory kept.
func TestFiveHundredExpiredSessions(t *testing.T) {
	expiries := 500
	if testing.Short() {
		expiries = 50
	}
	const partitions = 12
	cluster := testcluster.Start(t, 3)
	cluster.CreateTopic("orders", 1, 3, map[string]string{"min.insync.replicas": "2"})
	cluster.CreateTopic("payments", partitions, 3, map[string]string{"min.insync.replicas": "2"})
	w := newWriter(t, cluster, "orders")
	rng := rand.New(rand.NewPCG(1, 2))
	expire := func(n int) {
		brokers := cluster.Brokers()
		for done := 0; done < n; {
			rng.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] })
			// Mostly one, sometimes another before the first is back, sometimes all.
			for _, b := range brokers[:[]int{1, 1, 2, 3}[rng.IntN(4)]] {
				b.ExpireSession()
				done++
			}
			if rng.IntN(4) == 0 {
				w.write(1)
			}
			cluster.AwaitReady()
		}
	}
	settle := func() (goroutines int, heap uint64) {
		for p := range partitions {
			cluster.AwaitLeader("payments", p)
			cluster.AwaitISR("payments", p)
		}
		cluster.AwaitISR("orders", 0)
		w.write(20)
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		return runtime.NumGoroutine(), memory.HeapAlloc
	}

	expire(15) // so that everything that is made once is there
	goroutines, heap := settle()
	expire(expiries)
	now, heapNow := settle()
	// Clients' connections, and connections between brokers, come and go by a few; a leak would be by hundreds.
	for deadline := time.Now().Add(patience); now > goroutines+20; now, heapNow = settle() {
		if time.Now().After(deadline) {
			_ = pprof.Lookup("goroutine").WriteTo(t.Output(), 1)
			t.Fatalf("%d goroutines, and %d before the expiries", now, goroutines)
		}
	}
	t.Logf("%d expiries: %d goroutines, %d before; heap %d KiB, %d before", expiries, now, goroutines, heapNow>>10, heap>>10)
	// A connection to ZooKeeper alone is a megabyte: if each session left one behind, it would be hundreds.
	if heapNow > heap+16<<20 {
		t.Errorf("the heap grew from %d to %d KiB", heap>>10, heapNow>>10)
	}
	cluster.CreateTopic("made-afterwards", 3, 3, nil)
	w.verify(cluster, "orders")
}
