package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Encoders of the default levels are kept for the next use; those of other levels are made each time.
var (
	gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	lz4Writers  = sync.Pool{New: func() any { return lz4.NewWriter(nil) }}
	zstdWriters = sync.Pool{New: func() any {
		e, err := newZstd(defaultZstdLevel)
		if err != nil {
			panic(err) // only a wrong option fails, and these are constant
		}
		return e
	}}
)

const (
	defaultZstdLevel = 3
	// defaultLz4Level is what Kafka calls the default; it means the fast algorithm, unlike the nine
	// levels of high compression around it.
	defaultLz4Level = 9
)

// Compress appends to dst what src compresses to. The formats are those Kafka's Java client writes.
func Compress(dst []byte, c Compression, src []byte) ([]byte, error) {
	switch c.Codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return gzipTo(dst, c.Level, src)
	case Snappy:
		return snappyTo(dst, src), nil
	case Lz4:
		return lz4To(dst, c.Level, src)
	case Zstd:
		return zstdTo(dst, c.Level, src)
	default:
		return dst, fmt.Errorf("%v: %w", c.Codec, ErrUnknownCodec)
	}
}

func gzipTo(dst []byte, level int, src []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	var w *gzip.Writer
	if level == 0 || level == gzip.DefaultCompression {
		w = gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(w)
		w.Reset(buf)
	} else {
		var err error
		if w, err = gzip.NewWriterLevel(buf, level); err != nil {
			return dst, err
		}
	}
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return buf.Bytes(), nil
}

// snappyBlock is how many bytes Java's stream compresses at a time.
const snappyBlock = 32 << 10

func snappyTo(dst, src []byte) []byte {
	dst = append(dst, snappyMagic...)
	dst = binary.BigEndian.AppendUint32(dst, 1) // version
	dst = binary.BigEndian.AppendUint32(dst, 1) // oldest version that can read it
	var block []byte
	for len(src) > 0 {
		n := min(len(src), snappyBlock)
		block = s2.EncodeSnappy(block[:cap(block)], src[:n])
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(block)))
		dst = append(dst, block...)
		src = src[n:]
	}
	return dst
}

func lz4To(dst []byte, level int, src []byte) ([]byte, error) {
	w := lz4Writers.Get().(*lz4.Writer)
	defer lz4Writers.Put(w)
	buf := bytes.NewBuffer(dst)
	w.Reset(buf)
	err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1),
		lz4.CompressionLevelOption(lz4Level(level)))
	if err != nil {
		return dst, err
	}
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return buf.Bytes(), nil
}

func lz4Level(level int) lz4.CompressionLevel {
	levels := [...]lz4.CompressionLevel{lz4.Fast, lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4, lz4.Level5, lz4.Level6, lz4.Level7, lz4.Level8}
	switch {
	case level <= 0 || level == defaultLz4Level:
		return lz4.Fast
	case level < len(levels):
		return levels[level]
	default:
		return lz4.Level9
	}
}

func newZstd(level int) (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)))
}

func zstdTo(dst []byte, level int, src []byte) ([]byte, error) {
	if level == 0 || level == defaultZstdLevel {
		e := zstdWriters.Get().(*zstd.Encoder)
		defer zstdWriters.Put(e)
		return e.EncodeAll(src, dst), nil
	}
	e, err := newZstd(level)
	if err != nil {
		return dst, err
	}
	return e.EncodeAll(src, dst), nil
}
