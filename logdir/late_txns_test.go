package logdir

import (
	"testing"
	"time"

	"ottla/logdir/batch"
)

// A transaction is late when its producer has been silent for longer than any transaction may be open, and five minutes: not
// when it began long ago, and not when a younger one is silent behind it, since that would be the next to be seen.
func TestATransactionThatHangsIsLate(t *testing.T) {
	const longest, silence = 15 * time.Minute, 20 * time.Minute
	o := testOptions(t.TempDir())
	m := open(t, o)
	l := create(t, m)
	began := time.UnixMilli(1700000000000)
	write := func(producer int64, sequence int32, at time.Time) {
		t.Helper()
		b := batch.NewBuilder(batch.Options{ProducerID: producer, BaseSequence: sequence, Transactional: true})
		b.Append(at.UnixMilli(), nil, []byte("t"))
		produce(t, l, b.Bytes())
	}
	lateFrom := func(when string, from time.Time) {
		t.Helper()
		if l.HasLateTransaction(from, longest) {
			t.Errorf("%s: late at %v", when, from)
		}
		if from = from.Add(time.Millisecond); !l.HasLateTransaction(from, longest) {
			t.Errorf("%s: not late at %v", when, from)
		}
	}
	never := func(when string) {
		t.Helper()
		if l.HasLateTransaction(began.Add(100*time.Hour), longest) {
			t.Errorf("%s: late", when)
		}
	}
	never("nothing written")
	write(9, 0, began)
	lateFrom("one record", began.Add(silence))
	write(9, 1, began.Add(time.Minute))
	write(10, 0, began)
	lateFrom("another one a minute later", began.Add(time.Minute+silence))
	if n := l.ProducerCount(); n != 2 {
		t.Errorf("%d producers", n)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, o)
	l = create(t, m)
	lateFrom("after a restart", began.Add(time.Minute+silence))
	end(t, l, 9, 0, true)
	lateFrom("the first has ended", began.Add(silence))
	end(t, l, 10, 0, false)
	never("both have ended")
	m.expireProducers() // their last records are of 2023
	if n := l.ProducerCount(); n != 0 {
		t.Errorf("%d producers after they have expired", n)
	}
}
