package mixed

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ledger knows what the topics of a broker hold, record by record, whoever serves them.
type ledger struct {
	c        *cluster
	accounts map[string]*account
	// committed says of each record in a transaction whether it is there for readers of what is committed.
	committed map[string]map[place]bool
	offsets   map[string]kadm.Offsets // that groups have committed
}

// account is what is known of one topic.
type account struct {
	sync.Mutex
	known map[place]entry
	// newest is the last record of each key of a topic that is compacted; nil for any other.
	newest map[string]place
	// start is the offset up to which its records were deleted.
	start int64
	// open says that there may be more in it than was acknowledged: its producer was interrupted.
	open bool
	// untimed says that its records have not the timestamps that their producers gave them.
	untimed bool
}

// entry is one record.
type entry struct {
	text    string
	key     string
	keyed   bool
	control bool
}

func (c *cluster) newLedger() *ledger {
	return &ledger{c: c, accounts: map[string]*account{}, committed: map[string]map[place]bool{}, offsets: map[string]kadm.Offsets{}}
}

func (l *ledger) add(topic string, compacted bool) *account {
	a := &account{known: map[place]entry{}, untimed: strings.HasPrefix(topic, "v0-") || strings.HasSuffix(topic, "lat")}
	if compacted {
		a.newest = map[string]place{}
	}
	l.accounts[topic] = a
	return a
}

// take notes that a record was acknowledged.
func (a *account) take(r *kgo.Record) {
	a.Lock()
	defer a.Unlock()
	a.enter(place{r.Partition, r.Offset}, a.entry(r))
}

func (a *account) enter(at place, e entry) {
	a.known[at] = e
	if before, ok := a.newest[e.key]; a.newest != nil && e.keyed && (!ok || before.offset < at.offset) {
		a.newest[e.key] = at
	}
}

// entry describes a record as any reader sees it.
func (a *account) entry(r *kgo.Record) entry {
	var s strings.Builder
	if !a.untimed {
		fmt.Fprintf(&s, "at %d: ", r.Timestamp.UnixMilli())
	}
	fmt.Fprintf(&s, "%s = %s", fieldText(r.Key), fieldText(r.Value))
	for _, h := range r.Headers {
		fmt.Fprintf(&s, ", %s: %s", h.Key, fieldText(h.Value))
	}
	control := r.Attrs.IsControl()
	fmt.Fprintf(&s, "; producer %d/%d, transactional %v, control %v", r.ProducerID, r.ProducerEpoch, r.Attrs.IsTransactional(), control)
	return entry{s.String(), string(r.Key), r.Key != nil && !control, control}
}

// expect enters what a golden directory holds of a topic.
func (l *ledger) expect(topic string, compacted bool, records []goldenRecord) {
	a := l.add(topic, compacted)
	for _, g := range records {
		text := fmt.Sprintf("%s = %s", fieldText(g.Key), fieldText(g.Value))
		if !a.untimed {
			text = fmt.Sprintf("at %d: %s", g.Timestamp, text)
		}
		for _, h := range g.Headers {
			value := "null"
			if h[1] != nil {
				decoded, err := base64.StdEncoding.DecodeString(*h[1])
				if err != nil {
					l.c.t.Fatal(err)
				}
				value = fieldText(decoded)
			}
			text += fmt.Sprintf(", %s: %s", *h[0], value)
		}
		text += fmt.Sprintf("; producer %d/%d, transactional %v, control %v", g.ProducerID, g.ProducerEpoch, g.Transactional, g.Control)
		a.enter(place{g.Partition, g.Offset}, entry{text, string(g.Key), g.Key != nil && !g.Control, g.Control})
	}
}

// fieldText is short for long fields.
func fieldText(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 60:
		return fmt.Sprintf("%d bytes, %x", len(b), sha256.Sum256(b))
	default:
		return fmt.Sprintf("%q", b)
	}
}

// check reads all topics and holds them to what is known.
func (l *ledger) check() {
	l.c.t.Helper()
	found := l.read(kgo.ReadUncommitted(), slices.Collect(maps.Keys(l.accounts)))
	for topic, a := range l.accounts {
		a.Lock()
		l.report(topic, a.check(found[topic]))
		a.open = false
		a.Unlock()
	}
	l.checkCommitted()
	for group, want := range l.offsets {
		got, err := l.c.admin.FetchOffsets(l.c.patient(), group)
		if err != nil {
			l.c.t.Fatalf("the offsets of %s: %v", group, err)
		}
		want.Each(func(o kadm.Offset) {
			if have, _ := got.Lookup(o.Topic, o.Partition); have.At != o.At || have.Metadata != o.Metadata {
				l.c.t.Errorf("%s has committed %s-%d at %d %q, want %d %q", group, o.Topic, o.Partition, have.At, have.Metadata, o.At, o.Metadata)
			}
		})
	}
}

