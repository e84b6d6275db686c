package replica

import (
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/twmb/franz-go/pkg/kerr"
)

// A controller that has just been elected tells every broker of every partition, in epochs that they know: each
// election drew a warning from each broker.
func TestWhatANewControllerRepeatsIsNoWarning(t *testing.T) {
	log, lines := logtest.NewNullLogger()
	r := newRig(t, func(o *Options) { o.Log = log })
	r.lead(4, 1, 2)
	warnings := func() (n int) {
		for _, line := range lines.AllEntries() {
			if line.Level <= logrus.WarnLevel {
				n++
			}
		}
		return n
	}
	repeated := state(1, 4, 4, []int32{1, 2}, []int32{1, 2})
	if code := r.decide(repeated); code != kerr.StaleControllerEpoch.Code {
		t.Errorf("answered %d", code)
	}
	if n := warnings(); n != 0 {
		t.Errorf("%d warnings", n)
	}
	older := state(1, 3, 3, []int32{1, 2}, []int32{1, 2})
	if code := r.decide(older); code != kerr.StaleControllerEpoch.Code {
		t.Errorf("answered %d", code)
	}
	if n := warnings(); n != 1 {
		t.Errorf("%d warnings of a decision that is too late, want 1", n)
	}
}
