package batch

import (
	"errors"
	"time"
)

// ErrZstd says that records are compressed by zstd, which no message of magic 0 or 1 can be.
var ErrZstd = errors.New("zstd in a message format before 2")

// Downgrade writes batches in an older format, for clients that know no newer one. It keeps its memory from one
// batch to the next. Not for concurrent use. The zero value is ready.
//
// What the older format cannot hold is lost: headers, producers, and in magic 0 timestamps. Markers of transactions are
// left out, and data that was aborted is there as any other: the readers are from before transactions.
type Downgrade struct {
	set messageSet
	// Cost is that of all batches so far.
	Cost Conversion
}

// Append appends to dst the whole batch b as messages of a magic, as it is if it is of that magic or an older one. Of
// records that are not compressed together those below the offset from are left out: some librdkafka takes what
// comes first for what it asked for. Errors: ErrZstd, ErrTooLarge, or those of Records.
func (d *Downgrade) Append(dst, b []byte, magic int8, from int64) ([]byte, error) {
	h, err := ReadHeader(b)
	switch {
	case err != nil:
		return dst, err
	case h.SizeInBytes() > len(b):
		return dst, ErrShort
	case h.Magic <= magic:
		return append(dst, b[:h.SizeInBytes()]...), nil
	case h.IsControl():
		return dst, nil
	}
	began := time.Now()
	if err := d.set.begin(dst, magic, Compression{Codec: h.Codec()}, h.TimestampType(), h.MaxTimestamp); err != nil {
		return dst, err
	}
	for r, err := range Records(b) {
		if err == nil && (h.Codec() != None || r.Offset >= from) {
			err = d.set.add(r.Offset, r.Timestamp, r.Key, r.Value)
		}
		if err != nil {
			return dst, err
		}
	}
	out, err := d.set.end()
	d.Cost.Add(Conversion{Records: d.set.n, Temporary: len(out) - len(dst), Took: time.Since(began)})
	return out, err
}
