package logdir

import (
	"context"
	"slices"
	"testing"
)

// The file of leader epochs is written with the next flush, not with each new reign. What a crash between the two
// takes has to come back from the batches.
func TestEpochsOutliveACrashUnwritten(t *testing.T) {
	o := testOptions(t.TempDir())
	m := open(t, o)
	l := create(t, m)
	lead := func(epoch int32, records int) {
		t.Helper()
		if err := l.AssignEpochStart(epoch, l.LogEndOffset()); err != nil {
			t.Fatal(err)
		}
		if records > 0 {
			if _, err := l.AppendAsLeader(plain(0, records, 1_700_000_000_000), epoch, OriginClient, 9); err != nil {
				t.Fatal(err)
			}
		}
	}
	lead(1, 3)
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	lead(2, 2)
	lead(4, 2)
	lead(5, 0)
	m.Abandon()

	m, err := Open(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l, ok := m.Log(orders)
	if !ok {
		t.Fatal("the log is gone")
	}
	want := []EpochEntry{{1, 0}, {2, 3}, {4, 5}}
	if got := l.Epochs(); !slices.Equal(got, want) {
		t.Errorf("leader epochs after the crash: %v, want %v", got, want)
	}
}
