package logdir

import (
	"errors"
	"testing"
)

func TestAppendReadRollReopen(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(dir)
	o.Defaults.SegmentBytes = 500
	o.Defaults.IndexIntervalBytes = 100
	m := open(t, o)
	l := create(t, m)
	n := 0
	for i := range 40 {
		count := i%4 + 1
		r := produce(t, l, plain(n, count, int64(1000+n)))
		if r.FirstOffset != int64(n) || r.LastOffset != int64(n+count-1) || r.LogStartOffset != 0 || r.LogAppendTime != -1 {
			t.Fatalf("append %d: %+v", i, r)
		}
		n += count
	}
	if s := len(l.list()); s < 5 {
		t.Fatalf("%d segments", s)
	}
	for from := range n {
		wantValues(t, l, int64(from), from, n-from)
	}
	if !l.SetHighWatermark(int64(n)) || l.SetHighWatermark(3) || l.HighWatermark() != int64(n) {
		t.Errorf("high watermark %d", l.HighWatermark())
	}
	if _, err := l.Read(int64(n+1), 100, true, LimitLogEnd); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Errorf("read behind the end: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		m = open(t, o)
		l, ok := m.Log(orders)
		if !ok || l.LogEndOffset() != int64(n) || l.HighWatermark() != int64(n) || l.TopicID().IsZero() {
			t.Fatalf("after reopening: %v, %v", ok, m.Quarantined())
		}
		for from := 0; from < n; from += 7 {
			wantValues(t, l, int64(from), from, n-from)
		}
		produce(t, l, plain(n, 2, int64(1000+n)))
		n += 2
		wantValues(t, l, 0, 0, n)
		l.SetHighWatermark(int64(n))
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
