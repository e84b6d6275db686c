package replica

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// moveMetrics tell of the moves between log directories what Apache Kafka's ReplicaAlterLogDirsManager tells. A lag is how many
// offsets the copy is behind; there is one series for each move, since there are never many.
type moveMetrics struct {
	slices oneMinuteRate

	mu struct {
		sync.Mutex
		// failed are the partitions whose move has stopped by itself, until the next one begins.
		failed map[cluster.TopicPartition]bool
	}
}

var (
	movesDesc        = prometheus.NewDesc("ottla_replica_moves", "Logs that are moved between directories now.", nil, nil)
	moveLagDesc      = moverDesc("maxlag", "Offsets that the copy of a log which moves lacks, at most.")
	moveRateDesc     = moverDesc("minfetchrate", "Slices of logs copied a second, over a minute; 0 if nothing moves.")
	failedMovesDesc  = moverDesc("failedpartitionscount", "Partitions whose move has stopped by itself.")
	deadMoversDesc   = moverDesc("deadthreadcount", "Movers that ended by a fault of their own: always 0.")
	partitionLagDesc = prometheus.NewDesc("kafka_server_fetcherlagmetrics_consumerlag", "Offsets that the copy of a log which moves lacks.",
		[]string{"topic", "partition"}, moverLabels())
)

// moverLabels name the copying between directories as Kafka does.
func moverLabels() prometheus.Labels { return prometheus.Labels{"clientid": "ReplicaAlterLogDirs"} }

func moverDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("kafka_server_replicaalterlogdirsmanager_"+name, help, nil, moverLabels())
}

// began notes that a partition's move is under way.
func (s *moveMetrics) began(tp cluster.TopicPartition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.failed, tp)
}

// stopped notes that a move was given up though nobody has called it off.
func (s *moveMetrics) stopped(tp cluster.TopicPartition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.failed == nil {
		s.mu.failed = map[cluster.TopicPartition]bool{}
	}
	s.mu.failed[tp] = true
}

// failures is how many moves have stopped, of partitions that are still here.
func (s *moveMetrics) failures(here func(cluster.TopicPartition) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for tp := range s.mu.failed {
		if !here(tp) {
			delete(s.mu.failed, tp)
		}
	}
	return len(s.mu.failed)
}

func describeMoves(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{movesDesc, moveLagDesc, moveRateDesc, failedMovesDesc, deadMoversDesc, partitionLagDesc} {
		out <- d
	}
}

func (s *metrics) collectMoves(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	moves, rate, most := s.m.logs.Moves(), 0.0, int64(0)
	if len(moves) > 0 {
		rate = s.moves.slices.perSecond(time.Now())
	}
	for _, mv := range moves {
		lag := moveLag(mv)
		most = max(most, lag)
		tp := mv.TopicPartition()
		gauge(partitionLagDesc, float64(lag), tp.Topic, strconv.Itoa(int(tp.Partition)))
	}
	gauge(movesDesc, float64(len(moves)))
	gauge(moveLagDesc, float64(most))
	gauge(moveRateDesc, rate)
	gauge(failedMovesDesc, float64(s.moves.failures(func(tp cluster.TopicPartition) bool { _, ok := s.m.hosted(tp); return ok })))
	gauge(deadMoversDesc, 0)
}

// moveLag is never negative: a copy that a start has found may be longer than its log, until it is cut.
func moveLag(mv *logdir.Move) int64 { return max(mv.Lag(), 0) }

// oneMinuteRate is how often something happens, the last minute counting most: an exponentially weighted mean of intervals of five
// seconds, as Kafka's OneMinuteRate is.
type oneMinuteRate struct {
	mu      sync.Mutex
	events  int
	rate    float64
	since   time.Time // the interval that is counted began then; zero before the first event
	settled bool      // rate is one
}

const rateInterval = 5 * time.Second

func (r *oneMinuteRate) happened(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tick(now)
	r.events++
}

func (r *oneMinuteRate) perSecond(now time.Time) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tick(now)
	return r.rate
}

// tick closes the intervals that are over. After an hour without any event nothing is left.
func (r *oneMinuteRate) tick(now time.Time) {
	if r.since.IsZero() || now.Sub(r.since) > time.Hour {
		r.since, r.rate, r.events, r.settled = now, 0, 0, false
	}
	for ; now.Sub(r.since) >= rateInterval; r.since = r.since.Add(rateInterval) {
		current := float64(r.events) / rateInterval.Seconds()
		if r.settled {
			weight := 1 - math.Exp(-rateInterval.Minutes())
			current = r.rate + weight*(current-r.rate)
		}
		r.rate, r.events, r.settled = current, 0, true
	}
}
