package logdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// keyed is a batch of records k<from>, k<from+1>, ... with a value.
func keyed(from, n int, value string) []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	for i := range n {
		b.Append(1000, fmt.Appendf(nil, "k%d", from+i), []byte(value))
	}
	return b.Bytes()
}

func compactedLog(t testing.TB, change func(*Options)) *Log {
	t.Helper()
	o := testOptions(t.TempDir())
	o.Defaults.SegmentBytes = 1000
	o.Defaults.Compact, o.Defaults.Delete = true, false
	if change != nil {
		change(&o)
	}
	return create(t, open(t, o))
}

func (l *Log) commitAll() { l.SetHighWatermark(l.LogEndOffset()) }

// TestCleanersFindTheirWork: nobody tells them of a topic whose policy changes, nor when it is dirty.
func TestCleanersFindTheirWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		l := compactedLog(t, func(o *Options) {
			o.Defaults.Compact = false
			o.Cleaner = DefaultCleanerOptions()
			o.Cleaner.Threads = 3
		})
		if n := runtime.NumGoroutine(); n > before+3 {
			t.Errorf("%d goroutines with nothing to compact", n-before)
		}
		for i := range 40 {
			produce(t, l, keyed(0, 5, fmt.Sprint("v", i)))
		}
		l.commitAll()
		size := l.Size()
		cfg := *l.cfg.Load()
		cfg.Compact = true
		l.m.Reconfigure("orders", cfg)
		time.Sleep(time.Minute)
		synctest.Wait()
		if l.Size() > size/4 || l.cleanPoint.Load() != l.active().base {
			t.Errorf("%d bytes of %d are left, clean up to %d of %d", l.Size(), size, l.cleanPoint.Load(), l.active().base)
		}
		if err := l.m.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestABadSegmentStopsOnlyItsPartition(t *testing.T) {
	reg := prometheus.NewRegistry()
	l := compactedLog(t, func(o *Options) { o.Metrics = reg })
	other, err := l.m.LogOrCreate(cluster.TopicPartition{Topic: "others", Partition: 1}, cluster.TopicID{2}, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*Log{l, other} {
		for i := range 40 {
			produce(t, l, keyed(0, 5, fmt.Sprint("v", i)))
		}
		l.commitAll()
	}
	f, err := os.OpenFile(l.list()[1].log.name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, 100); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	size := l.Size()
	s := l.m.cleaners.sweeper(DefaultCleanerOptions(), make(chan struct{}))
	for {
		c, ok := l.m.cleaners.grab(nowMillis())
		if !ok {
			break
		}
		s.clean(c, nowMillis())
		c.log.cleaning.unlock()
	}
	u, ok := l.m.Uncleanable()[orders]
	if !ok || len(l.m.Uncleanable()) != 1 || !errors.Is(u.Reason, ErrCorruptBatch) || !strings.Contains(u.Reason.Error(), "position") {
		t.Fatalf("uncleanable: %+v", l.m.Uncleanable())
	}
	if l.Size() != size || other.Size() >= size/2 || l.dir.err() != nil {
		t.Errorf("%d bytes of the bad one, %d of the other, of %d each; %v", l.Size(), other.Size(), size, l.dir.err())
	}
	want := fmt.Sprintf(`
		# HELP kafka_log_logcleanermanager_uncleanable_partitions_count Partitions that are not compacted any more.
		# TYPE kafka_log_logcleanermanager_uncleanable_partitions_count gauge
		kafka_log_logcleanermanager_uncleanable_partitions_count{logDirectory=%q} 1
	`, l.Dir())
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "kafka_log_logcleanermanager_uncleanable_partitions_count"); err != nil {
		t.Error(err)
	}
	// Once the bad segment is cut off, it is tried again.
	if err := l.TruncateTo(l.list()[1].base); err != nil || len(l.m.Uncleanable()) > 0 {
		t.Errorf("%v, %v", err, l.m.Uncleanable())
	}
	left, err := filepath.Glob(filepath.Join(l.folder(), "*"+suffixCleaned))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestASmallMapCleansStepByStep: with room for a few keys each pass goes a little further, and in the end all
// is as with one pass.
func TestASmallMapCleansStepByStep(t *testing.T) {
	l := compactedLog(t, nil)
	for i := range 60 {
		produce(t, l, keyed(i%7, 5, fmt.Sprint("v", i)))
	}
	l.commitAll()
	want := map[string]int64{}
	for key, r := range newestIn(t, l) {
		want[key] = r.Offset
	}
	passes := 0
	for ; cleanNow(t, l, CleanerOptions{DedupeBufferSize: 8 * offsetSlotSize}, nowMillis()); passes++ {
		if u := l.uncleanable.Load(); u != nil || passes > 100 {
			t.Fatalf("after %d passes: %+v", passes, u)
		}
	}
	for key, r := range newestIn(t, l) {
		if want[key] != r.Offset {
			t.Errorf("%s is at %d, was at %d", key, r.Offset, want[key])
		}
	}
	if passes < 5 || len(l.list()) > 5 {
		t.Errorf("%d passes, %d segments", passes, len(l.list()))
	}
	checkLog(t, l)
}

// TestReadersBesideACleaner: whoever reads while segments are replaced sees whole batches, in order, and at
// the end the newest of each key.
func TestReadersBesideACleaner(t *testing.T) {
	l := compactedLog(t, func(o *Options) { o.Defaults.FileDeleteDelay = 0 })
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for from := l.LogStartOffset(); from < l.HighWatermark(); {
					next, err := readWhole(l, from)
					if err != nil {
						t.Error(err)
						return
					}
					if next == from {
						break
					}
					from = next
				}
			}
		})
	}
	for i := range 30 {
		for range 8 {
			produce(t, l, keyed(i%7, 5, fmt.Sprint("v", i)))
		}
		l.commitAll()
		cleanNow(t, l, CleanerOptions{}, nowMillis())
	}
	close(stop)
	readers.Wait()
	if got := newestIn(t, l); len(got) != 11 || string(got["k6"].Value) != "v27" {
		t.Errorf("%v", got)
	}
	checkLog(t, l)
}

