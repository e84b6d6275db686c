// Package timingwheel runs functions later, and forgets them cheaply.
//
// Nearly every time-out of a broker is cancelled before it fires: a produce is acknowledged in two of its
// thirty thousand milliseconds, a member's heartbeat arrives in time. A heap pays O(log n) for each of these
// cancellations, with millions of entries and a cache miss a step; a wheel pays a constant.
//
// A wheel is a ring of buckets. Each bucket spans one tick and holds the entries that fall due within it:
//
//	               current
//	                  v
//	level 0   | 0 | 1 | 2 | ... | 19 |          a tick is 1 ms, the ring spans 20 ms
//	level 1   |     0     |     1     | ...     a tick is 20 ms, the ring spans 400 ms
//	level 2   |                  0              a tick is 400 ms, the ring spans 8 s; and so on
//
// An entry goes into the lowest wheel whose ring still reaches its time. A wheel that does not reach far
// enough makes its overflow wheel when it first needs one, so the Timer refers to the lowest wheel alone, and
// only an entry a century away pays for ten of them. When the time of an overflow bucket begins, its entries
// are added anew and land on lower wheels: they are demoted, at most once a level, until the lowest wheel
// knows their millisecond.
//
// A bucket is a circular, doubly linked list around a sentinel. The links lie in the Entry, which lies in the
// thing that waits: adding allocates nothing, and cancelling unlinks without asking which bucket it is.
//
// Nothing ticks. A bucket that gets its first entry of a round goes into a queue ordered by the time at which it
// begins, and one goroutine sleeps until the first of them. The queue holds buckets, not entries, so its
// heap stays as small as the wheels; an empty Timer sleeps for ever.
//
// An entry never fires early. Its time is rounded up to the next whole millisecond of the Timer's clock.
// A function runs on the Timer's goroutine: it must not block, or all later ones are late.
package timingwheel
