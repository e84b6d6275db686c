package controller

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// Where sessions expire, reigns end before they have begun. Each such end was an error in the log, though the next controller
// went on at once and there was nothing to be done.
func TestAReignThatEndsBeforeItBeginsIsNoError(t *testing.T) {
	f := newFakeCluster(t)
	log, lines := logtest.NewNullLogger()
	f.log = log
	check(t, f.client(10*time.Second).CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{9}}, nil, zkcoord.NewTopicID()))
	raw := f.rawClient()
	for _, znode := range [][2]string{
		{"/brokers/topics/t/partitions"}, {"/brokers/topics/t/partitions/0"},
		{"/brokers/topics/t/partitions/0/state", `{"controller_epoch":0,"leader":-1,"version":1,"leader_epoch":4,"isr":[9]}`},
	} {
		_, err := raw.Create(znode[0], []byte(znode[1]), 0, worldACL())
		check(t, err)
	}
	// While it takes over, the controller asks whether a partition without a leader may have an unclean one. Its session ends then.
	var once sync.Once
	f.config = func() Config {
		once.Do(func() {
			for _, s := range f.zk.Sessions() {
				if slices.Contains(s.Ephemerals, "/controller") {
					f.zk.ExpireSession(s.ID)
				}
			}
		})
		return Config{}
	}
	one := f.start(1)
	f.eventually("the second reign", func() bool { return one.Active() && one.Epoch() == 2 })

	said := make(map[logrus.Level][]string)
	for _, line := range lines.AllEntries() {
		said[line.Level] = append(said[line.Level], line.Message)
	}
	if errs := said[logrus.ErrorLevel]; len(errs) > 0 {
		t.Errorf("errors: %q", errs)
	}
	if !slices.ContainsFunc(said[logrus.InfoLevel], func(line string) bool { return strings.Contains(line, "before it had taken over") }) {
		t.Errorf("nobody was told of the end of the first reign: %q", said[logrus.InfoLevel])
	}
}
