package integration

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
)

// What transactions leave on disk, as Apache Kafka's DumpLogSegments reads it: the index of aborted transactions, the
// snapshot of producers, and the records of both coordinators.
func TestApacheReadsWhatTransactionsLeaveOnDisk(t *testing.T) {
	apache.Require(t)
	cluster := testcluster.Start(t, 1, testcluster.WithSetting("transaction.state.log.num.partitions", "1"), testcluster.WithSetting("offsets.topic.num.partitions", "1"))
	cluster.CreateTopic("in", 1, 1, nil)
	cluster.CreateTopic("out", 1, 1, nil)
	produceNumbers(t, franzAt(t, cluster.Addrs()[0]), "in", 3)
	c := &copier{addrs: cluster.Addrs(), group: "copiers", id: "copier-1", in: "in", out: "out"}
	c.open(t)
	for _, commit := range []bool{false, true} {
		fetches := c.session.PollRecords(patient(t), 3)
		if err := c.transaction(patient(t), fetches, commit); err != nil || fetches.NumRecords() != 3 {
			t.Fatalf("%d records, %v", fetches.NumRecords(), err)
		}
	}
	id, epoch, err := c.session.Client().ProducerID(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	c.session.Close()
	cluster.Broker(1).Stop()

	dump := func(pattern string, args ...string) string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(cluster.Broker(1).LogDir(), pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		return apache.Tool(t, apache.DumpLogSegments, append(args, "--files", strings.Join(files, ","))...)
	}
	says := func(out string, patterns ...string) {
		t.Helper()
		for _, p := range patterns {
			if !regexp.MustCompile(p).MatchString(out) {
				t.Errorf("nothing like %q in:\n%s", p, out)
			}
		}
	}
	// Three records and a marker, twice; the first three were aborted.
	says(dump("out-0/*.[tsl][xno]*", "--print-data-log"),
		fmt.Sprintf(`version: 0 producerId: %d firstOffset: 0 lastOffset: 3 lastStableOffset: 4`, id),
		fmt.Sprintf(`producerId: %d producerEpoch: %d coordinatorEpoch: 0 currentTxnFirstOffset: OptionalLong.empty lastTimestamp: \d+ firstSequence: 3 lastSequence: 5 lastOffset: 6 offsetDelta: 2 timestamp: \d+`, id, epoch),
		`(?s)offset: 3 .* endTxnMarker: ABORT coordinatorEpoch: 0.*offset: 7 .* endTxnMarker: COMMIT coordinatorEpoch: 0`)
	var states []string
	for _, state := range []string{
		`Empty,partitions=\[\]`,
		`Ongoing,partitions=\[out-0\]`, `PrepareAbort,partitions=\[out-0\]`, `CompleteAbort,partitions=\[\]`,
		`Ongoing,partitions=\[out-0\]`, `PrepareCommit,partitions=\[__consumer_offsets-0,out-0\]`, `CompleteCommit,partitions=\[\]`,
	} {
		states = append(states, fmt.Sprintf(`transactionalId=copier-1 payload: producerId:%d,producerEpoch:%d,state=%s,`, id, epoch, state))
	}
	says(dump("__transaction_state-0/*.log", "--transaction-log-decoder"), `(?s)`+strings.Join(states, ".*"))
	says(dump("__consumer_offsets-0/*.log", "--offsets-decoder"),
		`(?s)"group":"copiers","topic":"in","partition":0.*"offset":3,"leaderEpoch":0.*endTxnMarker: COMMIT coordinatorEpoch: 0`)
}
