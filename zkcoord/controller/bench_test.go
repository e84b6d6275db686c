package controller

import (
	"fmt"
	"testing"
	"time"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// BenchmarkFailover is the time from the end of a broker's session to the moment when another broker has
// heard of all new leaders: five thousand partitions in a hundred topics. ms/takeover is how long another
// controller then needs until it has read everything and reigns.
func BenchmarkFailover(b *testing.B) {
	const topics, partitions = 100, 50
	for b.Loop() {
		b.StopTimer()
		f := newFakeCluster(b)
		one := f.start(1)
		f.awaitActive(one)
		two := f.start(2)
		f.eventually("two brokers", func() bool { return len(f.sentTo(1, "UpdateMetadata live=[1 2]")) > 0 })
		replicas := make([][]cluster.BrokerID, partitions)
		for p := range replicas {
			replicas[p] = ids(2, 1)
		}
		var names []string
		for n := range topics {
			names = append(names, fmt.Sprintf("t%d", n))
			check(b, one.zk.CreateTopic(b.Context(), names[n], replicas, nil, zkcoord.NewTopicID()))
		}
		one.WaitForBroadcast(b.Context(), names)
		two.Controller.Close()
		b.StartTimer()
		two.zk.Close()
		f.eventually("broker 1 leads all", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			led := 0
			for _, leader := range f.known[1] {
				if leader == 1 {
					led++
				}
			}
			return led == topics*partitions
		})
		b.StopTimer()
		started := time.Now()
		one.Close()
		three := f.start(3)
		f.zk.ExpireSession(one.zk.SessionID())
		f.awaitActive(three)
		b.ReportMetric(float64(time.Since(started).Milliseconds()), "ms/takeover")
		b.StartTimer()
	}
}
