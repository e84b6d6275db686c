package batch

// A leader looks at every record of every batch, so this walk decides how much a produce costs beside its
// write. skipRecord does what nextRecord does, but keeps nothing of the record: it is about three times as
// fast, and the fuzz test holds the two together.

// outside is a place that no record reaches, so that errors need be looked for only once.
const outside = 1 << 40

// skipRecord finds the end of the record at p[at:], its timestamp difference, and whether it has a key.
// ok is false if its lengths contradict each other; nextRecord tells how. The lengths, of one byte or
// two nearly always, are read in place: a call for each would double the time.
func skipRecord(p []byte, at int) (next int, timestampDelta int64, hasKey, ok bool) {
	size, i := zigzag32(p, at)
	end := i + int(size)
	if size <= 0 || end > len(p) {
		return 0, 0, false, false
	}
	r := p[i:end]
	// Before each run of fields it is checked that as many bytes are left as they may take.
	if len(r) < 12 {
		return skipFields(r, end)
	}
	i = 1
	if b := r[1]; b < 0x80 {
		timestampDelta, i = int64(b>>1)^-int64(b&1), 2
	} else if timestampDelta, i = zigzag64(r, 1); i+8 > len(r) {
		return skipFields(r, end)
	}
	if r[i] < 0x80 { // the offset difference
		i++
	} else if r[i+1] < 0x80 {
		i += 2
	} else {
		return skipFields(r, end)
	}
	b := int(r[i])
	if b >= 0x80 {
		return skipFields(r, end)
	}
	if hasKey = b&1 == 0; hasKey {
		i += b >> 1
	}
	if i++; i+3 > len(r) {
		return skipFields(r, end)
	}
	if b = int(r[i]); b >= 0x80 {
		c := int(r[i+1])
		if c >= 0x80 {
			return skipFields(r, end)
		}
		b = b&0x7f | c<<7
		i++
	}
	if i++; b&1 == 0 {
		i += b >> 1
	}
	if i != len(r)-1 || r[i] != 0 { // no headers
		return skipFields(r, end)
	}
	return end, timestampDelta, hasKey, true
}

// skipFields is skipRecord for whatever a record r may hold.
func skipFields(r []byte, end int) (next int, timestampDelta int64, hasKey, ok bool) {
	timestampDelta, i := zigzag64(r, 1)
	_, i = zigzag32(r, i)
	key, i := zigzag32(r, i)
	if key > 0 {
		i += int(key)
	}
	value, i := zigzag32(r, i)
	if value > 0 {
		i += int(value)
	}
	headers, i := zigzag32(r, i)
	if headers != 0 {
		i = skipHeaders(r, i, len(r), headers)
	}
	return end, timestampDelta, key >= 0, i == len(r)
}

func skipHeaders(p []byte, i, end int, headers int64) int {
	if headers < 0 || headers > int64(end-i) {
		return outside
	}
	for range headers {
		var key, value int64
		if key, i = zigzag32(p, i); key < 0 {
			return outside
		}
		value, i = zigzag32(p, i+int(key))
		if value > 0 {
			i += int(value)
		}
		if i > end {
			return outside
		}
	}
	return i
}

// zigzag32 reads a varint of one or two bytes, as nearly all are, without a call.
func zigzag32(p []byte, i int) (int64, int) {
	if i < len(p)-1 {
		b := int64(p[i])
		if b < 0x80 {
			return b>>1 ^ -(b & 1), i + 1
		}
		if c := int64(p[i+1]); c < 0x80 {
			b = b&0x7f | c<<7
			return b>>1 ^ -(b & 1), i + 2
		}
	}
	return long32(p, i)
}

func long32(p []byte, i int) (int64, int) {
	if i >= len(p) {
		return 0, outside
	}
	v, n := varint(p[i:])
	if n <= 0 {
		return 0, outside
	}
	return v, i + n
}

func zigzag64(p []byte, i int) (int64, int) {
	if i >= len(p) {
		return 0, outside
	}
	v, n := varint64(p[i:])
	if n <= 0 {
		return 0, outside
	}
	return v, i + n
}