func (l *ledger) report(topic string, wrong []error) {
	l.c.t.Helper()
	for _, err := range wrong[:min(5, len(wrong))] {
		l.c.t.Errorf("%s: %v", topic, err)
	}
	if len(wrong) > 5 {
		l.c.t.Errorf("%s: and %d more", topic, len(wrong)-5)
	}
}

// check compares, and learns of records that nobody could know of: markers of transactions, and what was on its way
// when a producer was interrupted.
func (a *account) check(found map[place]*kgo.Record) (wrong []error) {
	for at, e := range a.known {
		r, there := found[at]
		switch {
		case there && a.entry(r).text != e.text:
			wrong = append(wrong, fmt.Errorf("%v is\n%s, was\n%s", at, a.entry(r).text, e.text))
		case !there && at.offset >= a.start && !a.superseded(at, e):
			wrong = append(wrong, fmt.Errorf("%v is gone: %s", at, e.text))
		}
	}
	for at, r := range found {
		if _, known := a.known[at]; known {
			continue
		}
		e := a.entry(r)
		if !a.open && !e.control {
			wrong = append(wrong, fmt.Errorf("%v is there, and nobody has written it: %s", at, e.text))
		}
		a.enter(at, e)
	}
	return wrong
}

// superseded reports whether compaction may have taken a record.
func (a *account) superseded(at place, e entry) bool {
	return a.newest != nil && (e.control || a.newest[e.key] != at)
}

// offsetsByPartition lists what has to be there.
func (l *ledger) offsetsByPartition() map[string][]int64 {
	all := map[string][]int64{}
	for topic, a := range l.accounts {
		a.Lock()
		for at, e := range a.known {
			if at.offset >= a.start && !a.superseded(at, e) {
				partition := fmt.Sprintf("%s-%d", topic, at.partition)
				all[partition] = append(all[partition], at.offset)
			}
		}
		a.Unlock()
	}
	for _, offsets := range all {
		slices.Sort(offsets)
	}
	return all
}

func (l *ledger) checkCommitted() {
	l.c.t.Helper()
	found := l.read(kgo.ReadCommitted(), slices.Collect(maps.Keys(l.committed)))
	for topic, outcomes := range l.committed {
		for at, committed := range outcomes {
			if _, there := found[topic][at]; there != committed {
				l.c.t.Errorf("%s: %v, committed %v, is there for readers of what is committed: %v", topic, at, committed, there)
			}
		}
	}
}

// read reads topics from start to end, markers of transactions included.
func (l *ledger) read(level kgo.IsolationLevel, topics []string) map[string]map[place]*kgo.Record {
	l.c.t.Helper()
	if len(topics) == 0 {
		return nil
	}
	ctx := l.c.patient()
	list := l.c.admin.ListEndOffsets
	if level == kgo.ReadCommitted() {
		list = l.c.admin.ListCommittedOffsets
	}
	starts, err := l.c.admin.ListStartOffsets(ctx, topics...)
	ends, endErr := list(ctx, topics...)
	if err := errors.Join(err, endErr, starts.Error(), ends.Error()); err != nil {
		l.c.t.Fatalf("where the topics begin and end: %v", err)
	}
	found, left := map[string]map[place]*kgo.Record{}, map[string]map[int32]kgo.Offset{}
	for topic, partitions := range ends {
		found[topic], left[topic] = map[place]*kgo.Record{}, map[int32]kgo.Offset{}
		for p, end := range partitions {
			if start := starts[topic][p]; start.Offset < end.Offset {
				left[topic][p] = kgo.NewOffset().At(start.Offset)
			}
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(l.c.addrs()...), kgo.ConsumePartitions(left), kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(),
		kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		l.c.t.Fatal(err)
	}
	defer client.Close()
	count := 0
	for _, partitions := range left {
		count += len(partitions)
	}
	for count > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			l.c.t.Fatalf("read %v: %v", namesOf(left), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			found[r.Topic][place{r.Partition, r.Offset}] = r
			if _, ok := left[r.Topic][r.Partition]; ok && r.Offset+1 >= ends[r.Topic][r.Partition].Offset {
				delete(left[r.Topic], r.Partition)
				count--
			}
		})
	}
	return found
}

// namesOf names the partitions that are left.
func namesOf(left map[string]map[int32]kgo.Offset) (names []string) {
	for topic, partitions := range left {
		for p := range maps.Keys(partitions) {
			names = append(names, fmt.Sprintf("%s-%d", topic, p))
		}
	}
	return names
}
