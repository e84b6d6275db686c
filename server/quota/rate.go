package quota

import "time"

// rate is bytes per second over the last samples [SampledStat, Rate.SimpleRate]. The newest sample takes bytes until it
// is as old as the window; one that is older than all of them may be counts no more.
//
// Kafka keeps an old sample as an empty one, whose time still counts, and so lets pass too much where single pieces are large.
// Here it is dropped.
type rate struct {
	window time.Duration
	most   int
	live   []sample // oldest first
}

type sample struct {
	start time.Time
	bytes int64
}

func newRate(samples int, window time.Duration) rate {
	return rate{window: window, most: max(1, samples)}
}

// record counts bytes.
func (r *rate) record(n int64, now time.Time) {
	r.forget(now)
	if last := len(r.live) - 1; last < 0 || now.Sub(r.live[last].start) >= r.window {
		r.live = append(r.live, sample{start: now})
	}
	r.live[len(r.live)-1].bytes += n
}

// forget drops what is too old.
func (r *rate) forget(now time.Time) {
	old := 0
	for old < len(r.live) && now.Sub(r.live[old].start) >= time.Duration(r.most)*r.window {
		old++
	}
	r.live = append(r.live[:0], r.live[old:]...)
}

// measure is how many bytes there have been, and in how long: at least a window, so that the first piece of work does not
// look like a flood.
func (r *rate) measure(now time.Time) (bytes int64, in time.Duration) {
	r.forget(now)
	in = r.window
	if len(r.live) > 0 {
		in = max(in, now.Sub(r.live[0].start))
	}
	for i := range r.live {
		bytes += r.live[i].bytes
	}
	return bytes, in
}
