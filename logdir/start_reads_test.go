package logdir

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"ottla/logdir/disk"
)

// openedFS notes which files of records are opened.
type openedFS struct {
	disk.FS
	mu struct {
		sync.Mutex
		segments []string
	}
}

func (o *openedFS) Open(name string) (disk.File, error) {
	if strings.HasSuffix(name, suffixLog) {
		o.mu.Lock()
		o.mu.segments = append(o.mu.segments, name)
		o.mu.Unlock()
	}
	return o.FS.Open(name)
}

// TestAStartReadsOnlyWhatItMust: after a clean stop of each log the end alone, after a crash what lies behind the recovery point.
func TestAStartReadsOnlyWhatItMust(t *testing.T) {
	for name, crash := range map[string]bool{"after a clean stop": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			fsys := disk.NewCrashing()
			m := open(t, crashOptions(fsys))
			l := create(t, m)
			h := &history{}
			if err := appendAll(l, h, 20, 3); err != nil {
				t.Fatal(err)
			}
			for i := range 3 { // a producer is known by its snapshots
				produce(t, l, sequenced(7, 0, int32(i), 1))
			}
			if err := flush(l, h); err != nil {
				t.Fatal(err)
			}
			m.background.close() // so that no roll's own sync moves the recovery point further
			if err := m.checkpointAll(recoveryPointFile); err != nil {
				t.Fatal(err)
			}
			point := l.active().base
			if crash {
				if err := appendAll(l, h, 20, 3); err != nil {
					t.Fatal(err)
				}
			}
			end, segments := l.LogEndOffset(), len(l.list())
			if crash {
				m.Abandon()
			} else if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			want := 1 // the active one
			for _, s := range l.list() {
				if crash && s.base >= point && s != l.active() {
					want++
				}
			}
			o := crashOptions(fsys)
			opened := &openedFS{FS: fsys}
			o.FS = opened
			m = open(t, o)
			l, ok := m.Log(orders)
			if !ok || l.LogEndOffset() != end {
				t.Fatalf("quarantined: %v", m.Quarantined())
			}
			got := slices.Compact(slices.Sorted(slices.Values(opened.mu.segments)))
			if len(got) != want || segments < want+3 {
				t.Errorf("of %d segments %d are read, not %d: %v", segments, len(got), want, got)
			}
		})
	}
}
