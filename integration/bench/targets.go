package main

import (
	"fmt"
	"strings"
)

// target is a ratio to Kafka that Ottla is to reach.
type target struct {
	ratio    float64
	atLeast  bool    // more is better
	bareness float64 // of the bare loop's value, in place of the target where the bare loop misses it
}

// targets returns what is to be reached in which row.
func targets() map[string]target {
	rate := func(ratio float64) target { return target{ratio: ratio, atLeast: true, bareness: 0.9} }
	cpu := func(ratio float64) target { return target{ratio: ratio, bareness: 1.15} }
	return map[string]target{
		"start":                {ratio: 0.1},
		"memory at rest":       {ratio: 0.2},
		"memory, peak":         {ratio: 0.2},
		"produce16, MB/s":      rate(2.5),
		"produce16, CPU s/GiB": cpu(0.35),
		"produce64, MB/s":      rate(1.1),
		"produce64, CPU s/GiB": cpu(0.8),
		"consume, MB/s":        rate(1.05),
		"consume, CPU s/GiB":   cpu(1),
		"latency p50, ms":      {ratio: 0.7},
		"latency p99.9, ms":    {ratio: 0.6},
	}
}

// meets reports whether a value reaches so much of another.
func (t target) meets(value, of, ratio float64) bool {
	if t.atLeast {
		return value >= ratio*of
	}
	return value <= ratio*of
}

// sign is how a target reads.
func (t target) sign() string {
	if t.atLeast {
		return "≥"
	}
	return "≤"
}

// judge says whether a row's target is met. Where the bare loop misses it in the same run it is replaced by
// a share of what the bare loop reaches.
func (t target) judge(r *report, row string) string {
	kafka, bare, ottla := r.median(row, kafkaName), r.median(row, bareName), r.median(row, ottlaName)
	text := fmt.Sprintf("%s %g × Kafka", t.sign(), t.ratio)
	met := t.meets(ottla, kafka, t.ratio)
	if !met && t.bareness > 0 && bare > 0 && !t.meets(bare, kafka, t.ratio) {
		text = fmt.Sprintf("%s %g × bare loop, which misses %g × Kafka", t.sign(), t.bareness, t.ratio)
		met = t.meets(ottla, bare, t.bareness)
	}
	verdict := "MISSED"
	if met {
		verdict = "met"
	}
	return strings.Join([]string{verdict, text}, ": ")
}
