package txn

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sirupsen/logrus"

	"ottla/zkcoord/cluster"
)

// What an operator sees of a transaction that cannot end: one of its partitions has no leader.
func TestATransactionThatHangsIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		log := logrus.New()
		log.SetOutput(io.Discard)
		registry := prometheus.NewRegistry()
		ids := NewProducerIDs(func(reply func(int64, int32, int16)) { reply(0, 100, 0) })
		c := New(Options{Storage: w.store(1), Leaders: w, Config: DefaultConfig(), Partitions: func() int32 { return 1 },
			ProducerIDs: ids, Log: log, Metrics: registry})
		defer c.Close()
		w.mu.epoch = 1
		c.Elect(0, 1)
		synctest.Wait()
		s := &story{t: t, w: w, c: c, shown: map[cluster.TopicPartition]int{}}
		for _, deed := range []string{"init tx", "init other", "add tx 0/0 a b", "add other 1/0 c", "absent b", "end tx 0/0 commit", "end other 1/0 abort"} {
			s.play(deed, strings.Fields(deed))
			synctest.Wait()
		}
		names := []string{"kafka_coordinator_transaction_transactionmarkerchannelmanager_logappendretryqueuesize",
			"kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize", "ottla_transactions_ended_total"}
		want := `# HELP kafka_coordinator_transaction_transactionmarkerchannelmanager_logappendretryqueuesize Transactions whose markers are written, and their end is to be tried again.
# TYPE kafka_coordinator_transaction_transactionmarkerchannelmanager_logappendretryqueuesize gauge
kafka_coordinator_transaction_transactionmarkerchannelmanager_logappendretryqueuesize 0
# HELP kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize Writes of markers that are to be tried again.
# TYPE kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize gauge
kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize 1
# HELP ottla_transactions_ended_total Transactions whose markers are all written.
# TYPE ottla_transactions_ended_total counter
ottla_transactions_ended_total{result="abort"} 1
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
			t.Error(err)
		}
		if n, err := testutil.GatherAndCount(registry, "ottla_transactional_ids"); n != int(PrepareEpochFence) || err != nil {
			t.Errorf("%d states, %v", n, err)
		}
		open := c.Snapshot()
		want = fmt.Sprintf("[{tx PrepareCommit %s 5s 0 0 [b-0]}]", time.Now().UTC())
		if got := fmt.Sprint(open); got != want {
			t.Errorf("open: %v, want %v", got, want)
		}
	})
}
