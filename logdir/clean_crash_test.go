package logdir

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

func compactedOptions(fsys disk.FS) Options {
	o := crashOptions(fsys)
	o.Defaults.SegmentBytes = 400
	o.Defaults.Compact, o.Defaults.Delete = true, false
	o.Defaults.DeleteRetention = time.Second
	return o
}

// keyedLife is what a scenario wrote: the newest value of each key, and which of that was flushed.
type keyedLife struct {
	newest, flushed map[string]string
	offsets         map[string]int64 // of every value
	next            int
}

func (k *keyedLife) append(l *Log, keys int) error {
	o := batch.PlainOptions(batch.None)
	b := batch.NewBuilder(o)
	written := map[string]string{}
	for i := range 3 {
		key, value := fmt.Sprintf("k%d", (k.next+i*i)%keys), fmt.Sprintf("v%d", k.next)
		b.Append(int64(1000+k.next), []byte(key), []byte(value))
		written[key] = value
		k.next++
	}
	r, err := l.AppendAsLeader(b.Bytes(), 1, OriginClient, 9)
	for i := range 3 {
		k.offsets[fmt.Sprintf("v%d", k.next-3+i)] = r.FirstOffset + int64(i)
	}
	if err == nil {
		for key, value := range written {
			k.newest[key] = value
		}
	}
	return err
}

func (k *keyedLife) flush(l *Log) error {
	err := l.Flush()
	if err == nil {
		for key, value := range k.newest {
			k.flushed[key] = value
		}
	}
	return err
}

// cleaningScenario appends and cleans three times: the second merges what the first left, the third meets a
// log that was opened anew.
func cleaningScenario(t *testing.T, fsys disk.FS, k *keyedLife) error {
	m, err := Open(context.Background(), compactedOptions(fsys), nil)
	if err != nil {
		return err
	}
	defer m.Abandon()
	l, err := m.LogOrCreate(orders, cluster.TopicID{7}, true)
	if err != nil {
		return err
	}
	for round := range 3 {
		for range 9 {
			if err := k.append(l, 9); err != nil {
				return err
			}
		}
		if err := k.flush(l); err != nil {
			return err
		}
		for range 5 {
			if err := k.append(l, 9); err != nil {
				return err
			}
		}
		l.SetHighWatermark(l.LogEndOffset())
		cleanNow(t, l, CleanerOptions{}, int64(1_700_000_000_000+5000*round))
		if err := l.dir.err(); err != nil {
			return err
		}
		if u := l.uncleanable.Load(); u != nil {
			return u.Reason
		}
	}
	return m.Close()
}

// TestCrashAtEveryStepOfACleaning pulls the plug after each step. The log opens, holds of every key what was
// flushed last or something newer, at its offset, and can be cleaned again.
func TestCrashAtEveryStepOfACleaning(t *testing.T) {
	crashes{seed: [2]uint64{1, 1}, every: 1, least: 200}.run(t, func(fsys *disk.Crashing) (afterwards, error) {
		k := &keyedLife{newest: map[string]string{}, flushed: map[string]string{}, offsets: map[string]int64{}}
		check := func(step int, after *disk.Crashing) { afterCleaningCrash(t, step, after, k) }
		return check, cleaningScenario(t, fsys, k)
	})
}

func afterCleaningCrash(t *testing.T, step int, fsys *disk.Crashing, k *keyedLife) {
	t.Helper()
	m, err := Open(context.Background(), compactedOptions(fsys), nil)
	if err != nil {
		t.Fatalf("crash after step %d: %v", step, err)
	}
	defer m.Abandon()
	if q := m.Quarantined(); len(q) > 0 {
		t.Fatalf("crash after step %d: %v", step, q)
	}
	l, ok := m.Log(orders)
	if !ok {
		if len(k.flushed) > 0 {
			t.Fatalf("crash after step %d: the log is gone", step)
		}
		return
	}
	checkLog(t, l)
	k.check(t, step, l)
	for range 9 {
		if err := (&keyedLife{newest: map[string]string{}, offsets: map[string]int64{}}).append(l, 2); err != nil {
			t.Fatalf("crash after step %d: %v", step, err)
		}
	}
	l.SetHighWatermark(l.LogEndOffset())
	if !cleanNow(t, l, CleanerOptions{}, 1_700_000_100_000) || l.uncleanable.Load() != nil {
		t.Fatalf("crash after step %d: it cannot be cleaned: %+v", step, l.uncleanable.Load())
	}
	checkLog(t, l)
	entries, err := fsys.ReadDir("/logs/orders-0")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if s := e.Name(); len(s) > 5 && (s[len(s)-5:] == suffixSwap || s[len(s)-8:] == suffixCleaned) {
			t.Errorf("crash after step %d: %s is left", step, s)
		}
	}
}

