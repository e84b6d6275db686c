package logdir

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
)

// listening is a logger whose lines a test can count.
func listening() (logrus.FieldLogger, *test.Hook) {
	log, hook := test.NewNullLogger()
	log.SetOutput(io.Discard)
	return log, hook
}

// countLines is how many lines contain a text.
func countLines(hook *test.Hook, text string) (n int) {
	for _, e := range hook.AllEntries() {
		if line, err := e.String(); err == nil && strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// TestLowSpaceKeepsClientsOut: below storage.min.free.bytes a client's records are refused; a retry of what is there already,
// a coordinator's records and a leader's are not.
func TestLowSpaceKeepsClientsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		o := crashOptions(fsys)
		var hook *test.Hook
		o.Log, hook = listening()
		o.MinFreeBytes = 100_000
		m := open(t, o)
		l := create(t, m)
		fsys.SetSpace(120_000)
		look := func() { time.Sleep(2 * spaceCheck); synctest.Wait() }
		look()

		// What is appended between two looks counts: the reserve is not touched although nobody has looked.
		n := 0
		var err error
		for ; err == nil && n < 10_000; n++ {
			_, err = l.AppendAsLeader(sequenced(7, 0, int32(n), 1), 0, OriginClient, 9)
		}
		if !errors.Is(err, ErrStorage) || !errors.Is(err, ErrLowSpace) {
			t.Fatalf("after %d batches: %v", n, err)
		}
		if _, free, _ := fsys.Space("/logs"); free < 90_000 || n < 100 {
			t.Errorf("%d bytes are free after %d batches", free, n)
		}
		look()
		if got := countLines(hook, "clients' records are refused"); got != 1 || testutil.ToFloat64(m.metrics.lowDirs) != 1 {
			t.Errorf("%d lines, metric %v", got, testutil.ToFloat64(m.metrics.lowDirs))
		}
		end := l.LogEndOffset()
		if r, err := l.AppendAsLeader(sequenced(7, 0, int32(n-2), 1), 0, OriginClient, 9); err != nil || !r.Duplicate {
			t.Errorf("a retry of what is there: %+v, %v", r, err)
		}
		if _, err := l.AppendAsLeader(plain(0, 1, 1), 0, OriginCoordinator, 9); err != nil {
			t.Errorf("a coordinator's record: %v", err)
		}
		copied := plain(0, 1, 1)
		batch.SetOffset(copied, end+1)
		if _, err := l.AppendAsFollower(copied); err != nil {
			t.Errorf("a leader's record: %v", err)
		}

		fsys.SetSpace(101_000) // not enough to begin again
		look()
		if _, err := l.AppendAsLeader(plain(0, 1, 1), 0, OriginClient, 9); !errors.Is(err, ErrLowSpace) {
			t.Errorf("just above the reserve: %v", err)
		}
		fsys.SetSpace(150_000)
		look()
		produce(t, l, sequenced(7, 0, int32(n-1), 1))
		if got := countLines(hook, "clients' records are taken again"); got != 1 || testutil.ToFloat64(m.metrics.lowDirs) != 0 {
			t.Errorf("%d lines, metric %v", got, testutil.ToFloat64(m.metrics.lowDirs))
		}
		checkLog(t, l)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAFullDiskIsToldOnce: one line when it is full and one when it is not, however many appends meet it.
func TestAFullDiskIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		o := crashOptions(fsys)
		var hook *test.Hook
		o.Log, hook = listening()
		m := open(t, o)
		l := create(t, m)
		fsys.SetSpace(0)
		for range 20 {
			if _, err := l.AppendAsLeader(plain(0, 1, 1), 0, OriginClient, 9); !errors.Is(err, ErrStorage) || !errors.Is(err, ErrDiskFull) {
				t.Fatal(err)
			}
			time.Sleep(spaceCheck / 2)
		}
		if got := countLines(hook, "is full"); got != 1 || testutil.ToFloat64(m.metrics.fullDirs) != 1 {
			t.Errorf("%d lines, metric %v", got, testutil.ToFloat64(m.metrics.fullDirs))
		}
		fsys.SetSpace(-1)
		produce(t, l, plain(0, 1, 1))
		time.Sleep(3 * spaceCheck)
		synctest.Wait()
		if got := countLines(hook, "has space again"); got != 1 || testutil.ToFloat64(m.metrics.fullDirs) != 0 {
			t.Errorf("%d lines, metric %v", got, testutil.ToFloat64(m.metrics.fullDirs))
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRetentionMakesSpaceOnAFullDisk: deleting needs no space, not even for the epochs, nor for the segment that would
// follow upon the last.
func TestRetentionMakesSpaceOnAFullDisk(t *testing.T) {
	fsys := disk.NewCrashing()
	m := open(t, crashOptions(fsys))
	l := create(t, m)
	for epoch := range int32(4) {
		if err := l.AssignEpochStart(epoch, l.LogEndOffset()); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := l.AppendAsLeader(plain(0, 3, 1000), epoch, OriginClient, 9); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.SetHighWatermark(l.LogEndOffset())
	segments := len(l.list())
	fsys.SetSpace(0)
	c := l.Config()
	c.RetentionAge = time.Hour // the records are of 1970
	m.Reconfigure(orders.Topic, c)
	if err := l.applyRetention(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := len(l.list()); n != 1 || segments < 5 || l.LogStartOffset() == 0 {
		t.Errorf("%d segments of %d are left, the log starts at %d", n, segments, l.LogStartOffset())
	}
	checkEpochs := func(l *Log) {
		t.Helper()
		if e := l.Epochs(); len(e) != 1 || e[0].Epoch != 3 || e[0].StartOffset != l.LogStartOffset() {
			t.Errorf("epochs %v of a log that starts at %d", e, l.LogStartOffset())
		}
	}
	checkEpochs(l)
	fsys.SetSpace(-1)
	produceAt(t, l, 3)
	m.Abandon()

	m = open(t, crashOptions(fsys.Killed()))
	l, ok := m.Log(orders)
	if !ok {
		t.Fatal(m.Quarantined())
	}
	checkEpochs(l)
	checkLog(t, l)
}

func produceAt(t *testing.T, l *Log, epoch int32) {
	t.Helper()
	if _, err := l.AppendAsLeader(plain(0, 1, 1000), epoch, OriginClient, 9); err != nil {
		t.Fatal(err)
	}
}
