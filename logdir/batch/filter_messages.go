package batch

// Messages of magic 0 and 1 know no delete horizon and no producer, so taking records out of them is taking them
// out. What is left of a wrapper is wrapped anew, with the offsets that the records had.

func messageKey(r Record) Key {
	return Key{Offset: r.Offset, Bytes: r.Key, Null: r.Key == nil, Tombstone: r.Value == nil}
}

func (f *Filter) openMessages(b []byte) (s messages, err error) {
	s, f.payload, err = openMessages(b, f.payload)
	return s, err
}

func (f *Filter) messageKeys(b []byte, each func(Key) bool) error {
	s, err := f.openMessages(b)
	if err != nil {
		return err
	}
	return s.each(func(r Record, _ int8) bool { return each(messageKey(r)) })
}

func (f *Filter) appendMessages(dst, b []byte, h *Header, c *Cut) (out []byte, kept int, err error) {
	s, err := f.openMessages(b)
	if err != nil {
		return dst, 0, err
	}
	if err := f.set.begin(dst, h.Magic, Compression{Codec: h.Codec()}, h.TimestampType(), h.MaxTimestamp); err != nil {
		return dst, 0, err
	}
	var failed error
	all := 0
	err = s.each(func(r Record, magic int8) bool {
		all++
		if c.Keep(messageKey(r)) {
			failed = f.set.add(r.Offset, r.Timestamp, r.Key, r.Value)
		}
		return failed == nil
	})
	switch {
	case err != nil || failed != nil:
		if err == nil {
			err = failed
		}
		return dst, 0, err
	case f.set.n == all:
		return append(dst, b[:h.SizeInBytes()]...), all, nil
	}
	out, err = f.set.end()
	return out, f.set.n, err
}
