package api

import (
	"encoding/binary"
	"errors"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/server/replica"
)

// Before version 4, consumers know no batches of magic 2, and before version 2 nothing but messages of magic 0.
const (
	fetchKnowsMagic1 = 2
	fetchKnowsMagic2 = 4
	// fetchKnowsOversized is the first version that gets a batch larger than all limits rather than none (KIP-74).
	fetchKnowsOversized = 3
	// fetchKnowsStorageError is the first version that knows KAFKA_STORAGE_ERROR.
	fetchKnowsStorageError = 6
)

// makeOld has a partition's records sent in the format that a consumer before version 4 reads, and returns the code to
// answer with. As in Kafka, the topic's setting tells in which format they are stored: what is in an older one than
// that is sent as it is.
func (f *fetch) makeOld(read *replica.FetchPartition, failed int16) int16 {
	magic := int8(1)
	if f.call.version < fetchKnowsMagic1 {
		magic = 0
	}
	p, err := f.api.Replicas.Partition(read.TopicPartition)
	if err != nil {
		return failed
	}
	l, ok := p.Log()
	if !ok {
		return failed
	}
	cfg := l.Config()
	switch {
	case cfg.MessageFormat <= magic:
		f.hint(read, failed)
		return failed
	case cfg.DownConversionOff && f.params.Replica < 0:
		read.Data.Release()
		return codeUnsupportedVersion
	case failed != codeNone || read.Data.Len() == 0:
		return failed
	}
	return f.downgrade(p, read, magic)
}

// oldRecords are a partition's, converted while they are sent.
type oldRecords struct {
	partition *replica.Partition
	records   *downgraded
}

// countConversions tells the metrics what it has cost, once all is sent.
func (f *fetch) countConversions() {
	var cost batch.Conversion
	for _, old := range f.old {
		old.partition.ConvertedForFetch(old.records.convert.Cost.Records)
		cost.Add(old.records.convert.Cost)
	}
	if len(f.old) > 0 {
		f.call.frame.Converted(cost.Took, cost.Temporary)
	}
}

// hint gives a consumer before version 3 the beginning of a message where the first one is larger than what it allows. By
// that it knows that it must allow more, where nothing at all would tell it that there is nothing.
func (f *fetch) hint(read *replica.FetchPartition, failed int16) {
	d := &read.Data
	more := read.FetchOffset < d.HighWatermark || f.params.Replica >= 0 && read.FetchOffset < d.LogEndOffset
	if f.call.version >= fetchKnowsOversized || failed != codeNone || d.Len() > 0 || !more || read.MaxBytes <= 0 || f.usedUp(read.MaxBytes) {
		return
	}
	n := min(int(read.MaxBytes), batch.LogOverhead)
	d.Ranges = []logdir.Range{{File: &downgraded{size: n, ended: true}, Length: n}}
}

// usedUp reports whether other partitions may have left less than this for one of them.
func (f *fetch) usedUp(most int32) bool {
	left := int(f.params.MaxBytes) - int(most)
	for i := range f.reads {
		left -= f.reads[i].Data.Len()
	}
	return left < 0
}

func (f *fetch) downgrade(p *replica.Partition, read *replica.FetchPartition, magic int8) int16 {
	size := read.Data.Len()
	d := &downgraded{source: read.Data.Ranges, magic: magic, from: read.FetchOffset, turns: f.api.downgrades}
	f.old = append(f.old, oldRecords{p, d})
	d.fill(1)
	switch {
	case errors.Is(d.failed, batch.ErrZstd):
		read.Data.Release()
		return codeUnsupportedCompressionType
	case d.failed != nil:
		f.api.quiet.warnf(f.api.Log, "%v: records at offset %d cannot be converted for client %s: %v",
			read.TopicPartition, read.FetchOffset, f.call.clientID(), d.failed)
		read.Data.Release()
		return codeCorruptMessage
	case len(d.out) == 0:
		size = batch.LogOverhead
	}
	d.size = max(size, len(d.out))
	read.Data.Ranges = []logdir.Range{{File: d, Length: d.size}}
	return codeNone
}

