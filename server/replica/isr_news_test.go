package replica

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"ottla/zkcoord/cluster"
)

// After a restart of a broker every partition that it follows has the same to tell.
func TestNewsOfISRsIsGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logtest.NewNullLogger()
		said := func() (text []string) {
			for _, e := range lines.AllEntries() {
				text = append(text, e.Level.String()+": "+e.Message)
			}
			lines.Reset()
			return text
		}
		n := &isrNews{log: log}
		expect := func(want ...string) {
			t.Helper()
			if got := said(); !slices.Equal(got, want) {
				t.Errorf("said %q, want %q", got, want)
			}
		}
		partition := func(p int) cluster.TopicPartition {
			return cluster.TopicPartition{Topic: "orders", Partition: int32(p)}
		}
		n.tell(logrus.InfoLevel, partition(0), "[1 2] -> [1 2 3], partition epoch 7", "[3] joined")
		expect()
		time.Sleep(isrNewsAfter)
		synctest.Wait()
		expect("info: orders-0: ISR [1 2] -> [1 2 3], partition epoch 7; [3] joined")

		for p := range 1000 {
			n.tell(logrus.InfoLevel, partition(p), "[1] -> [1 3]", "[3] joined")
			if p%500 == 0 {
				n.tell(logrus.WarnLevel, partition(p), "[1 2] -> [1] asked for", "[2] lags")
			}
			time.Sleep(isrNewsAfter / 2000)
		}
		time.Sleep(isrNewsAfter)
		synctest.Wait()
		expect("info: ISRs of 1000 partitions: [3] joined: orders-0: ISR [1] -> [1 3]; orders-1: ISR [1] -> [1 3]; orders-2: ISR [1] -> [1 3]; "+
			"orders-3: ISR [1] -> [1 3]; orders-4: ISR [1] -> [1 3]; and 995 more",
			"warning: ISRs of 2 partitions: [2] lags: orders-0: ISR [1 2] -> [1] asked for; orders-500: ISR [1 2] -> [1] asked for")

		// What is gathered when the broker stops is told before.
		n.tell(logrus.InfoLevel, partition(0), "[1 2] -> [1]", "[2] left")
		n.close()
		expect("info: orders-0: ISR [1 2] -> [1]; [2] left")
	})
}

func TestMovement(t *testing.T) {
	for want, tc := range map[string][2][]cluster.BrokerID{
		"[3] joined":                {{1, 2}, {1, 2, 3}},
		"[2 3] left":                {{1, 2, 3}, {1}},
		"[3 4] joined, [2] left":    {{1, 2}, {1, 3, 4}},
		"they stand in a new order": {{1, 2}, {2, 1}},
	} {
		if got := movement(tc[0], tc[1]); got != want {
			t.Errorf("%v -> %v: %s, want %s", tc[0], tc[1], got, want)
		}
	}
}