func readWhole(l *Log, from int64) (next int64, err error) {
	d, err := l.Read(from, 2000, true, LimitHighWatermark)
	if err != nil {
		return from, err
	}
	defer d.Release()
	b, err := d.Bytes()
	if err != nil {
		return from, err
	}
	next = from
	for one, err := range batch.All(b) {
		if err != nil {
			return from, err
		}
		h, err := batch.Check(one)
		if err != nil {
			return from, err
		}
		if h.LastOffset() < next {
			return from, fmt.Errorf("batch [%d, %d] where %d is next", h.BaseOffset, h.LastOffset(), next)
		}
		next = h.NextOffset()
	}
	return next, nil
}

// TestTruncationEndsACleaning: a follower that has to truncate does not wait for a cleaner, even one that its
// throttle has put to sleep.
func TestTruncationEndsACleaning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := compactedLog(t, func(o *Options) {
			o.Cleaner = DefaultCleanerOptions()
			o.Cleaner.BytesPerSecond = 1000
		})
		for i := range 100 {
			produce(t, l, keyed(0, 5, fmt.Sprint("v", i)))
		}
		l.commitAll()
		time.Sleep(16 * time.Second)
		if l.cleaning.tryLock() {
			t.Fatal("it is not being cleaned")
		}
		size, began := l.Size(), time.Now()
		if err := l.TruncateTo(l.LogEndOffset() - 5); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if l.cleanPoint.Load() >= 0 || l.Size() < size-200 {
			t.Errorf("clean up to %d, %d bytes", l.cleanPoint.Load(), l.Size())
		}
		checkLog(t, l)
		l.m.Abandon()
	})
}

func TestMinAndMaxCompactionLag(t *testing.T) {
	now := int64(10_000_000)
	for name, tc := range map[string]struct {
		min, max time.Duration
		due      bool
	}{
		"nothing holds it":              {max: Forever, due: true},
		"all of it is too young":        {min: 3 * time.Hour, max: Forever},
		"it is old enough":              {min: time.Hour, max: Forever, due: true},
		"not dirty enough, but overdue": {max: time.Hour, due: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := compactedLog(t, func(o *Options) {
				o.Defaults.MinCompactionLag, o.Defaults.MaxCompactionLag = tc.min, tc.max
				o.Defaults.SegmentAge = Forever
				if tc.max != Forever {
					o.Defaults.MinCleanableRatio = 1
				}
			})
			for range 40 {
				produce(t, l, keyed(0, 5, "v"))
			}
			l.commitAll()
			c, err := l.cleanable(now)
			if err != nil || c.due() != tc.due {
				t.Errorf("due %v, want %v: %+v, %v", c.due(), tc.due, c, err)
			}
		})
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th throttle
		th.set(1000)
		began := time.Now()
		for range 10 {
			th.spend(500, nil, nil)
		}
		if took := time.Since(began); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("5000 bytes at 1000 a second took %v", took)
		}
	})
}
