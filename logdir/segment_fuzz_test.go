package logdir

import (
	"context"
	"testing"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// fuzzSegment writes data behind some good batches; flip is a bit to turn in all of it.
func fuzzSegment(t *testing.T, data []byte, flip int) {
	fsys := disk.NewCrashing()
	o := crashOptions(fsys)
	m, err := Open(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Abandon()
	l, err := m.LogOrCreate(orders, cluster.TopicID{1}, true)
	if err != nil {
		t.Fatal(err)
	}
	produce(t, l, plain(0, 3, 1))
	good := l.active().size.Load()
	m.Abandon()
	file, err := fsys.Open(l.active().log.name())
	if err != nil {
		t.Fatal(err)
	}
	if h, err := batch.ReadHeader(data); err == nil && len(data) >= h.SizeInBytes() {
		batch.SetOffset(data, 3)
	}
	if len(data) > 0 && flip > 0 {
		data[flip/8%len(data)] ^= 1 << (flip % 8)
	}
	if _, err := file.WriteAt(data, good); err != nil {
		t.Fatal(err)
	}
	after, err := Open(context.Background(), crashOptions(fsys.Killed()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Abandon()
	again, ok := after.Log(orders)
	if !ok {
		return // quarantined: a marker that cannot be read
	}
	if again.LogEndOffset() < 3 {
		t.Fatalf("log end %d", again.LogEndOffset())
	}
	checkLog(t, again)
	produce(t, again, plain(9, 1, 1))
	checkLog(t, again)
}
