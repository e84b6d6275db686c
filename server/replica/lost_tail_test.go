package replica

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"ottla/logdir/disk"
)

// The power fails before records that are committed, and acknowledged, have been flushed anywhere.
func TestALeaderThatHasLostItsTailSaysSo(t *testing.T) {
	for name, tc := range map[string]struct {
		kept  bool // the disk keeps the records
		leads bool
		want  []string
	}{
		"elected without them": {leads: true, want: []string{"elected leader of 1 partitions whose logs have lost their ends in the last stop; " +
			"what this broker has lost there nobody may keep: orders-0 ends at 0 and was committed to 5"}},
		"a follower copies them again": {},
		"elected with all of them":     {kept: true, leads: true},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := disk.NewCrashing()
			before := openRig(t, fsys, "/data")
			before.lead(0, 1, 2)
			before.mustProduce(5)
			before.fetchFrom(2, 0, 5)
			if err := before.logs.CheckpointHighWatermarks(); err != nil {
				t.Fatal(err)
			}
			after := fsys.PowerFailure(nil)
			if tc.kept {
				after = fsys.Killed()
			}
			log, lines := logtest.NewNullLogger()
			registry := prometheus.NewRegistry()
			r := openRig(t, after, "/data", func(o *Options) { o.Log, o.Metrics = log, registry })
			for epoch := int32(1); epoch < 3; epoch++ { // it is told once
				if tc.leads {
					r.leadWith(epoch, ids(1), ids(1, 2))
				} else {
					r.follow(2, epoch, 1, 2)
				}
			}
			var said []string
			for _, line := range lines.AllEntries() {
				if line.Level == logrus.ErrorLevel {
					said = append(said, line.Message)
				}
			}
			if !slices.Equal(said, tc.want) {
				t.Errorf("said %q, want %q", said, tc.want)
			}
			if n := testutil.ToFloat64(r.m.metrics.lostTails); int(n) != len(tc.want) {
				t.Errorf("counted %v, want %d", n, len(tc.want))
			}
		})
	}
}
