package api

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// TestConversionsAreCounted: an operator sees what old clients, and topics that have their own compression, cost.
func TestConversionsAreCounted(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	const (
		produced = "kafka_server_brokertopicmetrics_producemessageconversions_total"
		sent     = "kafka_server_brokertopicmetrics_fetchmessageconversions_total"
		took     = "kafka_network_requestmetrics_messageconversionstimems"
		memory   = "kafka_network_requestmetrics_temporarymemorybytes"
	)
	send := func(records []byte, version int16) {
		t.Helper()
		if p := ask[*kmsg.ProduceResponse](c, produceRequest(-1, "orders", records), version).Topics[0].Partitions[0]; p.ErrorCode != codeNone {
			t.Fatalf("code %d", p.ErrorCode)
		}
	}
	scrape := func() (values map[string]float64, counts map[string]uint64) {
		t.Helper()
		families, err := r.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		values, counts = map[string]float64{}, map[string]uint64{}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				name := family.GetName()
				for _, label := range m.GetLabel() {
					name += "{" + label.GetValue() + "}"
				}
				values[name] = m.GetCounter().GetValue() + m.GetSummary().GetSampleSum()
				counts[name] = m.GetSummary().GetSampleCount()
			}
		}
		return values, counts
	}
	// The answer leaves before it is counted.
	await := func(when string, condition func(values map[string]float64, counts map[string]uint64) bool) {
		t.Helper()
		var values map[string]float64
		var counts map[string]uint64
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if values, counts = scrape(); condition(values, counts) {
				return
			}
		}
		t.Errorf("%s: %v, %v", when, values, counts)
	}

	send(numbered(batch.None, "0", "1"), 9)
	fetched(c, 11, 0, 1<<20)
	await("what is stored as it came", func(v map[string]float64, n map[string]uint64) bool {
		return v[produced+"{orders}"] == 0 && v[sent+"{orders}"] == 0 && n[took+"{Produce}"] == 1 && n[took+"{Fetch}"] == 1 &&
			v[memory+"{Produce}"] == 0 && v[memory+"{Fetch}"] == 0
	})
	var d batch.Downgrade
	old, err := d.Append(nil, numbered(batch.None, "2", "3", "4"), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	send(old, 2)
	await("an old producer", func(v map[string]float64, n map[string]uint64) bool {
		return v[produced+"{orders}"] == 3 && v[produced+"{}"] == 3 && n[took+"{Produce}"] == 2 && v[memory+"{Produce}"] > 0
	})
	fetched(c, 3, 0, 1<<20)
	await("an old consumer", func(v map[string]float64, n map[string]uint64) bool {
		return v[sent+"{orders}"] == 5 && v[sent+"{}"] == 5 && n[took+"{Fetch}"] == 2 && v[memory+"{Fetch}"] > 0
	})
	send(numbered(batch.Gzip, "5"), 9)
	memoryBefore, _ := scrape()
	if memoryBefore[produced+"{orders}"] != 3 {
		t.Error("what is only looked into counts as converted")
	}
	p, err := r.api.Replicas.Partition(cluster.TopicPartition{Topic: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	l, _ := p.Log()
	cfg := l.Config()
	cfg.CompressionType = "lz4"
	r.logs.Reconfigure("orders", cfg)
	send(numbered(batch.Gzip, "6", "7"), 9)
	await("a topic with a compression of its own", func(v map[string]float64, n map[string]uint64) bool {
		return v[produced+"{orders}"] == 5 && n[took+"{Produce}"] == 4 && v[memory+"{Produce}"] > memoryBefore[memory+"{Produce}"]
	})
}
