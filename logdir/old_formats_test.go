package logdir

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ottla/logdir/batch"
)

// messagesOf are the records of a batch as a producer of an old format sends them.
func messagesOf(t testing.TB, magic int8, b []byte) []byte {
	t.Helper()
	var d batch.Downgrade
	out, err := d.Append(nil, b, magic, 0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func oldLog(t testing.TB, change func(*Config)) *Log {
	t.Helper()
	o := testOptions(t.TempDir())
	change(&o.Defaults)
	return create(t, open(t, o))
}

func compressed(c batch.Codec, first, n int, ts int64) []byte {
	b := batch.NewBuilder(batch.PlainOptions(c))
	for i := range n {
		b.Append(ts+int64(i), fmt.Appendf(nil, "k%d", first+i), fmt.Appendf(nil, "v%d", first+i))
	}
	return b.Bytes()
}

// magics are those of the log's batches, each once.
func magics(t testing.TB, l *Log) (out []int8) {
	t.Helper()
	for _, s := range l.list() {
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			t.Fatal(err)
		}
		for {
			h, _, ok, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if !slices.Contains(out, h.Magic) {
				out = append(out, h.Magic)
			}
		}
		c.close()
	}
	return out
}

// TestEveryFormatIntoEveryFormat: what producers of 0.8, 0.10 and today send, compressed or not, is one log, stored as the
// topic says, also after a restart, and after a crash.
func TestEveryFormatIntoEveryFormat(t *testing.T) {
	for format := range int8(3) {
		for _, codec := range []batch.Codec{batch.None, batch.Gzip, batch.Lz4} {
			t.Run(fmt.Sprintf("magic %d %v", format, codec), func(t *testing.T) {
				o := testOptions(t.TempDir())
				o.Defaults.MessageFormat, o.Defaults.SegmentBytes, o.Defaults.IndexIntervalBytes = format, 400, 50
				m := open(t, o)
				l := create(t, m)
				n := 0
				for range 4 {
					for magic := range int8(3) {
						records, version := compressed(codec, n, 3, 1000), int16(9)
						if magic < 2 {
							records, version = messagesOf(t, magic, records), 2
						}
						r, err := l.AppendAsLeader(records, 0, OriginClient, version)
						if err != nil || r.FirstOffset != int64(n) || r.LastOffset != int64(n+2) || r.Records != 3 || r.LogAppendTime != -1 {
							t.Fatalf("magic %d: %+v, %v", magic, r, err)
						}
						n += 3
					}
				}
				if got := magics(t, l); !slices.Equal(got, []int8{format}) {
					t.Errorf("stored are magics %v", got)
				}
				if len(l.list()) < 2 {
					t.Errorf("%d segments", len(l.list()))
				}
				for from := range int64(n) {
					wantValues(t, l, from, int(from), n-int(from))
				}
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				m = open(t, o)
				wantValues(t, create(t, m), 0, 0, n)
				m.Abandon()
				m = open(t, o)
				wantValues(t, create(t, m), 0, 0, n)
			})
		}
	}
}

func TestOldProducersIntoToday(t *testing.T) {
	l := oldLog(t, func(*Config) {})
	one := messagesOf(t, 1, plain(0, 1, 1000))
	r, err := l.AppendAsLeader(slices.Concat(one, one, one[:20]), 4, OriginClient, 2)
	if err != nil || r.FirstOffset != 0 || r.LastOffset != 1 || r.MaxTimestamp != 1000 {
		t.Errorf("two messages and a torn one: %+v, %v", r, err)
	}
	for name, records := range map[string][]byte{"nothing": nil, "a torn one": one[:20]} {
		if r, err := l.AppendAsLeader(records, 4, OriginClient, 2); err != nil || r.FirstOffset != -1 || l.LogEndOffset() != 2 {
			t.Errorf("%s: %+v, %v, end %d", name, r, err, l.LogEndOffset())
		}
	}
	if epoch, ok := l.LatestEpoch(); !ok || epoch != 4 {
		t.Errorf("epoch %d, %v", epoch, ok)
	}
	bad := slices.Clone(one)
	bad[len(bad)-1] ^= 1
	if _, err := l.AppendAsLeader(slices.Concat(one, bad), 4, OriginClient, 2); !errors.Is(err, ErrCorruptBatch) || l.LogEndOffset() != 2 {
		t.Errorf("a wrong CRC behind a right one: %v, end %d", err, l.LogEndOffset())
	}
	cfg := l.Config()
	cfg.MaxMessageBytes = len(one) + 20
	l.m.Reconfigure("orders", cfg)
	if _, err := l.AppendAsLeader(slices.Concat(one, one, one), 4, OriginClient, 2); !errors.Is(err, ErrTooLarge) {
		t.Errorf("messages that are too large as one batch: %v", err)
	}
}

func TestWhatOldFormatsCannotTell(t *testing.T) {
	l := oldLog(t, func(c *Config) { c.MessageFormat = 0 })
	if err := l.AssignEpochStart(5, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendAsLeader(sequenced(4, 0, 0, 3), 5, OriginClient, 9); !errors.Is(err, ErrUnsupportedFormat) {
		t.Errorf("sequences: %v", err)
	}
	if _, err := l.AppendAsLeader(plain(0, 2, 1000), 5, OriginClient, 9); err != nil {
		t.Fatal(err)
	}
	// Followers copy messages, which tell no epoch: a leader that knew of one would have them truncate.
	if epoch, ok := l.LatestEpoch(); ok {
		t.Errorf("epoch %d", epoch)
	}
	if _, _, _, _, err := l.OffsetForTimestamp(1000); !errors.Is(err, ErrUnsupportedFormat) {
		t.Errorf("a timestamp: %v", err)
	}
	if _, _, _, _, err := l.MaxTimestamp(); !errors.Is(err, ErrUnsupportedFormat) {
		t.Errorf("the largest timestamp: %v", err)
	}
	cfg := l.Config()
	cfg.MessageFormat, cfg.TimestampType = 1, batch.LogAppendTime
	l.m.Reconfigure("orders", cfg)
	r, err := l.AppendAsLeader(plain(2, 1, 1000), 5, OriginClient, 9)
	if err != nil || r.LogAppendTime < 1e12 || r.MaxTimestamp != r.LogAppendTime {
		t.Errorf("the time of the append: %+v, %v", r, err)
	}
	if at, ts, epoch, ok, err := l.OffsetForTimestamp(5000); err != nil || !ok || at != 2 || ts != r.LogAppendTime || epoch != -1 {
		t.Errorf("found %d@%d of epoch %d, %v, %v", at, ts, epoch, ok, err)
	}
}

// TestAWrapperIsOneThing: its offset is its last message's, so what comes before it is easily lost: where a follower begins a
// segment with it, and where a log is cut in the middle of it.
func TestAWrapperIsOneThing(t *testing.T) {
	l := oldLog(t, func(c *Config) { c.SegmentBytes = 200 })
	var all []byte
	for i := range 6 {
		b := compressed(batch.Gzip, i*5, 5, 1000)
		batch.SetOffset(b, int64(i*5))
		all = append(all, messagesOf(t, 1, b)...)
	}
	if r, err := l.AppendAsFollower(all); err != nil || l.LogEndOffset() != 30 {
		t.Fatalf("%+v, %v, end %d", r, err, l.LogEndOffset())
	}
	if len(l.list()) < 3 {
		t.Fatalf("%d segments", len(l.list()))
	}
	for from := range int64(30) {
		wantValues(t, l, from, int(from), 30-int(from))
	}
	if err := l.TruncateTo(22); err != nil {
		t.Fatal(err)
	}
	if end := l.LogEndOffset(); end != 20 {
		t.Errorf("the log ends at %d, its last message is at 19", end)
	}
	wantValues(t, l, 0, 0, 20)
	if at, _, _, ok, err := l.OffsetForTimestamp(1003); err != nil || !ok || at != 3 {
		t.Errorf("timestamp 1003 at %d, %v, %v", at, ok, err)
	}
}

func TestGoldenTimestamps(t *testing.T) {
	want := expected(t, "oldformat.expected.jsonl")
	m := open(t, goldenOptions(t, unpack(t, "oldformat.tar.gz")))
	for tp, records := range want {
		l, ok := m.Log(tp)
		if !ok {
			t.Fatalf("no %v", tp)
		}
		for i := range records {
			ts := max(0, records[i].Timestamp)
			at, _, _, ok, err := l.OffsetForTimestamp(ts)
			if err != nil {
				t.Fatalf("%v: %v", tp, err)
			}
			if strings.HasPrefix(tp.Topic, "v0-") {
				if ok {
					t.Errorf("%v: a timestamp in magic 0, at %d", tp, at)
				}
				break
			}
			first := slices.IndexFunc(records, func(r goldenRecord) bool { return r.Timestamp >= ts })
			if !ok || at != records[first].Offset {
				t.Errorf("%v: timestamp %d at %d, %v, want %d", tp, ts, at, ok, records[first].Offset)
			}
		}
	}
}

// TestCompactingOldFormats: the newest of each key survives with its offset, wrapped or not, and tombstones, which have no
// horizon in these formats, go by the age of their segment.
func TestCompactingOldFormats(t *testing.T) {
	for format := range int8(2) {
		for _, codec := range []batch.Codec{batch.None, batch.Snappy} {
			t.Run(fmt.Sprintf("magic %d %v", format, codec), func(t *testing.T) {
				l := compactedLog(t, func(o *Options) {
					o.Defaults.MessageFormat, o.Defaults.SegmentBytes, o.Defaults.DeleteRetention = format, 400, time.Hour
				})
				survivors := map[string]int64{}
				appendKeyed := func(round int, value []byte) {
					b := batch.NewBuilder(batch.PlainOptions(codec))
					for key := range 4 {
						if key == 0 && round > 0 {
							continue // survives from the first round
						}
						b.Append(1000, fmt.Appendf(nil, "k%d", key), value)
						survivors[fmt.Sprintf("k%d", key)] = l.LogEndOffset() + int64(b.Count()) - 1
					}
					if _, err := l.AppendAsLeader(b.Bytes(), 0, OriginClient, 9); err != nil {
						t.Fatal(err)
					}
				}
				for round := range 12 {
					appendKeyed(round, []byte("something"))
				}
				appendKeyed(12, nil)
				others := func(name string) {
					for round := range 4 {
						b := batch.NewBuilder(batch.PlainOptions(codec))
						for i := range 6 {
							b.Append(1000, fmt.Appendf(nil, "%s %d %d", name, round, i), []byte("something"))
						}
						if _, err := l.AppendAsLeader(b.Bytes(), 0, OriginClient, 9); err != nil {
							t.Fatal(err)
						}
					}
				}
				others("last") // so that the tombstones are not in the active segment
				l.commitAll()
				if !cleanNow(t, l, CleanerOptions{}, nowMillis()) {
					t.Fatal("nothing was cleaned")
				}
				got := keysOf(t, l)
				for key, at := range survivors {
					if got[key] != at {
						t.Errorf("%s survives at %d, want %d", key, got[key], at)
					}
				}
				// A day later, what comes then is cleaned, and the tombstones' segments are old.
				for _, s := range l.list() {
					s.modified.Store(nowMillis() - 86400e3)
				}
				cleaned := between(l.list(), -1, l.cleanPoint.Load())
				cleaned[len(cleaned)-1].modified.Store(nowMillis())
				others("later")
				l.commitAll()
				if !cleanNow(t, l, CleanerOptions{}, nowMillis()) {
					t.Fatal("nothing was cleaned again")
				}
				for _, r := range found(t, l) {
					if r.Value == nil {
						t.Errorf("a tombstone is left at %d", r.Offset)
					}
				}
			})
		}
	}
}

// keysOf is the offset of the newest record of each key, and fails for one that has two below the clean point.
func keysOf(t *testing.T, l *Log) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, r := range found(t, l) {
		if _, twice := out[string(r.Key)]; twice && r.Offset < l.cleanPoint.Load() {
			t.Errorf("%s twice, again at %d", r.Key, r.Offset)
		}
		out[string(r.Key)] = r.Offset
	}
	return out
}
