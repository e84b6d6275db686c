package logdir

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/sirupsen/logrus"

	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

const testCluster = "krnLtQ8_S0yRIakIiklCKw"

var orders = cluster.TopicPartition{Topic: "orders", Partition: 0}

func quiet() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

func testOptions(dirs ...string) Options {
	return Options{Dirs: dirs, BrokerID: 1, ClusterID: testCluster, Log: quiet(), Defaults: DefaultConfig()}
}

func open(t testing.TB, o Options) *Manager {
	t.Helper()
	m, err := Open(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Abandon)
	return m
}

func create(t testing.TB, m *Manager) *Log {
	t.Helper()
	l, err := m.LogOrCreate(orders, cluster.TopicID{1}, true)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// plain is a batch of n records, valued v<first>, v<first+1>, ..., with timestamps from ts on.
func plain(first, n int, ts int64) []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	for i := range n {
		b.Append(ts+int64(i), fmt.Appendf(nil, "k%d", first+i), fmt.Appendf(nil, "v%d", first+i))
	}
	return b.Bytes()
}

func produce(t testing.TB, l *Log, b []byte) AppendResult {
	t.Helper()
	r, err := l.AppendAsLeader(b, 0, OriginClient, 9)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// values reads all record values from an offset to the log end.
func values(t testing.TB, l *Log, from int64) (out []string) {
	t.Helper()
	for from < l.LogEndOffset() {
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
			if _, _, ok, err := l.active().locate(from, l.active().size.Load()); err == nil && !ok {
				return out // a gap behind the last batch
			}
			t.Fatalf("nothing at %d, the log end is %d", from, l.LogEndOffset())
		}
		for one, err := range batch.All(b) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := batch.Check(one); err != nil {
				t.Fatal(err)
			}
			for r, err := range batch.Records(one) {
				if err != nil {
					t.Fatal(err)
				}
				if r.Offset >= from {
					out = append(out, string(r.Value))
					from = r.Offset + 1
				}
			}
		}
	}
	return out
}

func wantValues(t testing.TB, l *Log, from int64, first, n int) {
	t.Helper()
	got := values(t, l, from)
	if len(got) != n {
		t.Fatalf("%d records, want %d", len(got), n)
	}
	for i, v := range got {
		if want := fmt.Sprintf("v%d", first+i); v != want {
			t.Fatalf("record %d is %s, want %s", i, v, want)
		}
	}
}
