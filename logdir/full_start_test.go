package logdir

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// TestRecoveryOnAFullDisk: what cannot be indexed is served all the same, takes records once there is space, and is indexed by the start after that.
func TestRecoveryOnAFullDisk(t *testing.T) {
	const batches = 2000
	fsys := disk.NewCrashing()
	o := crashOptions(fsys)
	o.Defaults.SegmentBytes, o.Defaults.IndexBytes, o.Defaults.IndexIntervalBytes = 40_000, 1<<20, 1
	m := open(t, o)
	l := create(t, m)
	for i := range batches {
		produce(t, l, plain(2*i, 2, int64(1000+10*i)))
	}
	m.Abandon()

	serves := func(l *Log) {
		t.Helper()
		for i := 0; i < batches; i += 7 {
			d, err := l.Read(int64(2*i), 1, true, LimitLogEnd)
			if err != nil {
				t.Fatal(err)
			}
			b, err := d.Bytes()
			d.Release()
			if h, err2 := batch.ReadHeader(b); err != nil || err2 != nil || h.BaseOffset != int64(2*i) {
				t.Fatalf("at %d there is %+v, %v, %v", 2*i, h, err, err2)
			}
			if at, _, _, found, err := l.OffsetForTimestamp(int64(1000 + 10*i)); err != nil || !found || at != int64(2*i) {
				t.Fatalf("timestamp %d: offset %d, %v, %v", 1000+10*i, at, found, err)
			}
		}
		if got := values(t, l, 0); len(got) < 2*batches || got[2*batches-1] != fmt.Sprintf("v%d", 2*batches-1) {
			t.Fatalf("%d records", len(got))
		}
	}
	for _, space := range []int64{0, 100, 2500, 5000, 9000} {
		fsys = fsys.Killed()
		fsys.SetSpace(space)
		o.FS = fsys
		log, hook := listening()
		o.Log = log
		m = open(t, o)
		l, ok := m.Log(orders)
		if !ok {
			t.Fatalf("%d bytes are free: %v", space, m.Quarantined())
		}
		if segments := len(l.list()); segments < 4 {
			t.Fatalf("only %d segments", segments)
		}
		if n := countLines(hook, "no space for all indexes"); n != 1 {
			t.Errorf("%d bytes are free: %d lines", space, n)
		}
		serves(l)
		if space == 0 {
			if _, err := l.AppendAsLeader(plain(0, 1, 1), 0, OriginClient, 9); !errors.Is(err, ErrDiskFull) {
				t.Errorf("an append to the full disk: %v", err)
			}
		}
		if len(m.OfflineDirs()) > 0 {
			t.Fatalf("%d bytes are free: the directory is offline", space)
		}
		m.Abandon()
	}

	fsys.SetSpace(0)
	m = open(t, o)
	l, _ = m.Log(orders)
	fsys.SetSpace(-1)
	for i := range 300 {
		produce(t, l, plain(0, 1, int64(1_000_000+i)))
	}
	serves(l)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, o)
	l, ok := m.Log(orders)
	if !ok {
		t.Fatal(m.Quarantined())
	}
	for _, s := range l.list()[:len(l.list())-1] {
		if s.offsets.count() < 100 || s.times.count() < 100 {
			t.Errorf("segment %d has %d and %d entries", s.base, s.offsets.count(), s.times.count())
		}
	}
	serves(l)
	checkLog(t, l)
}

// aborted ends a log with a transaction that was aborted.
func aborted(t *testing.T, l *Log) {
	t.Helper()
	b := batch.NewBuilder(batch.Options{ProducerID: 7, Transactional: true})
	b.Append(1000, nil, []byte("dropped"))
	produce(t, l, b.Bytes())
	end(t, l, 7, 0, false)
}

// TestAPartitionReturnsWithTheSpace: a start cannot do without noting which transactions were aborted. A partition for which that
// finds no space is offline, the others are not, and when there is space it is back without another start.
func TestAPartitionReturnsWithTheSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		o := crashOptions(fsys)
		m := open(t, o)
		aborted(t, create(t, m))
		sound, err := m.LogOrCreate(cluster.TopicPartition{Topic: "sound"}, cluster.TopicID{2}, true)
		if err != nil {
			t.Fatal(err)
		}
		produce(t, sound, plain(0, 3, 1000))
		m.Abandon()

		fsys = fsys.Killed()
		fsys.SetSpace(0)
		var returned atomic.Int32
		log, hook := listening()
		o.FS, o.Log, o.OnReturn = fsys, log, func() { returned.Add(1) }
		m, err = Open(context.Background(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Abandon()
		if why := m.Quarantined()[orders]; !errors.Is(why, ErrDiskFull) || len(m.OfflineDirs()) > 0 {
			t.Fatalf("quarantined: %v, offline: %v", why, m.OfflineDirs())
		}
		if n := countLines(hook, "1 partitions of /logs are kept offline until there is space"); n != 1 {
			t.Errorf("%d lines in the log", n)
		}
		if _, ok := m.Log(sound.TopicPartition()); !ok {
			t.Error("another partition is offline too")
		}
		if _, err := m.LogOrCreate(orders, cluster.TopicID{1}, false); !errors.Is(err, ErrStorage) {
			t.Errorf("asked for meanwhile: %v", err)
		}
		time.Sleep(2 * reloadPause)
		fsys.SetSpace(-1)
		time.Sleep(2 * reloadPause)
		synctest.Wait()
		l, ok := m.Log(orders)
		if !ok || len(m.Quarantined()) > 0 || returned.Load() != 1 {
			t.Fatalf("quarantined: %v; %d notices", m.Quarantined(), returned.Load())
		}
		l.SetHighWatermark(l.LogEndOffset())
		d, err := l.Read(0, 1000, true, LimitLastStable)
		if err != nil || len(d.Aborted) != 1 {
			t.Errorf("aborted: %v, %v", d.Aborted, err)
		}
		d.Release()
		checkLog(t, l)
	})
}
