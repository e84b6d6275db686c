package network

import (
	"math/bits"
	"sync"
)

// Buffer is pooled memory. B has the length asked for; its contents are whatever was there before.
type Buffer struct {
	B     []byte
	class int8 // of the pool it returns to, or -1
}

// Pooled buffers come in powers of two between these; larger ones are left to the garbage collector.
const (
	smallestClass = 12 // 4 KiB
	largestClass  = 22 // 4 MiB
)

// pools has one pool for each power of two. It is shared by all servers of the process: memory has no owner
// while it lies in a pool.
var pools [largestClass - smallestClass + 1]sync.Pool

// GetBuffer returns a buffer of n bytes. Its owner calls Release when nothing refers to it any more, or
// leaves it to the garbage collector.
func GetBuffer(n int) *Buffer {
	class := max(bits.Len(uint(max(n, 1)-1)), smallestClass)
	if class > largestClass {
		return &Buffer{B: make([]byte, n), class: -1}
	}
	if b, ok := pools[class-smallestClass].Get().(*Buffer); ok {
		b.B = b.B[:n]
		return b
	}
	return &Buffer{B: make([]byte, n, 1<<class), class: int8(class)}
}

// Release gives the buffer back. It must not be used afterwards.
func (b *Buffer) Release() {
	if b.class < 0 || cap(b.B) != 1<<b.class {
		return // grown by append, or too large to keep
	}
	b.B = b.B[:cap(b.B)]
	pools[int(b.class)-smallestClass].Put(b)
}
