package replica

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ottla/logdir/disk"
)

// TestMoveMetrics: an operator sees that a log moves, how far behind the copy is, and that a move has stopped.
func TestMoveMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	fsys := disk.NewCrashing()
	r := openRig(t, fsys, "/a,/b", func(o *Options) { o.Metrics = registry })
	r.lead(0, 1)
	r.mustProduce(3)
	const (
		manager = "kafka_server_replicaalterlogdirsmanager_"
		client  = "{ReplicaAlterLogDirs}"
	)
	await := func(when string, want map[string]float64) {
		t.Helper()
		var got map[string]float64
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			got = scrape(t, registry)
			differ := false
			for name, value := range want {
				differ = differ || got[name] != value
			}
			if !differ {
				return
			}
		}
		for name, value := range want {
			t.Errorf("%s: %s is %v, want %v", when, name, got[name], value)
		}
	}
	await("at rest", map[string]float64{"ottla_replica_moves": 0, manager + "maxlag" + client: 0, manager + "failedpartitionscount" + client: 0,
		manager + "deadthreadcount" + client: 0, manager + "minfetchrate" + client: 0})

	r.logs.SetMoveRate(1)
	if err := r.m.AlterLogDir(orders, r.elsewhere()); err != nil {
		t.Fatal(err)
	}
	mv, _ := r.logs.Move(orders)
	for deadline := time.Now().Add(20 * time.Second); mv.Lag() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	r.mustProduce(4)
	await("under way", map[string]float64{"ottla_replica_moves": 1, manager + "maxlag" + client: 4,
		"kafka_server_fetcherlagmetrics_consumerlag" + client + "{0}{orders}": 4})
	r.logs.SetMoveRate(0)
	r.settled()
	await("over", map[string]float64{"ottla_replica_moves": 0, manager + "maxlag" + client: 0,
		"kafka_server_fetcherlagmetrics_consumerlag" + client + "{0}{orders}": 0})

	r.logs.SetMoveRate(1)
	to := r.elsewhere()
	if err := r.m.AlterLogDir(orders, to); err != nil {
		t.Fatal(err)
	}
	fsys.Fail(failing(to))
	r.logs.SetMoveRate(0)
	await("stopped", map[string]float64{"ottla_replica_moves": 0, manager + "failedpartitionscount" + client: 1})
}

// TestOneMinuteRate: it begins with the first interval's, and follows a change within a few minutes.
func TestOneMinuteRate(t *testing.T) {
	var r oneMinuteRate
	now := time.Unix(1_700_000_000, 0)
	run := func(d time.Duration, perSecond int) float64 {
		for range int(d / time.Second) {
			for range perSecond {
				r.happened(now)
			}
			now = now.Add(time.Second)
		}
		return r.perSecond(now)
	}
	if got := r.perSecond(now); got != 0 {
		t.Errorf("before anything: %v", got)
	}
	if got := run(5*time.Second, 10); math.Abs(got-10) > 0.01 {
		t.Errorf("after an interval with 10 a second: %v", got)
	}
	if got := run(time.Minute, 0); math.Abs(got-10/math.E) > 0.01 {
		t.Errorf("after a minute with none: %v", got)
	}
	if got := run(5*time.Minute, 20); got < 19 || got > 20 {
		t.Errorf("after minutes with 20 a second: %v", got)
	}
	now = now.Add(2 * time.Hour)
	if got := r.perSecond(now); got != 0 {
		t.Errorf("hours later: %v", got)
	}
}
