package main

import (
	"slices"
	"testing"
)

func TestTheSameSeedIsTheSamePlan(t *testing.T) {
	a, b, other := newPlan(7, allFaults(), 3), newPlan(7, allFaults(), 3), newPlan(8, allFaults(), 3)
	differs := false
	for i := range 100 {
		x, y := a.next(), b.next()
		if x != y {
			t.Fatalf("step %d: %v and %v", i, x, y)
		}
		differs = differs || x != other.next()
	}
	if !differs {
		t.Error("another seed is the same plan")
	}
}

func TestEveryFaultComesBeforeAnyComesAgain(t *testing.T) {
	p := newPlan(7, allFaults(), 3)
	for range 20 {
		var round []fault
		for range allFaults() {
			s := p.next()
			round = append(round, s.fault)
			if s.broker < 1 || s.broker > 3 || s.peer < 1 || s.peer > 3 || s.peer == s.broker {
				t.Errorf("%v: broker %d, peer %d", s, s.broker, s.peer)
			}
			if (s.fault == stop || s.fault == stopController) && s.pause <= sessionTimeout {
				t.Errorf("%v: the session outlives it", s)
			}
		}
		want := allFaults()
		slices.Sort(round)
		slices.Sort(want)
		if !slices.Equal(round, want) {
			t.Fatalf("a round of %v", round)
		}
	}
}

func TestFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []kind // none if they are refused
	}{
		"Ottla by default":             {nil, []kind{ottla, ottla, ottla}},
		"the control":                  {[]string{"-contender", "apache"}, []kind{kafka, kafka, kafka}},
		"mixed with an odd seed":       {[]string{"-contender", "mixed", "-seed", "1"}, []kind{kafka, ottla, kafka}},
		"mixed with an even seed":      {[]string{"-contender", "mixed", "-seed", "2"}, []kind{ottla, kafka, ottla}},
		"one by one":                   {[]string{"-contender", "apache,ottla,ottla"}, []kind{kafka, ottla, ottla}},
		"two brokers are no cluster":   {[]string{"-contender", "apache,ottla"}, nil},
		"an unknown contender":         {[]string{"-contender", "redpanda"}, nil},
		"an unknown fault":             {[]string{"-faults", "kill,flood"}, nil},
		"something that is not a flag": {[]string{"now"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parseFlags(tc.args, t.Output())
			if (err != nil) != (tc.want == nil) || err == nil && !slices.Equal(s.kinds, tc.want) {
				t.Errorf("%v, %v; want %v", s.kinds, err, tc.want)
			}
		})
	}
}
