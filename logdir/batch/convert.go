package batch

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrFormat says that records are of a producer that counts them, or of a transaction, which messages of magic 0
	// and 1 cannot tell.
	ErrFormat = errors.New("records need message format 2")
	// ErrHeaders says that records have headers where they are to become messages of magic 0 or 1.
	ErrHeaders = errors.New("messages of magic 0 and 1 have no headers")
	// ErrNegativeTimestamp says that a message's timestamp is neither a time nor none.
	ErrNegativeTimestamp = errors.New("negative timestamp")
)

// Converted are records in the format in which they are stored.
type Converted struct {
	// Batches is one batch of magic 2, or messages; its offsets begin at the base that was asked for.
	Batches []byte
	Records int
	// MaxTimestamp is the largest of the records'.
	MaxTimestamp int64
	Conversion   Conversion
}

// Convert checks whole messages or batches, whose CRCs were checked before, as a leader must, and makes of them what is
// to be stored: one batch of magic 2, or messages of magic 0 or 1. base is the first record's offset. Offsets and
// timestamps of wrapped messages become right whatever they were. Errors: those of Validate, ErrFormat, ErrCorrupt (the CRC
// of a message in a wrapper), ErrHeaders, ErrNegativeTimestamp, ErrZstd.
func Convert(records []byte, magic int8, base int64, r *Rules) (Converted, error) {
	began := time.Now()
	out, err := convert(records, magic, base, r)
	out.Conversion = Conversion{Records: out.Records, Temporary: len(out.Batches), Took: time.Since(began)}
	return out, err
}

func convert(records []byte, magic int8, base int64, r *Rules) (Converted, error) {
	c := conversion{rules: r, magic: magic, base: base}
	source, err := c.survey(records)
	if err != nil {
		return Converted{}, err
	}
	target := r.Target
	if r.Keep {
		target = Compression{Codec: source}
	}
	if magic == 2 {
		return c.toBatch(records, target)
	}
	return c.toMessages(records, target)
}

// conversion is one call of Convert.
type conversion struct {
	rules *Rules
	magic int8 // to be
	base  int64
	first Header
	n     int // of records so far
	add   func(Record) error
}

// survey looks at the heads and returns how the records are compressed. What is compressed is one wrapper or batch.
func (c *conversion) survey(records []byte) (codec Codec, err error) {
	n := 0
	for b, err := range All(records) {
		if err != nil {
			return None, err
		}
		h, err := ReadHeader(b)
		if err != nil {
			return None, err
		}
		if n++; n == 1 {
			c.first = h
		}
		if err := c.checkHead(&h); err != nil {
			return None, err
		}
		if h.Codec() != None {
			codec = h.Codec()
		}
	}
	if n == 0 || n > 1 && (codec != None || c.first.Magic == 2) {
		return None, fmt.Errorf("%d batches where one is allowed: %w", n, ErrInvalidRecord)
	}
	return codec, nil
}

func (c *conversion) checkHead(h *Header) error {
	switch {
	case !h.Codec().Known():
		return fmt.Errorf("%v: %w", h.Codec(), ErrUnknownCodec)
	case h.Magic < 2 && h.Codec() == Zstd:
		return fmt.Errorf("zstd in a message of magic %d: %w", h.Magic, ErrInvalidRecord)
	case h.Magic != c.first.Magic:
		return fmt.Errorf("magic %d behind magic %d: %w", h.Magic, c.first.Magic, ErrInvalidRecord)
	case h.Magic == 2 && c.rules.FromClient:
		if err := checkClientHeader(h); err != nil {
			return err
		}
	}
	if c.magic < 2 && (h.IsTransactional() || h.HasProducerID()) {
		return fmt.Errorf("magic %d: %w", c.magic, ErrFormat)
	}
	return nil
}

