package logdir

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
)

// epochEntry says at which offset a leader's reign began.
type epochEntry struct {
	epoch int32
	start int64
}

// leaderEpochs is a log's history of reigns, ascending by epoch and by start. It is never changed, only
// replaced, so readers need no lock; the log's lock guards the replacing.
type leaderEpochs struct {
	entries atomic.Pointer[[]epochEntry]
	// unwritten is set while memory is ahead of the checkpoint file; the log's lock guards it.
	unwritten bool
	// writes counts how often the file was written, and synced is the last of them that is durable: the
	// recovery point must not pass records of an epoch that a power failure would make the log forget
	// (KIP-101 truncates by them).
	writes, synced int
}

func (e *leaderEpochs) list() []epochEntry {
	if p := e.entries.Load(); p != nil {
		return *p
	}
	return nil
}

func (e *leaderEpochs) set(entries []epochEntry) {
	e.entries.Store(&entries)
	e.unwritten = true
}

func (e *leaderEpochs) latest() (epochEntry, bool) {
	l := e.list()
	if len(l) == 0 {
		return epochEntry{}, false
	}
	return l[len(l)-1], true
}

// assign notes that epoch began at start. What contradicts it, epochs that are not older or start not
// earlier, goes: the log was written anew from there. It reports whether anything changed.
func (e *leaderEpochs) assign(epoch int32, start int64) bool {
	if last, ok := e.latest(); ok && last.epoch == epoch && start >= last.start {
		return false
	}
	l := e.list()
	n := len(l)
	for n > 0 && (l[n-1].epoch >= epoch || l[n-1].start >= start) {
		n--
	}
	e.set(append(l[:n:n], epochEntry{epoch, start}))
	return true
}

// truncateEnd drops the epochs that began at offset or later, which was cut off.
func (e *leaderEpochs) truncateEnd(offset int64) bool {
	l := e.list()
	n := len(l)
	for n > 0 && l[n-1].start >= offset {
		n--
	}
	if n == len(l) {
		return false
	}
	e.set(l[:n:n])
	return true
}

// truncateStart drops the epochs that ended before offset; the one that offset lies in starts there now.
func (e *leaderEpochs) truncateStart(offset int64) bool {
	l := e.list()
	n := 0
	for n < len(l) && l[n].start <= offset {
		n++
	}
	if n == 0 || n == 1 && l[0].start == offset {
		return false
	}
	kept := append([]epochEntry{{l[n-1].epoch, offset}}, l[n:]...)
	e.set(kept)
	return true
}

// end answers OffsetsForLeaderEpoch: the largest epoch known that is at most the one asked for, and
// where it ended. -1, -1 stands for an epoch the log knows nothing of.
func (e *leaderEpochs) end(epoch int32, logEnd int64) (found int32, endOffset int64) {
	l := e.list()
	if len(l) == 0 || epoch < 0 || epoch > l[len(l)-1].epoch {
		return -1, -1
	}
	i := sort.Search(len(l), func(i int) bool { return l[i].epoch > epoch })
	if i == len(l) {
		return l[i-1].epoch, logEnd
	}
	if i == 0 {
		// Older than all we know: it ended before the first of them began.
		return epoch, l[0].start
	}
	return l[i-1].epoch, l[i].start
}

func encodeEpochs(l []epochEntry) []byte {
	b := fmt.Appendf(nil, "0\n%d\n", len(l))
	for _, e := range l {
		b = fmt.Appendf(b, "%d %d\n", e.epoch, e.start)
	}
	return b
}

// errEmptyEpochs: Kafka leaves an empty file for a partition that nobody has led yet. Of a log with records it
// is what a crash has left, so these are asked.
var errEmptyEpochs = fmt.Errorf("empty: %w", ErrCorruptCheckpoint)

// parseEpochs reads leader-epoch-checkpoint. Entries that do not ascend are ErrCorruptCheckpoint.
func parseEpochs(b []byte) ([]epochEntry, error) {
	if len(b) == 0 {
		return nil, errEmptyEpochs
	}
	lines, err := checkpointLines(b)
	if err != nil {
		return nil, err
	}
	out := make([]epochEntry, 0, len(lines))
	for _, line := range lines {
		epochText, startText, ok := strings.Cut(line, " ")
		epoch, err := strconv.ParseInt(epochText, 10, 32)
		start, err2 := strconv.ParseInt(startText, 10, 64)
		if !ok || err != nil || err2 != nil || epoch < 0 || start < 0 {
			return nil, fmt.Errorf("line %q: %w", line, ErrCorruptCheckpoint)
		}
		if n := len(out); n > 0 && (out[n-1].epoch >= int32(epoch) || out[n-1].start > start) {
			return nil, fmt.Errorf("line %q does not ascend: %w", line, ErrCorruptCheckpoint)
		}
		out = append(out, epochEntry{int32(epoch), start})
	}
	return out, nil
}
