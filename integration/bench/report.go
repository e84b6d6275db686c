package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// report gathers samples by row and contender.
type report struct {
	rows    []string
	samples map[string]map[string][]float64
	turn    []sample // since beginTurn
	notes   []string
}

type sample struct{ row, contender string }

func newReport() *report { return &report{samples: map[string]map[string][]float64{}} }

// add notes one sample.
func (r *report) add(row, contender string, value float64) {
	if r.samples[row] == nil {
		r.rows = append(r.rows, row)
		r.samples[row] = map[string][]float64{}
	}
	r.samples[row][contender] = append(r.samples[row][contender], value)
	r.turn = append(r.turn, sample{row, contender})
}

// beginTurn marks where forgetTurn goes back to.
func (r *report) beginTurn() { r.turn = nil }

// forgetTurn takes the samples since beginTurn out again: it was a warm-up.
func (r *report) forgetTurn() {
	for _, s := range r.turn {
		all := r.samples[s.row][s.contender]
		r.samples[s.row][s.contender] = all[:len(all)-1]
	}
	r.turn = nil
}

// note adds a line below the table.
func (r *report) note(line string) { r.notes = append(r.notes, line) }

// median of a row's samples, or NaN if there is none.
func (r *report) median(row, contender string) float64 {
	s := slices.Clone(r.samples[row][contender])
	if len(s) == 0 {
		return math.NaN()
	}
	slices.Sort(s)
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}

// print writes the table of medians, ratios and targets.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%-34s %12s %12s %12s %14s   %s\n", "median", "Apache Kafka", "bare loop", "Ottla", "Ottla / Kafka", "target")
	for _, row := range r.rows {
		kafka, ottla := r.median(row, kafkaName), r.median(row, ottlaName)
		verdict := ""
		if t, ok := targets()[row]; ok && !math.IsNaN(ottla) && (t.most > 0 || !math.IsNaN(kafka)) {
			verdict = t.judge(r, row)
		}
		fmt.Fprintf(w, "%-34s %12s %12s %12s %14s   %s\n", row+unit(row), number(kafka), number(r.median(row, bareName)), number(ottla), number(ottla/kafka), verdict)
	}
	if len(r.notes) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(r.notes, "\n"))
	}
}

// unit of the rows whose name does not say it.
func unit(row string) string {
	switch {
	case row == "start", row == "start, embedded ZooKeeper", strings.HasPrefix(row, "testcluster"):
		return ", ms"
	case strings.HasPrefix(row, "memory"):
		return ", MiB"
	}
	return ""
}

// number prints three digits that count.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
