package replica

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	leaderCountDesc     = gaugeDesc("leadercount", "Partitions that this broker leads.")
	partitionCountDesc  = gaugeDesc("partitioncount", "Partitions that this broker hosts.")
	offlineCountDesc    = gaugeDesc("offlinereplicacount", "Partitions on failed disks.")
	underReplicatedDesc = gaugeDesc("underreplicatedpartitions", "Partitions led here with replicas out of sync.")
	underMinISRDesc     = gaugeDesc("underminisrpartitioncount", "Partitions led here with fewer in sync than min.insync.replicas.")
	atMinISRDesc        = gaugeDesc("atminisrpartitioncount", "Partitions led here with just min.insync.replicas in sync.")
	straysDesc          = prometheus.NewDesc("ottla_replica_stray_logs", "Logs in log.dirs of partitions that the controller has not named.", nil, nil)
	reassigningDesc     = gaugeDesc("reassigningpartitions", "Partitions led here that are being reassigned.")
	lateTxnsDesc        = gaugeDesc("partitionswithlatetransactionscount", "Partitions led here with a transaction that should have ended long ago.")
	producerIDsDesc     = gaugeDesc("produceridcount", "Producers that the partitions here remember.")
)

func gaugeDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("kafka_server_replicamanager_"+name, help, nil, nil)
}

const numTopicCounters = 10

// topicCounters are the series of a topic. Those of the empty topic, which Prometheus takes for no topic, are
// the sums.
var topicCounters = [numTopicCounters]struct {
	desc  *prometheus.Desc
	value func(*topicStats) int64
}{
	{topicDesc("bytesin_total", "Bytes appended for clients and coordinators."), func(s *topicStats) int64 { return s.bytesIn.Load() }},
	{topicDesc("bytesout_total", "Bytes read by consumers."), func(s *topicStats) int64 { return s.bytesOut.Load() }},
	{topicDesc("replicationbytesout_total", "Bytes read by followers."), func(s *topicStats) int64 { return s.replicationBytesOut.Load() }},
	{topicDesc("bytesrejected_total", "Bytes refused as too large."), func(s *topicStats) int64 { return s.bytesRejected.Load() }},
	{topicDesc("messagesin_total", "Records appended."), func(s *topicStats) int64 { return s.messagesIn.Load() }},
	{topicDesc("totalproducerequests_total", "Appends asked for, per partition."), func(s *topicStats) int64 { return s.produces.Load() }},
	{topicDesc("failedproducerequests_total", "Appends refused by the log."), func(s *topicStats) int64 { return s.failedProduces.Load() }},
	{topicDesc("totalfetchrequests_total", "Reads asked for, per partition."), func(s *topicStats) int64 { return s.fetches.Load() }},
	{topicDesc("producemessageconversions_total", "Records appended in another format than they came in, or compressed otherwise."),
		func(s *topicStats) int64 { return s.produceConversions.Load() }},
	{topicDesc("fetchmessageconversions_total", "Records sent in an older format than they are stored in."),
		func(s *topicStats) int64 { return s.fetchConversions.Load() }},
}

func topicDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("kafka_server_brokertopicmetrics_"+name, help, []string{"topic"}, nil)
}

// Describe names every series that Collect may give.
func (s *metrics) Describe(out chan<- *prometheus.Desc) {
	s.isrExpands.Describe(out)
	s.isrShrinks.Describe(out)
	s.isrFailures.Describe(out)
	s.lostTails.Describe(out)
	for _, desc := range []*prometheus.Desc{straysDesc, leaderCountDesc, partitionCountDesc, offlineCountDesc, underReplicatedDesc, underMinISRDesc,
		atMinISRDesc, reassigningDesc, lateTxnsDesc, producerIDsDesc} {
		out <- desc
	}
	for _, c := range topicCounters {
		out <- c.desc
	}
	describeMoves(out)
}

// Collect counts the partitions once.
func (s *metrics) Collect(out chan<- prometheus.Metric) {
	s.isrExpands.Collect(out)
	s.isrShrinks.Collect(out)
	s.isrFailures.Collect(out)
	s.lostTails.Collect(out)
	c := s.m.census()
	for desc, n := range map[*prometheus.Desc]int{
		leaderCountDesc: c.leaders, partitionCountDesc: c.partitions, offlineCountDesc: c.offline, underReplicatedDesc: c.underReplicated,
		underMinISRDesc: c.underMinISR, atMinISRDesc: c.atMinISR, reassigningDesc: c.reassigning,
		lateTxnsDesc: c.lateTxns, producerIDsDesc: c.producerIDs,
	} {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n))
	}
	out <- prometheus.MustNewConstMetric(straysDesc, prometheus.GaugeValue, float64(s.m.countStrays()))
	s.collectTopics(out)
	s.collectMoves(out)
}

func (s *metrics) collectTopics(out chan<- prometheus.Metric) {
	s.mu.Lock()
	topics, sums := maps.Clone(s.mu.topics), s.mu.gone
	s.mu.Unlock()
	for i, c := range topicCounters {
		for topic, stats := range topics {
			n := c.value(stats)
			sums[i] += n
			out <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(n), topic)
		}
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(sums[i]), "")
	}
}

// census counts partitions by what an operator wants to know of them.
type census struct {
	partitions, leaders, offline, underReplicated, underMinISR, atMinISR, reassigning, lateTxns, producerIDs int
}

func (m *Manager) census() census {
	var c census
	now, longest := time.Now(), m.config().LongestTransaction
	for _, p := range m.Partitions() {
		r := p.mu.reign.Load()
		c.add(r, int(p.minISR.Load()))
		if r.log != nil {
			c.addProducers(r, now, longest)
		}
	}
	return c
}

func (c *census) addProducers(r *reign, now time.Time, longest time.Duration) {
	c.producerIDs += r.log.ProducerCount()
	if r.leads && r.log.HasLateTransaction(now, longest) {
		c.lateTxns++
	}
}

func (c *census) add(r *reign, minISR int) {
	c.partitions++
	if r.failed {
		c.offline++
	}
	if !r.leads {
		return
	}
	c.leaders++
	// While a partition moves, the replicas on their way in are expected to lag.
	if assigned := len(r.replicas) - len(r.adding); len(r.isr) < assigned {
		c.underReplicated++
	}
	if len(r.adding)+len(r.removing) > 0 {
		c.reassigning++
	}
	switch atLeast := min(minISR, len(r.replicas)); {
	case len(r.isr) < atLeast:
		c.underMinISR++
	case len(r.isr) == atLeast:
		c.atMinISR++
	}
}
