package logdir

import (
	"hash/maphash"
	"math/bits"
)

// offsetMap knows the newest offset of each key, in memory of a fixed size however long the keys are: a
// slot has a digest of 128 bits in place of the key. That two keys share one is less likely than any
// failure of the machine, and since the digests are seeded anew in each process nobody can choose such keys.
//
// It is open addressing with linear steps, which at nine slots of ten in use looks at a cache line or two.
type offsetMap struct {
	slots []offsetSlot
	used  int
	most  int // how many keys it takes
	seeds [2]maphash.Seed
	// latest is the offset up to which it knows all keys, -1 for none.
	latest int64
}

// offsetSlot is empty while offset is zero: it holds the offset plus one, so that memory that was just
// cleared is an empty map.
type offsetSlot struct {
	high, low uint64
	offset    int64
}

// offsetSlotSize is that of a slot in bytes, as log.cleaner.dedupe.buffer.size counts them; Kafka's has the
// same.
const offsetSlotSize = 24

func newOffsetMap() *offsetMap {
	return &offsetMap{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, latest: -1}
}

// reset forgets all keys and makes room for up to want, in at most memory bytes of which the share load may
// be in use. What is there is used again if it is enough.
func (m *offsetMap) reset(want, memory int64, load float64) {
	slots := max(memory/offsetSlotSize, 2)
	m.most = max(int(float64(slots)*load), 1)
	m.most = min(m.most, int(slots)-1) // one stays empty, or a search would not end
	if want < int64(m.most) {
		m.most = max(int(want), 1)
		slots = min(int64(float64(m.most)/load)+2, slots)
	}
	m.used, m.latest = 0, -1
	if int64(cap(m.slots)) < slots {
		m.slots = make([]offsetSlot, slots)
		return
	}
	m.slots = m.slots[:slots]
	clear(m.slots)
}

// put notes a key's offset, which is above all before, and reports whether there was room.
func (m *offsetMap) put(key []byte, offset int64) bool {
	s := m.find(key)
	if s.offset == 0 {
		if m.used == m.most {
			return false
		}
		m.used++
	}
	s.offset = offset + 1
	m.latest = max(m.latest, offset)
	return true
}

// get is the newest offset of a key, -1 for one that is not known.
func (m *offsetMap) get(key []byte) int64 { return m.find(key).offset - 1 }

// find is the key's slot, or the empty one where it belongs; a search sets the digest there, which does no
// harm.
func (m *offsetMap) find(key []byte) *offsetSlot {
	high, low := maphash.Bytes(m.seeds[0], key), maphash.Bytes(m.seeds[1], key)
	at, _ := bits.Mul64(high, uint64(len(m.slots)))
	for {
		s := &m.slots[at]
		if s.offset == 0 {
			s.high, s.low = high, low
			return s
		}
		if s.high == high && s.low == low {
			return s
		}
		if at++; at == uint64(len(m.slots)) {
			at = 0
		}
	}
}

// reached says that all keys up to an offset are known.
func (m *offsetMap) reached(offset int64) { m.latest = max(m.latest, offset) }

// utilization is how much of what it takes is in use, in percent.
func (m *offsetMap) utilization() float64 { return 100 * float64(m.used) / float64(m.most) }
