package logdir

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// log.initial.task.delay.ms: what is seen to every five minutes is first seen to soon after the start.
func TestBackgroundWorkBeginsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startScheduler()
		began := time.Now()
		var soon, later, never []time.Duration
		s.each(30*time.Second, 5*time.Minute, func() { soon = append(soon, time.Since(began)) })
		s.each(0, 4*time.Minute, func() { later = append(later, time.Since(began)) })
		s.each(time.Second, 0, func() { never = append(never, time.Since(began)) })
		time.Sleep(11 * time.Minute)
		s.close()
		if want := []time.Duration{30 * time.Second, 330 * time.Second, 630 * time.Second}; !slices.Equal(soon, want) {
			t.Errorf("ran at %v, want %v", soon, want)
		}
		if want := []time.Duration{4 * time.Minute, 8 * time.Minute}; !slices.Equal(later, want) {
			t.Errorf("ran at %v, want %v", later, want)
		}
		if len(never) > 0 {
			t.Errorf("without a period it ran at %v", never)
		}
	})
}
