package server

import (
	"slices"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord/cluster"
)

// Partitions ask again every 50 ms while there is no controller, each time with a warning: a fail-over filled
// the log.
func TestAnAbsentControllerIsReportedOnce(t *testing.T) {
	log, lines := logtest.NewNullLogger()
	nobody := func() (to cluster.Endpoint, ok bool) { return to, false }
	c := startISRChanges(1, func() int64 { return 1 }, nil, nobody, func(bool) int16 { return 3 }, log)
	defer c.Close()
	for range 3 {
		answered := make(chan int16)
		c.AlterPartition(cluster.TopicPartition{Topic: "orders"}, cluster.TopicID{1}, cluster.LeaderAndISR{},
			func(_ cluster.LeaderAndISR, code int16) { answered <- code })
		if code := <-answered; code != kerr.UnknownServerError.Code {
			t.Errorf("answered %d", code)
		}
	}
	var said []string
	for _, line := range lines.AllEntries() {
		if line.Level <= logrus.WarnLevel {
			said = append(said, line.Message)
		}
	}
	if want := []string{"AlterPartition for 1 partitions: no controller is known; asking again until it is answered"}; !slices.Equal(said, want) {
		t.Errorf("logged %q", said)
	}
}
