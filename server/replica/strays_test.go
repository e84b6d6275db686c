package replica

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus/hooks/test"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// TestStraysAreToldOfAndLeftAlone: a log that no LeaderAndIsr names is reported once, when the controller has had its time, and stays.
func TestStraysAreToldOfAndLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		log, hook := test.NewNullLogger()
		r := openRig(t, disk.NewCrashing(), "/data", func(o *Options) { o.Log, o.Metrics = log, registry })
		stray := cluster.TopicPartition{Topic: "stray", Partition: 3}
		if _, err := r.logs.LogOrCreate(stray, cluster.TopicID{3}, true); err != nil {
			t.Fatal(err)
		}
		lines := func() (n int) {
			for _, e := range hook.AllEntries() {
				if strings.Contains(e.Message, "1 logs belong to no partition") && strings.Contains(e.Message, "/data/stray-3") {
					n++
				}
			}
			return n
		}
		r.m.Start()
		time.Sleep(2 * strayPatience)
		if n := scrape(t, registry)["ottla_replica_stray_logs"]; n != 0 || lines() != 0 {
			t.Errorf("before the controller has said anything: %v, %d lines", n, lines())
		}
		r.lead(0, 1)
		time.Sleep(strayPatience / 2)
		if lines() != 0 {
			t.Error("told of too early: more LeaderAndIsr may come")
		}
		time.Sleep(2 * strayPatience)
		r.lead(1, 1)
		time.Sleep(2 * strayPatience)
		if n := scrape(t, registry)["ottla_replica_stray_logs"]; n != 1 || lines() != 1 {
			t.Errorf("%v strays, %d lines", n, lines())
		}
		if _, ok := r.logs.Log(stray); !ok {
			t.Error("it is gone")
		}
	})
}
