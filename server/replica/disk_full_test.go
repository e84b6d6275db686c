package replica

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ottla/logdir"
	"ottla/logdir/disk"
)

const storageError int16 = 56

// TestAFullDisk: who has heirs goes, who is alone stays.
func TestAFullDisk(t *testing.T) {
	for name, tc := range map[string]struct {
		isr   []int32
		alive []int32
		goes  bool
	}{
		"a leader with others in sync goes":      {isr: ids(1, 2, 3), alive: ids(1, 2, 3), goes: true},
		"a leader that is the ISR stays":         {isr: ids(1), alive: ids(1, 2, 3)},
		"a leader whose others are dead stays":   {isr: ids(1, 2), alive: ids(1, 3)},
		"one living member of the ISR is enough": {isr: ids(1, 2, 3), alive: ids(1, 3), goes: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fsys := disk.NewCrashing()
				r := openRig(t, fsys, "/data")
				r.leadWith(1, tc.isr, ids(1, 2, 3))
				r.mustProduce(3)
				r.alive(tc.alive...)
				fsys.SetSpace(10)
				if e := <-r.produce(2, 1, time.Second); !errors.Is(e.Err, ErrStorage) {
					t.Fatalf("append to a full disk: %v", e.Err)
				}
				synctest.Wait()
				if offline := len(r.logs.OfflineDirs()) == 1; offline != tc.goes {
					t.Fatalf("offline directories: %v", r.logs.OfflineDirs())
				}
				fsys.SetSpace(-1)
				if !tc.goes {
					r.mustProduce(2)
					if p, err := r.m.Partition(orders); err != nil || p.LogEndOffset() != 5 {
						t.Errorf("after space came back: %v", err)
					}
					return
				}
				// The controller asks what is left, and must hear that this replica is not, whatever role it has in mind.
				for epoch, leader := range map[int32]int32{2: 2, 3: 1} {
					if code := r.decide(state(leader, epoch, epoch, tc.isr, ids(1, 2, 3))); code != storageError {
						t.Errorf("LeaderAndIsr with leader %d: code %d", leader, code)
					}
				}
			})
		})
	}
}

// TestAFollowersFullDisk: a follower tries for a moment, in case the leader has the same trouble and goes first.
func TestAFollowersFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		r := openRig(t, fsys, "/data")
		p := r.follow(2, 1, 1, 2, 3)
		fsys.SetSpace(10)
		try := func(epoch int32) {
			t.Helper()
			if err := p.AppendAsFollower(epoch, epochRecords(1, p.LogEndOffset(), epoch), 0, 0); !errors.Is(err, logdir.ErrDiskFull) {
				t.Fatalf("append: %v", err)
			}
			synctest.Wait()
		}
		offline := func() bool { return len(r.logs.OfflineDirs()) == 1 }
		try(1)
		time.Sleep(fullGrace / 2)
		try(1)
		if offline() {
			t.Fatal("the first failure was enough")
		}
		// The leader had the same trouble and is gone: the time begins anew.
		r.follow(3, 2, 1, 2, 3)
		time.Sleep(fullGrace / 2)
		try(2)
		time.Sleep(fullGrace / 2)
		try(2)
		if offline() {
			t.Fatal("the time of another reign counted")
		}
		// So it does after a success.
		fsys.SetSpace(-1)
		if err := p.AppendAsFollower(2, epochRecords(1, p.LogEndOffset(), 2), 0, 0); err != nil {
			t.Fatal(err)
		}
		fsys.SetSpace(10)
		time.Sleep(fullGrace)
		try(2)
		r.alive(1, 2) // its leader is dead: nobody to leave the partition to
		time.Sleep(2 * fullGrace)
		try(2)
		if offline() {
			t.Fatal("gone though its leader is dead")
		}
		r.alive(1, 2, 3)
		try(2)
		if !offline() {
			t.Error("a full follower of a living leader holds the others up")
		}
		fsys.SetSpace(-1)
	})
}

// TestLeadingOnAFullDisk: a broker that starts on a full disk leads what nobody else can, so that it can be read, and takes records
// once there is space, under an epoch that its file knows when they are synced.
func TestLeadingOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		r := openRig(t, fsys, "/data")
		r.lead(1, 1)
		r.mustProduce(3)
		fsys.SetSpace(0)
		p := r.lead(7, 1)
		if fp := r.fetchFrom(-1, 7, 0); fp.Err != nil || fp.Data.HighWatermark != 3 {
			t.Errorf("read from a full disk: %v, high watermark %d", fp.Err, fp.Data.HighWatermark)
		}
		if e := <-r.produce(1, 1, time.Second); !errors.Is(e.Err, ErrStorage) {
			t.Errorf("append to a full disk: %v", e.Err)
		}
		fsys.SetSpace(-1)
		r.mustProduce(1)
		l, _ := p.Log()
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if epoch, end := l.EndOffsetForEpoch(6); epoch != 1 || end != 3 {
			t.Errorf("epoch %d ended at %d", epoch, end)
		}
		if text, err := fsys.ReadFile("/data/orders-0/leader-epoch-checkpoint"); err != nil || string(text) != "0\n2\n1 0\n7 3\n" {
			t.Errorf("leader-epoch-checkpoint %q, %v", text, err)
		}
	})
}
