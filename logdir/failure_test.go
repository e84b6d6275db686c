package logdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

func TestFullDiskLeavesTheLogAsItWas(t *testing.T) {
	for space := range int64(400) {
		fsys := disk.NewCrashing()
		o := crashOptions(fsys)
		failed := false
		o.OnDirFailure = func(string, error) { failed = true }
		m := open(t, o)
		l := create(t, m)
		n := 0
		for range 5 {
			produce(t, l, plain(n, 3, 1000))
			n += 3
		}
		fsys.SetSpace(space)
		written := n
		for range 12 {
			_, err := l.AppendAsLeader(plain(n, 3, 1000), 0, OriginClient, 9)
			if err == nil {
				n += 3
				continue
			}
			if !errors.Is(err, ErrStorage) || !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("space %d: %v", space, err)
			}
		}
		if l.LogEndOffset() != int64(n) || n == written+36 && space < 100 {
			t.Fatalf("space %d: log end %d, want %d", space, l.LogEndOffset(), n)
		}
		wantValues(t, l, 0, 0, n)
		fsys.SetSpace(-1)
		produce(t, l, plain(n, 2, 1000))
		wantValues(t, l, 0, 0, n+2)
		checkLog(t, l)
		if failed || l.dir.err() != nil {
			t.Fatalf("space %d: the directory went offline: %v", space, l.dir.err())
		}
		m.Abandon()
		after := open(t, crashOptions(fsys.Killed()))
		l, _ = after.Log(orders)
		if l == nil {
			t.Fatalf("space %d: %v", space, after.Quarantined())
		}
		wantValues(t, l, 0, 0, n+2)
		after.Abandon()
	}
}

