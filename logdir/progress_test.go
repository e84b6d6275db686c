package logdir

import (
	"testing"
	"testing/synctest"
	"time"

	"ottla/logdir/disk"
)

// TestALongStartTellsItsProgress: of one large log, too, for which a slow disk takes minutes.
func TestALongStartTellsItsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		o := crashOptions(fsys)
		m := open(t, o)
		if err := appendAll(create(t, m), &history{}, 40, 3); err != nil {
			t.Fatal(err)
		}
		m.Abandon()
		log, hook := listening()
		o.Log = log
		fsys.Fail(func(disk.Op, string) error {
			time.Sleep(time.Second)
			return nil
		})
		began := time.Now()
		m = open(t, o)
		took := time.Since(began)
		fsys.Fail(nil)
		if n := countLines(hook, "0 of 1 logs loaded"); took < time.Minute || n < int(took/progressPeriod)-5 || n > int(took/progressPeriod) {
			t.Errorf("%d lines in a start of %v", n, took)
		}
		m.Abandon()
	})
}
