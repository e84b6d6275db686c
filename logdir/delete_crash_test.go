package logdir

import (
	"context"
	"errors"
	"testing"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// deletions is what has been done to a log whose records, and then which itself, are deleted, before another one of its name is made.
type deletions struct {
	first, second history
	start         int  // of the first log, as far as a checkpoint tells it
	deleting      bool // the first log is on its way out
}

func deletionOptions(fsys disk.FS) Options {
	o := crashOptions(fsys)
	o.Defaults.FileDeleteDelay = 0
	o.Defaults.RetentionBytes = 1500
	return o
}

func (d *deletions) live(fsys disk.FS) error {
	m, err := Open(context.Background(), deletionOptions(fsys), nil)
	if err != nil {
		return err
	}
	defer m.Abandon()
	l, err := m.LogOrCreate(orders, cluster.TopicID{7}, true)
	if err != nil {
		return err
	}
	deleteRecords := func(to int64) error {
		err := errors.Join(l.AdvanceLogStart(to), m.checkpointAll(logStartFile))
		if err == nil {
			d.start = int(to)
		}
		return err
	}
	for _, step := range []func() error{
		func() error {
			return errors.Join(l.AssignEpochStart(1, 0), appendAll(l, &d.first, 14, 3), flush(l, &d.first))
		},
		func() error { l.SetHighWatermark(l.LogEndOffset()); return m.checkpointAll(recoveryPointFile) },
		func() error { return deleteRecords(7) },
		func() error { m.applyRetention(); return l.dir.err() },
		func() error { return errors.Join(appendAll(l, &d.first, 6, 2), flush(l, &d.first)) },
		func() error { l.SetHighWatermark(l.LogEndOffset()); return deleteRecords(l.LogEndOffset()) },
		func() error { m.applyRetention(); return l.dir.err() },
		func() error { return errors.Join(appendAll(l, &d.first, 3, 2), flush(l, &d.first)) },
		func() error { d.deleting = true; return m.Delete(orders) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	d.second.next = d.first.next
	if l, err = m.LogOrCreate(orders, cluster.TopicID{8}, true); err != nil {
		return err
	}
	if err := errors.Join(appendAll(l, &d.second, 5, 2), flush(l, &d.second), m.checkpointAll(recoveryPointFile), m.Close(), l.dir.err()); err != nil {
		return err
	}
	return nil
}

// TestCrashAtEveryStepOfADeletion: records that were deleted, segments that retention took and a log that was deleted do not come back
// under a name that means something else by then; what was flushed and not deleted is there.
func TestCrashAtEveryStepOfADeletion(t *testing.T) {
	every := 1
	if testing.Short() {
		every = 7
	}
	crashes{seed: [2]uint64{4, 1}, every: every, least: 100}.run(t, func(fsys *disk.Crashing) (afterwards, error) {
		d := &deletions{}
		err := d.live(fsys)
		return func(step int, after *disk.Crashing) { d.afterCrash(t, step, after) }, err
	})
}

func (d *deletions) afterCrash(t *testing.T, step int, fsys *disk.Crashing) {
	t.Helper()
	o := deletionOptions(fsys)
	m, err := Open(context.Background(), o, nil)
	if err != nil {
		t.Fatalf("crash after step %d: %v", step, err)
	}
	defer m.Abandon()
	if q := m.Quarantined(); len(q) > 0 {
		t.Fatalf("crash after step %d: %v", step, q)
	}
	l, ok := m.Log(orders)
	if !ok {
		if d.second.flushed > 0 || d.first.flushed > 0 && !d.deleting {
			t.Fatalf("crash after step %d: the log is gone", step)
		}
		return
	}
	start := int(l.LogStartOffset())
	got := values(t, l, int64(start))
	h, least := &d.first, d.first.flushed
	if l.TopicID() == (cluster.TopicID{8}) || len(got) > 0 && len(d.second.values) > start && got[0] == d.second.values[start] {
		h, least = &d.second, d.second.flushed
	} else if d.second.flushed > 0 {
		t.Fatalf("crash after step %d: the deleted log is back", step)
	} else if start < d.start && !d.deleting {
		t.Fatalf("crash after step %d: records from %d on are back, the log starts at %d", step, start, d.start)
	}
	for i, v := range got {
		if start+i >= len(h.values) || h.values[start+i] != v {
			t.Fatalf("crash after step %d: at %d there is %s", step, start+i, v)
		}
	}
	if end := start + len(got); end < least && !(d.deleting && h == &d.first) {
		t.Fatalf("crash after step %d: records end at %d, %d were flushed", step, end, least)
	}
	checkLog(t, l)
	if _, err := l.AppendAsLeader(plain(0, 2, 5000), 9, OriginClient, 9); err != nil {
		t.Fatalf("crash after step %d: append: %v", step, err)
	}
	if err := m.Close(); err != nil {
		t.Fatalf("crash after step %d: close: %v", step, err)
	}
}