// downgraded is a file that is made while it is read, from one end to the other: the records of a partition in an older
// format. How long that will be is not known before the answer begins, so it is said to be as long as the records are
// stored, but not shorter than their first batch, converted. What is too long is cut off, which is how a fetch ends in any
// case; what is missing is filled by the beginning of a message longer than that, which readers leave alone (KIP-283).
type downgraded struct {
	source []logdir.Range
	size   int // bytes there are to read
	magic  int8
	from   int64
	turns  chan struct{} // bounds how many are converted at a time

	convert batch.Downgrade
	buf     []byte
	out     []byte // converted and not read yet
	given   int    // bytes read
	// failed is why no more is converted; ended that no more will be.
	failed error
	ended  bool
	padded bool
}

// Fd has the server read instead of using sendfile.
func (d *downgraded) Fd() uintptr { return ^uintptr(0) }

// ReadAt reads on. at is where the last call has ended.
func (d *downgraded) ReadAt(p []byte, at int64) (int, error) {
	if at != int64(d.given) {
		return 0, errors.New("converted records are read once, from front to back")
	}
	d.fill(len(p))
	if d.failed != nil && isRead(d.failed) {
		return 0, d.failed
	}
	if len(d.out) < len(p) && !d.padded {
		d.padded = true
		d.out = appendEndless(d.out, d.size-d.given-len(d.out))
	}
	n := copy(p, d.out)
	clear(p[n:])
	d.out = d.out[n:]
	d.given += len(p)
	return len(p), nil
}

// appendEndless appends the beginning of a message of more than the bytes that are left.
func appendEndless(b []byte, left int) []byte {
	b = binary.BigEndian.AppendUint64(b, 1<<64-1)
	return binary.BigEndian.AppendUint32(b, uint32(max(left+1, batch.HeaderSize)))
}

// fill converts until n bytes are there, or all.
func (d *downgraded) fill(n int) {
	for len(d.out) < n && !d.ended {
		b, err := d.next()
		if err == nil && b != nil {
			err = d.take(b)
		}
		if err != nil {
			d.failed = err
		}
		d.ended = b == nil || err != nil
	}
}

func (d *downgraded) take(b []byte) (err error) {
	d.turns <- struct{}{}
	defer func() { <-d.turns }()
	d.out, err = d.convert.Append(d.out, b, d.magic, d.from)
	return err
}

// readError is one of the disk.
type readError struct{ error }

func isRead(err error) bool {
	var r readError
	return errors.As(err, &r)
}

// next reads the next whole batch, nil if there is none.
func (d *downgraded) next() ([]byte, error) {
	for len(d.source) > 0 && d.source[0].Length == 0 {
		d.source = d.source[1:]
	}
	if len(d.source) == 0 {
		return nil, nil
	}
	r := &d.source[0]
	if err := d.read(r, min(batch.HeaderSize, r.Length)); err != nil {
		return nil, err
	}
	h, err := batch.ReadHeader(d.buf)
	if err == batch.ErrShort || err == nil && h.SizeInBytes() > r.Length {
		return nil, nil // the last one is cut short
	}
	if err != nil {
		return nil, err
	}
	if err := d.read(r, h.SizeInBytes()); err != nil {
		return nil, err
	}
	r.Position, r.Length = r.Position+int64(h.SizeInBytes()), r.Length-h.SizeInBytes()
	return d.buf, nil
}

func (d *downgraded) read(r *logdir.Range, n int) error {
	if cap(d.buf) < n {
		d.buf = make([]byte, n)
	}
	d.buf = d.buf[:n]
	if got, err := r.File.ReadAt(d.buf, r.Position); got < n {
		if err == nil {
			err = errors.New("file ends")
		}
		return readError{err}
	}
	return nil
}