func TestFailingDiskTakesItsDirectoryOffline(t *testing.T) {
	for _, tc := range []struct {
		op    disk.Op
		errno syscall.Errno
	}{
		{disk.OpWrite, syscall.EIO}, {disk.OpSync, syscall.EIO}, {disk.OpRead, syscall.EIO},
		{disk.OpWrite, syscall.EROFS}, // as ext4 becomes after an error
		{disk.OpSync, syscall.ENOSPC}, // some find out late
	} {
		op := tc.op
		t.Run(fmt.Sprintf("%s %v", op, tc.errno), func(t *testing.T) {
			fsys := disk.NewCrashing()
			o := crashOptions(fsys)
			o.Dirs = []string{"/a", "/b"}
			failed := make(chan string, 1)
			o.OnDirFailure = func(dir string, err error) { failed <- dir }
			m := open(t, o)
			l := create(t, m)
			produce(t, l, plain(0, 3, 1))
			fsys.Fail(func(got disk.Op, name string) error {
				if got == op && strings.HasPrefix(name, l.Dir()) && strings.HasSuffix(name, suffixLog) {
					return tc.errno
				}
				return nil
			})
			var err error
			switch op {
			case disk.OpWrite:
				_, err = l.AppendAsLeader(plain(3, 1, 1), 0, OriginClient, 9)
			case disk.OpSync:
				err = l.Flush()
			default:
				_, err = l.Read(1, 10, true, LimitLogEnd)
			}
			if !errors.Is(err, ErrStorage) || !errors.Is(err, tc.errno) {
				t.Fatalf("error %v", err)
			}
			if dir := <-failed; dir != l.Dir() || len(m.LiveDirs()) != 1 || len(m.OfflineDirs()) != 1 {
				t.Errorf("%s failed; live %v, offline %v", dir, m.LiveDirs(), m.OfflineDirs())
			}
			for _, dir := range m.o.Dirs {
				if told := testutil.ToFloat64(m.metrics.offline.WithLabelValues(dir)); (told == 1) != (dir == l.Dir()) {
					t.Errorf("the metric of %s is %v", dir, told)
				}
			}
			fsys.Fail(nil) // a disk that failed once is not believed again
			if _, err := l.AppendAsLeader(plain(3, 1, 1), 0, OriginClient, 9); !errors.Is(err, ErrStorage) {
				t.Errorf("append: %v", err)
			}
			if _, err := l.Read(0, 10, true, LimitLogEnd); !errors.Is(err, ErrStorage) {
				t.Errorf("read: %v", err)
			}
			other := cluster.TopicPartition{Topic: "other"}
			if _, err := m.LogOrCreate(other, cluster.TopicID{2}, false); !errors.Is(err, ErrOfflineDir) {
				t.Errorf("a log that may be in the failed directory: %v", err)
			}
			if made, err := m.LogOrCreate(other, cluster.TopicID{2}, true); err != nil || made.Dir() != m.LiveDirs()[0] {
				t.Errorf("a new log: %v", err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAcknowledgedIsSynced: with flush.messages=1 nobody hears of a record before it is synced, and those
// who wait share the syncs.
func TestAcknowledgedIsSynced(t *testing.T) {
	fsys := disk.NewCrashing()
	o := crashOptions(fsys)
	o.Defaults.FlushMessages = 1
	o.Defaults.SegmentBytes = 1 << 20
	m := open(t, o)
	l := create(t, m)
	syncs := 0
	fsys.Fail(func(op disk.Op, name string) error {
		if op == disk.OpSync && strings.HasSuffix(name, suffixLog) {
			syncs++
			if l.LogEndOffset() != 0 && syncs == 1 {
				return errors.New("published before it was synced")
			}
		}
		return nil
	})
	const appenders = 50
	var wg sync.WaitGroup
	for range appenders {
		wg.Go(func() {
			r, err := l.AppendAsLeader(plain(0, 1, 1), 0, OriginClient, 9)
			if err != nil {
				t.Error(err)
				return
			}
			if end := l.LogEndOffset(); end <= r.LastOffset {
				t.Errorf("acknowledged %d, the log end is %d", r.LastOffset, end)
			}
			if point := l.RecoveryPoint(); point <= r.LastOffset {
				t.Errorf("acknowledged %d, synced below %d", r.LastOffset, point)
			}
		})
	}
	wg.Wait()
	fsys.Fail(nil)
	if syncs > appenders {
		t.Errorf("%d syncs for %d appends", syncs, appenders)
	}
	after := open(t, crashOptions(fsys.PowerFailure(rand.New(rand.NewPCG(1, 1)))))
	l, ok := after.Log(orders)
	if !ok || l.LogEndOffset() != appenders {
		t.Fatalf("after the power failure: %v, %v", ok, after.Quarantined())
	}
}

func TestDamageBelowTheRecoveryPointIsNotCutAway(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(dir)
	m := open(t, o)
	l := create(t, m)
	for i := range 5 {
		produce(t, l, plain(i*2, 2, 1))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.LogOrCreate(cluster.TopicPartition{Topic: "sound"}, cluster.TopicID{2}, true); err != nil {
		t.Fatal(err)
	}
	m.checkpointRecoveryPoints()
	size := l.active().size.Load()
	m.Abandon()
	name := filepath.Join(dir, "orders-0", offsetName(0, suffixLog))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size-3); err != nil {
		t.Fatal(err)
	}
	m = open(t, o)
	if _, ok := m.Log(orders); ok || len(m.Quarantined()) != 1 {
		t.Fatalf("quarantined: %v", m.Quarantined())
	}
	if _, err := m.LogOrCreate(orders, cluster.TopicID{1}, true); !errors.Is(err, ErrStorage) {
		t.Errorf("%v", err)
	}
	if _, ok := m.Log(cluster.TopicPartition{Topic: "sound"}); !ok {
		t.Error("another partition is offline too")
	}
	if info, err := os.Stat(name); err != nil || info.Size() != size-3 {
		t.Errorf("the file was changed: %v, %v", info, err)
	}
	if err := m.Reload(orders); err == nil || len(m.Quarantined()) != 1 {
		t.Errorf("reloaded without being mended: %v", err)
	}
	if err := os.WriteFile(name, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.Reload(orders); err != nil {
		t.Fatal(err)
	}
	l, _ = m.Log(orders)
	wantValues(t, l, 0, 0, 10)
	m.Abandon()
	if err := os.Truncate(name, size-3); err != nil {
		t.Fatal(err)
	}
	m = open(t, o)
	if err := m.Delete(orders); err != nil || len(m.Quarantined()) != 0 {
		t.Errorf("delete what is quarantined: %v", err)
	}
	if l, err = m.LogOrCreate(orders, cluster.TopicID{5}, true); err != nil || l.LogEndOffset() != 0 {
		t.Errorf("made anew: %v", err)
	}
}

func TestTornTailIsCut(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(dir)
	m := open(t, o)
	l := create(t, m)
	for i := range 5 {
		produce(t, l, plain(i*2, 2, 1))
	}
	size := l.active().size.Load()
	m.Abandon()
	name := filepath.Join(dir, "orders-0", offsetName(0, suffixLog))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	batchSize := int(size) / 5
	for cut := range int(size) {
		for _, tail := range []string{"", "garbage that is long enough to look like the header of a batch, but is none"} {
			if err := os.WriteFile(name, append(whole[:cut:cut], tail...), 0o644); err != nil {
				t.Fatal(err)
			}
			if cut%7 != 0 {
				continue
			}
			m, err := Open(context.Background(), o, nil)
			if err != nil {
				t.Fatal(err)
			}
			l, ok := m.Log(orders)
			if !ok || l.LogEndOffset() != int64(cut/batchSize*2) {
				t.Fatalf("cut at %d: %v", cut, m.Quarantined())
			}
			wantValues(t, l, 0, 0, cut/batchSize*2)
			m.Abandon()
		}
	}
}

func TestDirectoryOfAnother(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(dir)
	m := open(t, o)
	if _, err := Open(context.Background(), o, nil); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("a directory in use: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, lockFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock file stays: %v", err)
	}
	o.BrokerID = 2
	if _, err := Open(context.Background(), o, nil); !errors.Is(err, ErrMeta) {
		t.Errorf("of another broker: %v", err)
	}
	o.BrokerID, o.ClusterID = 1, "other"
	if _, err := Open(context.Background(), o, nil); !errors.Is(err, ErrMeta) {
		t.Errorf("of another cluster: %v", err)
	}
}

func TestDeletedAndMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		o := crashOptions(fsys)
		m := open(t, o)
		l := create(t, m)
		for i := range 20 {
			produce(t, l, plain(i*3, 3, 1))
		}
		l.SetHighWatermark(60)
		if err := l.AdvanceLogStart(40); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Flush(), m.CheckpointHighWatermarks(), m.checkpointAll(recoveryPointFile), m.checkpointAll(logStartFile)); err != nil {
			t.Fatal(err)
		}
		if err := m.Delete(orders); err != nil {
			t.Fatal(err)
		}
		if err := m.Delete(orders); !errors.Is(err, ErrUnknownLog) {
			t.Errorf("deleted twice: %v", err)
		}
		if _, err := l.AppendAsLeader(plain(0, 1, 1), 0, OriginClient, 9); !errors.Is(err, ErrClosed) {
			t.Errorf("append to a deleted log: %v", err)
		}
		made, err := m.LogOrCreate(orders, cluster.TopicID{2}, true)
		if err != nil || made.LogEndOffset() != 0 || made.LogStartOffset() != 0 {
			t.Fatalf("%+v, %v", made, err)
		}
		if _, err := m.LogOrCreate(orders, cluster.TopicID{3}, true); !errors.Is(err, ErrTopicID) {
			t.Errorf("another id: %v", err)
		}
		produce(t, made, plain(0, 3, 1))
		folders, _ := fsys.ReadDir("/logs")
		if n := countDeleted(folders); n != 1 {
			t.Errorf("%d deleted directories", n)
		}
		m.Abandon()
		after := open(t, crashOptions(fsys.Killed()))
		l, ok := after.Log(orders)
		if !ok || l.LogStartOffset() != 0 || l.LogEndOffset() != 3 {
			t.Fatalf("after a crash: %v, %v", ok, after.Quarantined())
		}
		wantValues(t, l, 0, 0, 3)
		time.Sleep(61 * time.Second) // file.delete.delay.ms
		synctest.Wait()
		folders, _ = after.fs.ReadDir("/logs")
		if n := countDeleted(folders); n != 0 {
			t.Errorf("%d deleted directories after a minute", n)
		}
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func countDeleted(entries []fs.DirEntry) (n int) {
	for _, e := range entries {
		if isDeleted(e.Name()) && len(e.Name()) <= maxFileName {
			n++
		}
	}
	return n
}

func TestRetention(t *testing.T) {
	for name, tc := range map[string]struct {
		config func(*Config)
		hw     int64
		after  time.Duration
		start  int64
	}{
		"young segments stay":               {config: func(c *Config) {}, hw: 30, after: time.Hour},
		"old segments go":                   {config: func(c *Config) { c.RetentionAge = time.Hour }, hw: 30, after: 2 * time.Hour, start: 30},
		"not above the high watermark":      {config: func(c *Config) { c.RetentionAge = time.Hour }, hw: 14, after: 2 * time.Hour, start: 9},
		"of size, as many as are in excess": {config: func(c *Config) { c.RetentionBytes = 500 }, hw: 30, after: time.Hour, start: 9},
		"not of compacted topics":           {config: func(c *Config) { c.RetentionAge, c.Delete, c.Compact = time.Hour, false, true }, hw: 30, after: 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fsys := disk.NewCrashing()
				o := crashOptions(fsys)
				o.Defaults = DefaultConfig()
				o.Defaults.SegmentBytes, o.Defaults.IndexBytes = 300, 240
				tc.config(&o.Defaults)
				o.RetentionCheckInterval = 5 * time.Minute
				m := open(t, o)
				l := create(t, m)
				for i := range 10 {
					produce(t, l, plain(i*3, 3, time.Now().UnixMilli()))
				}
				l.SetHighWatermark(tc.hw)
				before, _ := fsys.ReadDir("/logs/orders-0")
				time.Sleep(tc.after)
				synctest.Wait()
				if l.LogStartOffset() != tc.start || l.LogEndOffset() != 30 {
					t.Errorf("log [%d, %d), want %d", l.LogStartOffset(), l.LogEndOffset(), tc.start)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if after, _ := fsys.ReadDir("/logs/orders-0"); tc.start > 0 && len(after) >= len(before) {
					t.Errorf("%d files, before %d", len(after), len(before))
				}
				wantValues(t, l, tc.start, int(tc.start), 30-int(tc.start))
				checkLog(t, l)
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestSegmentsRollByTime(t *testing.T) {
	l := logWith(t, func(c *Config) { c.SegmentAge = time.Minute })
	for i, ts := range []int64{0, 59_000, 60_000, 60_001, 120_000, 120_002} {
		produce(t, l, plain(i, 1, ts))
	}
	var bases []int64
	for _, s := range l.list() {
		bases = append(bases, s.base)
	}
	if fmt.Sprint(bases) != "[0 3 5]" {
		t.Errorf("segments %v", bases)
	}
}

// TestJitterRollsSegmentsEarlier: so that those that were begun together are not closed together.
func TestJitterRollsSegmentsEarlier(t *testing.T) {
	l := logWith(t, func(c *Config) { c.SegmentAge, c.SegmentJitter = time.Minute, 20*time.Second })
	different := map[time.Duration]bool{}
	for i := range int64(20) {
		j := jitterOf(i, 20*time.Second)
		if j < 0 || j >= 20*time.Second {
			t.Errorf("jitter %v", j)
		}
		different[j] = true
	}
	if len(different) < 15 {
		t.Errorf("only %d different ones", len(different))
	}
	early := l.active().jitter.Milliseconds()
	for i, ts := range []int64{0, 60_000 - early, 60_001 - early} {
		produce(t, l, plain(i, 1, ts))
	}
	if n := len(l.list()); n != 2 || l.active().base != 2 {
		t.Errorf("with a jitter of %d ms there are %d segments, the last from %d on", early, n, l.active().base)
	}
}

func TestFlushByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		o := crashOptions(fsys)
		o.Defaults.FlushAge = 10 * time.Second
		m := open(t, o)
		l := create(t, m)
		produce(t, l, plain(0, 3, 1))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if l.RecoveryPoint() != 0 {
			t.Error("flushed too early")
		}
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if l.RecoveryPoint() != 3 {
			t.Errorf("synced below %d", l.RecoveryPoint())
		}
		m.Abandon()
	})
}

func TestManyLogsWithFewOpenFiles(t *testing.T) {
	o := testOptions(t.TempDir())
	o.MaxOpenFiles = 10
	m := open(t, o)
	var logs []*Log
	for i := range 50 {
		l, err := m.LogOrCreate(cluster.TopicPartition{Topic: "many", Partition: int32(i)}, cluster.TopicID{1}, true)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, l)
	}
	var wg sync.WaitGroup
	for _, l := range logs {
		wg.Go(func() {
			for i := range 20 {
				produce(t, l, plain(i, 1, 1))
				wantValues(t, l, 0, 0, i+1)
			}
		})
	}
	wg.Wait()
	if n := len(m.files.mu.ring); n > 10 {
		t.Errorf("%d open files", n)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTooManyOpenFilesAreNoFailureOfTheDisk: what cannot be opened now can be a moment later.
func TestTooManyOpenFilesAreNoFailureOfTheDisk(t *testing.T) {
	fsys := disk.NewCrashing()
	o := crashOptions(fsys)
	m := open(t, o)
	l := create(t, m)
	produce(t, l, plain(0, 3, 1))
	fsys.Fail(func(op disk.Op, _ string) error {
		if op == disk.OpCreate {
			return syscall.EMFILE
		}
		return nil
	})
	var err error
	n := 3
	for ; err == nil && n < 100; n += 3 {
		_, err = l.AppendAsLeader(plain(n, 3, 1), 0, OriginClient, 9)
	}
	if n -= 3; !errors.Is(err, ErrStorage) || l.dir.err() != nil {
		t.Fatalf("%v; the directory: %v", err, l.dir.err())
	}
	fsys.Fail(nil)
	produce(t, l, plain(n, 3, 1))
	wantValues(t, l, 0, 0, n+3)
	checkLog(t, l)
}
