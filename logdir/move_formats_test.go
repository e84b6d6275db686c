package logdir

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
)

// TestOldFormatsMove: a log of messages of magic 0 or 1, or of all formats one behind the other, moves as any other, though its start and a
// cut are in the middle of messages that are compressed together.
func TestOldFormatsMove(t *testing.T) {
	for name, formats := range map[string][]int8{"magic 0": {0}, "magic 1": {1}, "magics 0, 1 and 2": {0, 1, 2}, "magics 2 and 1": {2, 1}} {
		for _, codec := range []batch.Codec{batch.None, batch.Gzip, batch.Lz4} {
			t.Run(fmt.Sprintf("%s %v", name, codec), func(t *testing.T) {
				fsys := disk.NewCrashing()
				o := twoDirs(fsys)
				m := open(t, o)
				l := create(t, m)
				h := &history{}
				put := func(l *Log, format int8, batches int) {
					t.Helper()
					c := l.Config()
					c.MessageFormat = format
					m.Reconfigure(orders.Topic, c)
					for range batches {
						n := len(h.values)
						if _, err := l.AppendAsLeader(messagesOf(t, 1, compressed(codec, n, 3, int64(1000+10*n))), 1, OriginClient, 2); err != nil {
							t.Fatal(err)
						}
						for i := range 3 {
							h.values = append(h.values, fmt.Sprintf("v%d", n+i))
						}
					}
				}
				for _, format := range formats {
					put(l, format, 12)
				}
				last := formats[len(formats)-1]
				l.SetHighWatermark(10)
				if err := errors.Join(l.AdvanceLogStart(4), l.applyRetention(time.Now())); err != nil {
					t.Fatal(err)
				}
				mv, err := m.StartMove(orders, other(l))
				if err != nil {
					t.Fatal(err)
				}
				cut := len(h.values) - 2 // in the middle of a wrapper, which goes as a whole
				if err := errors.Join(copyAll(mv), l.TruncateTo(int64(cut))); err != nil {
					t.Fatal(err)
				}
				h.values = h.values[:l.LogEndOffset()]
				put(l, last, 4)
				moved, err := finishMove(m, mv)
				if err != nil {
					t.Fatal(err)
				}
				put(moved, last, 2)
				check := func(l *Log) {
					t.Helper()
					if l.Dir() != mv.Destination() || l.LogStartOffset() != 4 || l.LogEndOffset() != int64(len(h.values)) {
						t.Fatalf("%s has [%d, %d) of %d", l.Dir(), l.LogStartOffset(), l.LogEndOffset(), len(h.values))
					}
					for from := 4; from < len(h.values); from += 5 {
						wantValues(t, l, int64(from), from, len(h.values)-from)
					}
					newest := int64(1000 + 10*(len(h.values)-3) + 2)
					if at, _, _, _, err := l.OffsetForTimestamp(newest); last > 0 && (err != nil || at != int64(len(h.values)-1)) {
						t.Errorf("the newest record is at %d by its time: %v", at, err)
					}
					if got := magics(t, l); !slices.Equal(got, formats) {
						t.Errorf("there are magics %v", got)
					}
					checkLog(t, l)
				}
				check(moved)
				for _, crash := range []bool{false, true} {
					if crash {
						m.Abandon()
					} else if err := m.Close(); err != nil {
						t.Fatal(err)
					}
					m = open(t, o)
					l, ok := m.Log(orders)
					if !ok {
						t.Fatalf("after a crash %v: %v", crash, m.Quarantined())
					}
					check(l)
				}
			})
		}
	}
}
