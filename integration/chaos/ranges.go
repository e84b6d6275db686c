package main

import "fmt"

// offsetRange is first to last, both in it.
type offsetRange struct{ first, last int64 }

func (r offsetRange) String() string {
	if r.first == r.last {
		return fmt.Sprint(r.first)
	}
	return fmt.Sprintf("%d to %d", r.first, r.last)
}

// ranges are offsets that were added in ascending order, neighbours together.
type ranges struct{ all []offsetRange }

func newRanges() *ranges { return &ranges{} }

func (r *ranges) add(offset int64) {
	if n := len(r.all); n > 0 && r.all[n-1].last == offset-1 {
		r.all[n-1].last = offset
		return
	}
	r.all = append(r.all, offsetRange{offset, offset})
}
