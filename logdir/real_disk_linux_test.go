package logdir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ottla/zkcoord/cluster"
)

// mounted is a small real file system, gone with the test. It takes root, and a kernel that lets root mount.
func mounted(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }) // a test may have done it already
	return dir
}

// load appends to one log until stop is closed, and counts what was acknowledged.
type load struct {
	log          *Log
	acknowledged int
	refused      int
	failed       error // other than for want of space
	flushed      int   // batches that are synced
	// doubtful: the disk is about to fail. Of a sync that is under way when its file system is shut down, ext4 may say that it went
	// well though it did not (seen with Linux 6.18).
	doubtful atomic.Bool
}

// flushEvery is how many batches a load appends between two flushes.
const flushEvery = 50

func (w *load) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		_, err := w.log.AppendAsLeader(plain(3*w.acknowledged, 3, 1000), 0, OriginClient, 9)
		switch {
		case err == nil:
			w.acknowledged++
			if w.acknowledged%flushEvery == 0 && w.log.Flush() == nil && !w.doubtful.Load() {
				w.flushed = w.acknowledged
			}
		case errors.Is(err, ErrDiskFull):
			w.refused++
			time.Sleep(time.Millisecond) // as a client that tries again does
		default:
			w.failed = err
			return
		}
	}
}

// underLoad has two logs in each of two directories written at once, while something happens.
func underLoad(t *testing.T, o Options, happens func(m *Manager, loads []*load)) (*Manager, []*load) {
	t.Helper()
	m := open(t, o)
	var loads []*load
	for i := range 4 {
		l, err := m.LogOrCreate(cluster.TopicPartition{Topic: "load", Partition: int32(i)}, cluster.TopicID{1}, true)
		if err != nil {
			t.Fatal(err)
		}
		loads = append(loads, &load{log: l})
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, w := range loads {
		wg.Go(func() { w.run(stop) })
	}
	happens(m, loads)
	close(stop)
	wg.Wait()
	return m, loads
}

func awaitThat(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func smallFiles(dirs ...string) Options {
	o := testOptions(dirs...)
	o.Defaults.SegmentBytes, o.Defaults.IndexBytes = 64<<10, 4<<10
	o.Defaults.RetentionAge = -1
	o.RecoveryPointCheckpointInterval = 10 * time.Millisecond
	return o
}

// fill takes what is left of a file system.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "rest"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for page := make([]byte, 4096); err == nil; {
		_, err = f.Write(page)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// TestARealFullDisk fills a file system to the brim under load and frees it again: the other directory goes on meanwhile, this one
// afterwards, and what was acknowledged is there, also after a crash.
func TestARealFullDisk(t *testing.T) {
	small, large := mounted(t, 1<<20), t.TempDir()
	o := smallFiles(small, large)
	ballast, more := filepath.Join(small, "ballast"), filepath.Join(small, "more")
	m, loads := underLoad(t, o, func(m *Manager, loads []*load) {
		// What others leave on the disk fills it: the logs take the rest to the last byte.
		for _, name := range []string{ballast, more} {
			if err := os.WriteFile(name, make([]byte, 300<<10), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		space := func(dir string) int64 {
			_, free, err := m.Space(dir)
			if err != nil {
				t.Fatal(err)
			}
			return free
		}
		awaitThat(t, "a full disk", func() bool { return space(small) < 4096 })
		ends := func(dir string) (n int64) {
			for _, w := range loads {
				if w.log.Dir() == dir {
					n += w.log.LogEndOffset()
				}
			}
			return n
		}
		before := ends(large)
		awaitThat(t, "the other directory goes on", func() bool { return ends(large) > before+300 })
		before = ends(small)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		awaitThat(t, "the full one goes on", func() bool { return ends(small) > before+300 })
	})
	refused := 0
	for _, w := range loads {
		refused += w.refused
		if w.failed != nil {
			t.Errorf("%v: %v", w.log, w.failed)
		}
		if w.log.LogEndOffset() != int64(3*w.acknowledged) {
			t.Errorf("%v: log end %d after %d batches", w.log, w.log.LogEndOffset(), w.acknowledged)
		}
	}
	if refused == 0 || len(m.OfflineDirs()) > 0 {
		t.Errorf("%d refused, offline: %v", refused, m.OfflineDirs())
	}
	m.Abandon()
	fill(t, small)
	for _, full := range []bool{true, false} {
		if !full {
			if err := os.Remove(more); err != nil {
				t.Fatal(err)
			}
		}
		m = open(t, o)
		for _, w := range loads {
			l, ok := m.Log(w.log.tp)
			if !ok {
				t.Fatalf("after a crash, full %v: %v", full, m.Quarantined())
			}
			wantValues(t, l, 0, 0, 3*w.acknowledged)
			if !full { // or it may have no indexes
				checkLog(t, l)
			}
		}
		m.Abandon()
	}
}

// TestAnUnmountedDirectoryGoesOfflineAlone: files that are open go on to work, but what is made anew would land in the mount point.
func TestAnUnmountedDirectoryGoesOfflineAlone(t *testing.T) {
	bad, good := mounted(t, 64<<20), t.TempDir()
	o := smallFiles(bad, good)
	failed := make(chan string, 2)
	o.OnDirFailure = func(dir string, _ error) { failed <- dir }
	m, loads := underLoad(t, o, func(m *Manager, loads []*load) {
		awaitThat(t, "a first roll", func() bool { return len(loads[0].log.list()) > 1 })
		if err := unix.Unmount(bad, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		awaitThat(t, "the directory goes offline", func() bool { return len(m.OfflineDirs()) == 1 })
		for _, w := range loads {
			if w.log.Dir() == good {
				before := w.log.LogEndOffset()
				awaitThat(t, "the other goes on", func() bool { return w.log.LogEndOffset() > before+300 })
			}
		}
	})
	if dir := <-failed; dir != bad || len(failed) > 0 {
		t.Errorf("%s went offline, and %d more", dir, len(failed))
	}
	for _, w := range loads {
		switch {
		case w.log.Dir() == bad && !errors.Is(w.failed, ErrStorage):
			t.Errorf("%v in the bad directory: %v", w.log, w.failed)
		case w.log.Dir() == good && w.failed != nil:
			t.Errorf("%v in the good directory: %v", w.log, w.failed)
		}
	}
	m.Abandon()
	if entries, err := os.ReadDir(bad); err != nil || len(entries) > 0 {
		t.Errorf("in the mount point there is %v, %v", entries, err)
	}
	// The next start has the good one at least.
	o.OnDirFailure, o.Dirs = nil, []string{good}
	again, err := Open(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Abandon()
	for _, w := range loads {
		if l, ok := again.Log(w.log.tp); w.log.Dir() == good {
			if !ok {
				t.Fatalf("%v is gone", w.log)
			}
			wantValues(t, l, 0, 0, 3*w.acknowledged)
		}
	}
}