func (c *conversion) toBatch(records []byte, target Compression) (Converted, error) {
	o := PlainOptions(target.Codec)
	o.Level = target.Level
	b := NewBuilder(o)
	c.add = func(r Record) error {
		b.Append(r.Timestamp, r.Key, r.Value)
		return bounded(b.Size())
	}
	if err := c.walk(records); err != nil {
		return Converted{}, err
	}
	out := b.Bytes()
	SetOffset(out, c.base)
	most := b.header.MaxTimestamp
	if c.rules.Type == LogAppendTime {
		most = c.rules.Now
		SetLogAppendTime(out, most)
	}
	return Converted{Batches: out, Records: c.n, MaxTimestamp: most}, nil
}

func (c *conversion) toMessages(records []byte, target Compression) (Converted, error) {
	var s messageSet
	if err := s.begin(nil, c.magic, target, c.rules.Type, c.rules.Now); err != nil {
		return Converted{}, err
	}
	c.add = func(r Record) error {
		if len(r.Headers) > 0 {
			return ErrHeaders
		}
		return s.add(c.base+int64(s.n), r.Timestamp, r.Key, r.Value)
	}
	if err := c.walk(records); err != nil {
		return Converted{}, err
	}
	out, err := s.end()
	return Converted{Batches: out, Records: c.n, MaxTimestamp: s.maxTimestamp}, err
}

// walk checks and adds all records, batch by batch.
func (c *conversion) walk(records []byte) error {
	for b, err := range All(records) {
		if err != nil {
			return err
		}
		if err := c.batch(b); err != nil {
			return err
		}
	}
	return nil
}

// batch adds the records of one batch or message, unless some are refused.
func (c *conversion) batch(b []byte) error {
	h, err := ReadHeader(b)
	if err != nil {
		return err
	}
	var bad *RecordsError
	index := int32(0)
	take := func(r Record, magic int8) error {
		switch message, cause := c.refusal(&h, &r, magic); {
		case cause != nil:
			bad = bad.add(index, cause, message)
		case r.Timestamp < NoTimestamp && h.Magic != c.magic:
			return fmt.Errorf("%w: %d", ErrNegativeTimestamp, r.Timestamp)
		case bad == nil:
			c.n++
			r.Timestamp = max(r.Timestamp, NoTimestamp) // as Kafka has it where nothing is converted
			if err := c.add(r); err != nil {
				return err
			}
		}
		index++
		return nil
	}
	if err := eachRecord(b, &h, take); err != nil {
		return err
	}
	if bad != nil {
		return bad
	}
	return nil
}

// eachRecord walks the records of a batch or a message and checks the CRCs of messages in a wrapper.
func eachRecord(b []byte, h *Header, take func(Record, int8) error) error {
	if h.Magic == 2 {
		for r, err := range Records(b) {
			if err != nil {
				return err
			}
			if err := take(r, 2); err != nil {
				return err
			}
		}
		return nil
	}
	s, _, err := openMessages(b, nil)
	if err != nil {
		return err
	}
	s.checked = true
	var failed error
	err = s.each(func(r Record, magic int8) bool {
		failed = take(r, magic)
		return failed == nil
	})
	return errors.Join(failed, err)
}

// refusal is why a record may not be stored, and the text for its producer.
func (c *conversion) refusal(h *Header, r *Record, magic int8) (message string, cause error) {
	rules := c.rules
	switch {
	case magic != h.Magic:
		return fmt.Sprintf("Record's magic %d does not match outer magic %d in topic partition %v", magic, h.Magic, rules.Partition), ErrInvalidRecord
	case rules.Compacted && r.Key == nil:
		return "Compacted topic cannot accept message without key in topic partition " + rules.Partition.String(), ErrInvalidRecord
	case rules.Type == CreateTime && r.Timestamp != NoTimestamp:
		if r.Timestamp < rules.Now-rules.BeforeMax || r.Timestamp > addClamped(rules.Now, rules.AfterMax) {
			return fmt.Sprintf("Timestamp %d of message with offset %d is out of range. The timestamp should be within [%d, %d]",
				r.Timestamp, r.Offset, rules.Now-rules.BeforeMax, rules.Now+rules.AfterMax), ErrInvalidTimestamp
		}
	case h.TimestampType() == LogAppendTime:
		return "Producer should not set timestamp type to LogAppendTime.", ErrInvalidTimestamp
	}
	return "", nil
}
