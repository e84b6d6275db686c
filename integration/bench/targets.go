package main

import (
	"fmt"
	"strings"
)

// target is a ratio to Kafka that Ottla is to reach.
type target struct {
	most     float64 // instead of a ratio: what it is not to exceed, whatever Kafka does
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

		"replicate, 1 connection, MB/s":       {ratio: 4, atLeast: true},
		"replicate, 1 connection, CPU s/GiB":  {ratio: 1. / 3},
		"replicate, 6 connections, MB/s":      {ratio: 2.5, atLeast: true},
		"replicate, 6 connections, CPU s/GiB": {ratio: 1. / 3},
		"create 1000 partitions, s":           {ratio: 0.25},
		"fail-over of 1000 partitions, s":     {ratio: 0.125},
		"fail-over of 3000 partitions, s":     {ratio: 0.125},
		"memory, 3000 idle partitions":        {ratio: 1. / 6},
		"testcluster to the first record":     {most: 1000},

		"recovery of 2 GiB, s":       {ratio: 1. / 3},
		"start, 5000 partitions, s":  {ratio: 0.2},
		"cleaner, MiB/s":             {ratio: 1.5, atLeast: true},
		"flush a message, records/s": {ratio: 3, atLeast: true},

		"1 producer, transactions/s":   {ratio: 1.5, atLeast: true},
		"1 producer, EndTxn p50, ms":   {ratio: 0.7},
		"16 producers, transactions/s": {ratio: 1.5, atLeast: true},
		"16 producers, EndTxn p50, ms": {ratio: 0.7},
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
	text := fmt.Sprintf("%s %.3g × Kafka", t.sign(), t.ratio)
	met := t.meets(ottla, kafka, t.ratio)
	if t.most > 0 {
		text, met = fmt.Sprintf("≤ %g", t.most), ottla <= t.most
	}
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
