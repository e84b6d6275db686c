package batch

import (
	"errors"
	"fmt"
)

// Codec is how a batch's records are compressed, as bits 0-2 of its attributes number it.
type Codec int8

// The codecs there are.
const (
	None   Codec = 0
	Gzip   Codec = 1
	Snappy Codec = 2
	Lz4    Codec = 3
	Zstd   Codec = 4
)

var (
	// ErrUnknownCodec says that no compression has this number or name.
	ErrUnknownCodec = errors.New("unknown compression codec")
	// ErrDecompress says that a codec cannot make sense of what it was given.
	ErrDecompress = errors.New("records cannot be decompressed")
	// ErrTooLarge says that records decompress to more than the bound.
	ErrTooLarge = errors.New("records decompress to more than is allowed")
)

var codecNames = [...]string{None: "none", Gzip: "gzip", Snappy: "snappy", Lz4: "lz4", Zstd: "zstd"}

// Known reports whether the codec exists.
func (c Codec) Known() bool { return c >= None && int(c) < len(codecNames) }

// String is the name in Kafka's settings; "none" is also spelled "uncompressed" there.
func (c Codec) String() string {
	if !c.Known() {
		return fmt.Sprintf("codec %d", int8(c))
	}
	return codecNames[c]
}

// ParseCodec reads a codec's name. "uncompressed", which compression.type says, is none.
func ParseCodec(name string) (Codec, error) {
	if name == "uncompressed" {
		return None, nil
	}
	for c, n := range codecNames {
		if n == name {
			return Codec(c), nil
		}
	}
	return None, fmt.Errorf("%q: %w", name, ErrUnknownCodec)
}

// Compression is a codec and how hard it tries. Levels are those of Kafka's compression.*.level; zero
// is the codec's default.
type Compression struct {
	Codec Codec
	Level int
}
