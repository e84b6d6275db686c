package replica

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ottla/logdir"
	"ottla/logdir/batch"
)

// scrape is every series of one scrape, by name and topic.
func scrape(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += "{" + label.GetValue() + "}"
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	r := newRig(t, func(o *Options) { o.Metrics = registry })
	r.minISR = 2
	r.leadWith(0, ids(1), ids(1, 2, 3))
	r.mustProduce(3)
	check := func(when string, want map[string]float64) {
		t.Helper()
		got := scrape(t, registry)
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s is %v, want %v", when, name, got[name], value)
			}
		}
	}
	bytes := float64(len(records(3)))
	check("one of three in sync", map[string]float64{
		"kafka_server_replicamanager_leadercount":                  1,
		"kafka_server_replicamanager_partitioncount":               1,
		"kafka_server_replicamanager_underreplicatedpartitions":    1,
		"kafka_server_replicamanager_underminisrpartitioncount":    1,
		"kafka_server_replicamanager_atminisrpartitioncount":       0,
		"kafka_server_brokertopicmetrics_bytesin_total{orders}":    bytes,
		"kafka_server_brokertopicmetrics_bytesin_total{}":          bytes,
		"kafka_server_brokertopicmetrics_messagesin_total{orders}": 3,
	})
	r.fetchFrom(2, 0, 3)
	r.isr.grant(t)
	r.fetchFrom(2, 0, 0)
	check("two of three in sync", map[string]float64{
		"kafka_server_replicamanager_isrexpands_total":                      1,
		"kafka_server_replicamanager_underminisrpartitioncount":             0,
		"kafka_server_replicamanager_atminisrpartitioncount":                1,
		"kafka_server_brokertopicmetrics_replicationbytesout_total{orders}": bytes,
		"kafka_server_brokertopicmetrics_bytesout_total{orders}":            0,
	})
	if code := r.m.remove(orders); code != 0 {
		t.Fatal(code)
	}
	check("after the topic's deletion", map[string]float64{
		"kafka_server_replicamanager_partitioncount":            0,
		"kafka_server_brokertopicmetrics_bytesin_total{}":       bytes,
		"kafka_server_brokertopicmetrics_bytesin_total{orders}": 0,
	})
	r.m.metrics.unregister()
	if got := scrape(t, registry); len(got) > 6 { // what is left are the purgatories' gauges
		t.Errorf("after unregistering: %v", got)
	}
}

// A transaction that hangs is counted where the partition is led, the producers wherever it is.
func TestMetricsOfProducers(t *testing.T) {
	registry := prometheus.NewRegistry()
	var longest time.Duration // of transactions, 15 min by default
	r := newRig(t, func(o *Options) {
		o.Metrics, o.Config = registry, func() Config { return Config{LongestTransaction: longest} }
	})
	r.lead(0, 1, 2)
	check := func(when string, late, producers float64) {
		t.Helper()
		got := scrape(t, registry)
		if n := got["kafka_server_replicamanager_partitionswithlatetransactionscount"]; n != late {
			t.Errorf("%s: %v partitions with late transactions", when, n)
		}
		if n := got["kafka_server_replicamanager_produceridcount"]; n != producers {
			t.Errorf("%s: %v producers", when, n)
		}
	}
	write := func(producer int64, at time.Time) {
		t.Helper()
		b := batch.NewBuilder(batch.Options{ProducerID: producer, Transactional: true, LeaderEpoch: -1})
		b.Append(at.UnixMilli(), nil, []byte("t"))
		r.m.Append(1, time.Second, logdir.OriginClient, 11, []AppendEntry{{TopicPartition: orders, Records: b.Bytes()}}, nil,
			func(e []AppendEntry) {
				if e[0].Err != nil {
					t.Error(e[0].Err)
				}
			})
	}
	check("nothing written", 0, 0)
	write(7, time.Now().Add(-19*time.Minute))
	check("a transaction without a record for 19 minutes", 0, 1)
	longest = 13 * time.Minute
	check("where it may be open for 13", 1, 1)
	r.follow(2, 1, 1, 2)
	check("led by another", 0, 1)
}
