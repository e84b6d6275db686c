package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// MaxDecompressed is how many bytes the records of one batch may decompress to. Producers bound a
// batch by its size before compression, so honest ones are far below.
const MaxDecompressed = 128 << 20

// Decoders are costly to make and hold no state between two uses, so they are kept for the next.
var (
	gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}
	lz4Readers  = sync.Pool{New: func() any { return lz4.NewReader(nil) }}
	zstdReaders = sync.Pool{New: func() any {
		// Without an input the options are all that can fail, and these cannot.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(MaxDecompressed), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			panic(err)
		}
		return d
	}}
)

// Decompress appends to dst what src decompresses to. More than limit bytes (itself at most
// MaxDecompressed) is ErrTooLarge; what cannot be read is ErrDecompress. dst grows only as far as
// the data really goes, never as far as it claims to.
func Decompress(dst []byte, c Codec, src []byte, limit int) ([]byte, error) {
	limit = min(limit, MaxDecompressed)
	var err error
	switch c {
	case None:
		if len(src) > limit {
			return dst, ErrTooLarge
		}
		return append(dst, src...), nil
	case Gzip:
		dst, err = gunzip(dst, src, limit)
	case Snappy:
		dst, err = unsnappy(dst, src, limit)
	case Lz4:
		r := lz4Readers.Get().(*lz4.Reader)
		r.Reset(bytes.NewReader(src))
		dst, err = readLimited(dst, r, limit)
		r.Reset(nil)
		lz4Readers.Put(r)
	case Zstd:
		dst, err = unzstd(dst, src, limit)
	default:
		return dst, fmt.Errorf("%v: %w", c, ErrUnknownCodec)
	}
	if err != nil && !errors.Is(err, ErrTooLarge) {
		err = fmt.Errorf("%w: %v: %v", ErrDecompress, c, err)
	}
	return dst, err
}

func gunzip(dst, src []byte, limit int) ([]byte, error) {
	r := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(r)
	if err := r.Reset(bytes.NewReader(src)); err != nil {
		return dst, err
	}
	return readLimited(dst, r, limit)
}

func unzstd(dst, src []byte, limit int) ([]byte, error) {
	d := zstdReaders.Get().(*zstd.Decoder)
	defer zstdReaders.Put(d)
	// The frame may claim any size: let the buffer be bounded by what the caller may get at all.
	var h zstd.Header
	if err := h.Decode(src); err == nil && h.HasFCS && h.FrameContentSize > uint64(limit) {
		return dst, ErrTooLarge
	}
	start := len(dst)
	out, err := d.DecodeAll(src, dst)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || err == nil && len(out)-start > limit {
		return dst, ErrTooLarge
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// readLimited appends all that r gives to dst.
func readLimited(dst []byte, r io.Reader, limit int) ([]byte, error) {
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst)-start > limit {
			return dst[:start], ErrTooLarge
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst[:start], err
		}
	}
}

// Java's snappy stream begins with this magic, a version and the oldest version that can read it; then
// come blocks, each behind its length. Other clients send one bare block.
var snappyMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const snappyHeaderSize = 16

func unsnappy(dst, src []byte, limit int) ([]byte, error) {
	start := len(dst)
	if len(src) < snappyHeaderSize || !bytes.HasPrefix(src, snappyMagic) {
		return unsnappyBlock(dst, src, start+limit)
	}
	src = src[snappyHeaderSize:]
	for len(src) > 0 {
		// Concatenated streams repeat the header between blocks.
		if bytes.HasPrefix(src, snappyMagic) && len(src) >= snappyHeaderSize {
			src = src[snappyHeaderSize:]
			continue
		}
		if len(src) < 4 {
			return dst[:start], io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(src)
		if src = src[4:]; uint64(n) > uint64(len(src)) {
			return dst[:start], io.ErrUnexpectedEOF
		}
		var err error
		if dst, err = unsnappyBlock(dst, src[:n], start+limit); err != nil {
			return dst[:start], err
		}
		src = src[n:]
	}
	return dst, nil
}

// unsnappyBlock appends one block. end bounds the length of dst. A snappy block can grow by a factor of
// about twenty-one, so one that claims more lies, and is refused before memory is taken for it.
func unsnappyBlock(dst, block []byte, end int) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return dst, err
	}
	if len(dst)+n > end {
		return dst, ErrTooLarge
	}
	if n > 64*(len(block)+1) {
		return dst, s2.ErrCorrupt
	}
	at := len(dst)
	if cap(dst)-at < n {
		dst = append(make([]byte, 0, max(2*cap(dst), at+n)), dst...)
	}
	if _, err := s2.Decode(dst[at:at+n:at+n], block); err != nil {
		return dst, err
	}
	return dst[:at+n], nil
}
