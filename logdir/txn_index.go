package logdir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
)

// txnEntry is one aborted transaction that ended in a segment.
type txnEntry struct {
	producerID  int64
	firstOffset int64
	lastOffset  int64 // of the marker
	lastStable  int64 // the last stable offset once this transaction had ended
}

const txnEntrySize = 34

func (e txnEntry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, 0) // version
	b = binary.BigEndian.AppendUint64(b, uint64(e.producerID))
	b = binary.BigEndian.AppendUint64(b, uint64(e.firstOffset))
	b = binary.BigEndian.AppendUint64(b, uint64(e.lastOffset))
	return binary.BigEndian.AppendUint64(b, uint64(e.lastStable))
}

// parseTxnIndex reads a whole index. A file cut in the middle of an entry, another version, or markers
// out of order are ErrCorruptIndex.
func parseTxnIndex(b []byte) ([]txnEntry, error) {
	if len(b)%txnEntrySize != 0 {
		return nil, fmt.Errorf("%d bytes, no multiple of %d: %w", len(b), txnEntrySize, ErrCorruptIndex)
	}
	entries := make([]txnEntry, 0, len(b)/txnEntrySize)
	for ; len(b) > 0; b = b[txnEntrySize:] {
		if v := binary.BigEndian.Uint16(b); v != 0 {
			return nil, fmt.Errorf("entry of version %d: %w", v, ErrCorruptIndex)
		}
		e := txnEntry{
			producerID:  int64(binary.BigEndian.Uint64(b[2:])),
			firstOffset: int64(binary.BigEndian.Uint64(b[10:])),
			lastOffset:  int64(binary.BigEndian.Uint64(b[18:])),
			lastStable:  int64(binary.BigEndian.Uint64(b[26:])),
		}
		if e.firstOffset > e.lastOffset {
			return nil, fmt.Errorf("marker %d before its transaction, which begins at %d: %w", e.lastOffset, e.firstOffset, ErrCorruptIndex)
		}
		if n := len(entries); n > 0 && e.lastOffset <= entries[n-1].lastOffset {
			return nil, fmt.Errorf("marker %d after marker %d: %w", e.lastOffset, entries[n-1].lastOffset, ErrCorruptIndex)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// txnIndex is the aborted transactions of one segment, in memory: there are few, and most segments
// have none and no file. One writer adds under the log's lock; readers take what is published.
type txnIndex struct {
	file    *lazyFile
	entries atomic.Pointer[[]txnEntry]
	exists  bool // the file does; the writer's
}

func (x *txnIndex) list() []txnEntry {
	if p := x.entries.Load(); p != nil {
		return *p
	}
	return nil
}

// add appends an entry to memory and file. Writer only.
func (x *txnIndex) add(e txnEntry) error {
	if !x.exists {
		if err := x.create(); err != nil {
			return err
		}
	}
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer f.unref()
	old := x.list()
	if _, err := f.WriteAt(e.append(nil), int64(len(old))*txnEntrySize); err != nil {
		return fmt.Errorf("write %s: %w", x.file.name(), err)
	}
	grown := append(old[:len(old):len(old)], e)
	x.entries.Store(&grown)
	return nil
}

func (x *txnIndex) create() error {
	f, err := x.file.cache.fs.Create(x.file.name())
	if err != nil {
		return err
	}
	x.file.close()
	x.file.cache.adopt(x.file, f)
	x.exists = true
	return nil
}

func (x *txnIndex) load() error {
	b, err := x.file.cache.fs.ReadFile(x.file.name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	x.exists = true
	entries, err := parseTxnIndex(b)
	if err != nil {
		return fmt.Errorf("%s: %w", x.file.name(), err)
	}
	if len(entries) > 0 {
		x.entries.Store(&entries)
	}
	return nil
}

// within reports an index whose markers are not all in [from, to), as those of its segment are, as ErrCorruptIndex.
func (x *txnIndex) within(from, to int64) error {
	for _, e := range x.list() {
		if e.lastOffset < from || e.lastOffset >= to {
			return fmt.Errorf("%s: marker %d in a segment of [%d, %d): %w", x.file.name(), e.lastOffset, from, to, ErrCorruptIndex)
		}
	}
	return nil
}

// truncate drops the transactions whose markers are at offset or beyond. Writer only.
func (x *txnIndex) truncate(offset int64) error {
	old := x.list()
	n := len(old)
	for n > 0 && old[n-1].lastOffset >= offset {
		n--
	}
	if n == len(old) {
		return nil
	}
	kept := old[:n:n]
	x.entries.Store(&kept)
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer f.unref()
	return f.Truncate(int64(n) * txnEntrySize)
}

// reset forgets all, before it is rebuilt; the file comes back with the first entry.
func (x *txnIndex) reset() error {
	x.entries.Store(nil)
	x.file.close()
	x.exists = false
	if err := x.file.cache.fs.Remove(x.file.name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (x *txnIndex) sync() error {
	if !x.exists {
		return nil
	}
	return syncFile(x.file)
}

// collect adds to found the transactions that overlap [from, to) and reports whether later segments
// can have none: once the last stable offset had passed to, no transaction that overlaps was open.
func (x *txnIndex) collect(found []AbortedTxn, from, to int64) (all []AbortedTxn, complete bool) {
	for _, e := range x.list() {
		if e.lastOffset >= from && e.firstOffset < to {
			found = append(found, AbortedTxn{ProducerID: e.producerID, FirstOffset: e.firstOffset})
		}
		if e.lastStable >= to {
			return found, true
		}
	}
	return found, false
}