func (k *keyedLife) check(t *testing.T, step int, l *Log) {
	t.Helper()
	number := func(value string) (n int) {
		_, _ = fmt.Sscanf(value, "v%d", &n)
		return n
	}
	newest := map[string]string{}
	for key, r := range newestIn(t, l) {
		newest[key] = string(r.Value)
		if want := k.offsets[string(r.Value)]; r.Offset != want {
			t.Fatalf("crash after step %d: %s is at %d, it was written at %d", step, r.Value, r.Offset, want)
		}
	}
	for key, value := range k.flushed {
		if got := newest[key]; got == "" || number(got) < number(value) {
			t.Fatalf("crash after step %d: the newest of %s is %q, %s was flushed", step, key, got, value)
		}
	}
}

// newestIn reads the newest record of each key.
func newestIn(t testing.TB, l *Log) map[string]batch.Record {
	t.Helper()
	out := map[string]batch.Record{}
	for from := l.LogStartOffset(); from < l.LogEndOffset(); {
		d, err := l.Read(from, 1<<20, true, LimitLogEnd)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Bytes()
		d.Release()
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			break
		}
		for one, err := range batch.All(b) {
			if err != nil {
				t.Fatal(err)
			}
			h, err := batch.Check(one)
			if err != nil {
				t.Fatal(err)
			}
			for r, err := range batch.Records(one) {
				if err != nil {
					t.Fatal(err)
				}
				out[string(r.Key)] = r
			}
			from = h.NextOffset()
		}
	}
	return out
}

// TestRecoveryKeepsWhatOnlyASnapshotKnows: a cleaning drops a producer's batch because it has written since, what it has
// written since is truncated, and then the process is killed. No batch tells any more of that producer, only the
// snapshot at the segment that follows; without it the producer's next batch would be out of order.
func TestRecoveryKeepsWhatOnlyASnapshotKnows(t *testing.T) {
	fsys := disk.NewCrashing()
	m := open(t, compactedOptions(fsys))
	l := create(t, m)
	keyedBy := func(producer int64, sequence int32) []byte {
		o := batch.PlainOptions(batch.None)
		if producer >= 0 {
			o.ProducerID, o.ProducerEpoch, o.BaseSequence = producer, 0, sequence
		}
		b := batch.NewBuilder(o)
		b.Append(1000, []byte("key"), make([]byte, 100))
		return b.Bytes()
	}
	produce(t, l, keyedBy(5, 0))
	for l.active().base == 0 {
		produce(t, l, keyedBy(-1, 0))
	}
	l.SetHighWatermark(l.LogEndOffset())
	produce(t, l, keyedBy(5, 1))
	if !cleanNow(t, l, CleanerOptions{}, 1_700_000_000_000) || l.uncleanable.Load() != nil {
		t.Fatalf("not cleaned: %+v", l.uncleanable.Load())
	}
	if err := l.TruncateTo(l.HighWatermark()); err != nil {
		t.Fatal(err)
	}
	before := l.ActiveProducers()
	if len(before) != 1 || before[0].LastSequence != 0 {
		t.Fatalf("producers %+v", before)
	}
	m.Abandon()

	m = open(t, compactedOptions(fsys.Killed()))
	l, _ = m.Log(orders)
	if after := l.ActiveProducers(); !slices.Equal(after, before) {
		t.Errorf("after the crash: producers %+v, before %+v", after, before)
	}
	produce(t, l, keyedBy(5, 1))
}
